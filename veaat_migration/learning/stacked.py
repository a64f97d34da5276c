"""Multi-layer perceptrons of several agents, evaluated and differentiated as one batch.

Weights carry a leading axis of agents, and samples are columns: with A agents and N samples a
layer is ``H = f(W X + b) * m`` with W [A, out, in], X [A, in, N] (or [in, N], seen by all), b
[A, out, 1] and the mask m of Eq. (42), also [A, out, 1]. :mod:`.evaluator` computes all that, and
its gradients; :mod:`.rows` says how parameters are stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from veaat_migration.learning.evaluator import Evaluator
from veaat_migration.learning.memory import Memory
from veaat_migration.learning.rows import Layers, by_layer, row_size

ACTIVATIONS = ("tanh", "relu")
BLOCK = 512
"""Samples that are evaluated together where nothing is differentiated: results stay cached."""


class _Perceptron(torch.autograd.Function):
    """An evaluator for torch's automatic differentiation."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor, network: StackedMLP, agents: slice) -> Tensor:
        # Memory of its own: several calls may wait for their backward pass.
        ctx.evaluator = network.evaluator(agents, rows=rows, memory=Memory())
        ctx.save_for_backward(x, rows)
        # A tensor of its own: one that the evaluator knows would keep itself alive by way of ctx.
        return cast(Tensor, ctx.evaluator(x).detach())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, rows = ctx.saved_tensors
        by_rows = torch.zeros_like(rows)
        by_input = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        ctx.evaluator.differentiate(gradients[0], by_rows, by_input=by_input)
        return by_input, by_rows, None, None


class StackedMLP(torch.nn.Module):
    """One perceptron per agent, all of the same shape."""

    def __init__(
        self,
        agents: int,
        widths: Sequence[int],
        *,
        activation: str = "tanh",
        output_gain: float = 1.0,
        seen: Tensor | None = None,
        further: int = 0,
        generator: torch.Generator | None = None,
    ) -> None:
        """Orthogonal initial weights.

        Args:
            agents: A.
            widths: of the input, the hidden layers and the output.
            activation: of the hidden layers, one of :data:`ACTIVATIONS`.
            output_gain: scale of the last layer's initial weights.
            seen: which entries of a shared input each agent sees, 0 or 1, shape [A, input].
            further: numbers that each agent has besides; 0 at first.
            generator: source of the initial weights.
        """
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation: must be one of {ACTIVATIONS}, got {activation!r}")
        self.activation = activation
        self.widths: list[int] = list(widths)
        """Of the input, the hidden layers as they are stored, and the output."""
        self.values = torch.nn.Parameter(torch.zeros(agents, row_size(widths) + further))
        """All numbers of each agent, [A, P]."""
        hidden_gain = math.sqrt(2.0) if activation == "relu" else 5.0 / 3.0
        with torch.no_grad():
            for layer, weight in enumerate(self.weights):
                gain = output_gain if layer == len(widths) - 2 else hidden_gain
                for matrix in weight:
                    own = torch.empty(matrix.shape)
                    torch.nn.init.orthogonal_(own, gain, generator=generator)
                    matrix.copy_(own)
        self.register_buffer("seen", None if seen is None else seen[:, None, :].to(torch.float32))
        self.masks: list[Tensor | None] = [None] * (len(widths) - 2)
        self.memory = Memory()
        self._make_evaluator: Callable[..., Evaluator] = Evaluator
        self.blind()

    @property
    def agents(self) -> int:
        """A."""
        return int(self.values.shape[0])

    def layers(self, rows: Tensor | None = None) -> Layers:
        """Views of all numbers by layer, or of other rows like these, [A, P]."""
        return by_layer(self.values if rows is None else rows, self.widths)

    @property
    def weights(self) -> list[Tensor]:
        """[A, out, in] of each layer."""
        return self.layers().weights

    @property
    def biases(self) -> list[Tensor]:
        """[A, out, 1] of each layer."""
        return self.layers().biases

    @torch.no_grad()
    def blind(self) -> None:
        """Forget entries of the input that an agent does not see: their weights become 0.

        They stay 0, as networks have no gradient there.
        """
        if self.seen is not None:
            self.weights[0].mul_(self.seen)

    @torch.no_grad()
    def only_gradient(self, agents: slice) -> None:
        """Drop the gradients of all other agents."""
        if self.values.grad is not None:
            kept = self.values.grad[agents].clone()
            self.values.grad.zero_()
            self.values.grad[agents] = kept

    def forward(self, x: Tensor, agents: slice = slice(None)) -> Tensor:
        """Outputs of some agents, [A, out, N]; ``x`` [in, N] seen by all, or [A, in, N]."""
        return cast(Tensor, _Perceptron.apply(x, self.values[self.rows_of(agents)], self, agents))

    def rows_of(self, agents: slice) -> slice:
        """Where some agents' numbers are."""
        return agents

    @torch.no_grad()
    def evaluator(
        self,
        agents: slice = slice(None),
        *,
        rows: Tensor | None = None,
        memory: Memory | None = None,
    ) -> Evaluator:
        """Some agents without automatic differentiation.

        Args:
            agents: which agents.
            rows: their numbers, if not those of this network.
            memory: for outputs; by default that of the network, so that outputs last until any
                agent is evaluated again.
        """
        where = self.rows_of(agents)
        return self._make_evaluator(
            self.values[where] if rows is None else rows,
            self.widths,
            activation=self.activation,
            masks=[None if mask is None else mask[where] for mask in self.masks],
            seen=None if self.seen is None else self.seen[where],
            memory=self.memory if memory is None else memory,
        )

    @torch.no_grad()
    def outputs(self, x: Tensor) -> Tensor:
        """Outputs of all agents for any number of samples, [A, out, N]; ``x`` [in, N]."""
        evaluator = self.evaluator()
        return torch.cat([evaluator(block).clone() for block in x.split(BLOCK, 1)], -1)

    @torch.no_grad()
    def take_gradient(
        self,
        evaluator: Evaluator,
        by_output: Tensor,
        agents: slice,
        *,
        further: Tensor | None = None,
        by_input: Tensor | None = None,
    ) -> None:
        """Differentiate the last call of an evaluator; the other agents' gradients are 0.

        Args:
            evaluator: of some agents.
            by_output: gradient by its outputs, [A, out, N].
            agents: which agents.
            further: gradient by what these agents have besides, [A, further]; None: 0.
            by_input: where the gradient by the input goes, if that is wanted.
        """
        if self.values.grad is None:
            self.values.grad = torch.zeros_like(self.values)
        elif agents != slice(None):
            self.values.grad.zero_()
        rows = self.values.grad[self.rows_of(agents)]
        evaluator.differentiate(by_output, rows, by_input=by_input)
        if further is not None:
            self.layers(rows).further.copy_(further)

    @torch.no_grad()
    def hidden_outputs(self, x: Tensor) -> list[Tensor]:
        """Outputs of the hidden layers, each [A, width, N]; ``x`` as in :meth:`forward`."""
        evaluator = self.evaluator()
        evaluator(x)
        return cast(list[Tensor], evaluator.hidden())

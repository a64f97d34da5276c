"""Multi-layer perceptrons of several agents, evaluated and differentiated as one batch.

Weights carry a leading axis of agents, and samples are columns: with A agents and N samples a
layer is ``H = f(W X + b) * m`` with W [A, out, in], X [A, in, N] (or [in, N], seen by all), b
[A, out, 1] and the mask m of Eq. (42), also [A, out, 1].

:mod:`.frozen` computes all that, and its gradients.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from veaat_migration.learning.frozen import Frozen
from veaat_migration.learning.memory import Memory

ACTIVATIONS = ("tanh", "relu")


class _Perceptron(torch.autograd.Function):
    """:class:`.Frozen` for torch's automatic differentiation."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, activation: str, masks: Sequence[Tensor | None], *layers: Tensor
    ) -> Tensor:
        # Memory of its own: several calls may wait for their backward pass.
        ctx.frozen = Frozen(layers[::2], layers[1::2], masks, activation, Memory())
        ctx.save_for_backward(x, *layers)
        return ctx.frozen(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, *layers = ctx.saved_tensors
        into = [torch.empty_like(part) for part in layers]
        by_input = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        ctx.frozen.gradients(gradients[0], into, by_input=by_input)
        return (by_input, None, None, *into)


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
        generator: torch.Generator | None = None,
    ) -> None:
        """Orthogonal initial weights.

        Args:
            agents: A.
            widths: of the input, the hidden layers and the output.
            activation: of the hidden layers, one of :data:`ACTIVATIONS`.
            output_gain: scale of the last layer's initial weights.
            seen: which entries of a shared input each agent sees, 0 or 1, shape [A, input].
            generator: source of the initial weights.
        """
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation: must be one of {ACTIVATIONS}, got {activation!r}")
        self.activation = activation
        self.weights = torch.nn.ParameterList()
        self.biases = torch.nn.ParameterList()
        hidden_gain = math.sqrt(2.0) if activation == "relu" else 5.0 / 3.0
        for layer, (size, out) in enumerate(itertools.pairwise(widths)):
            gain = output_gain if layer == len(widths) - 2 else hidden_gain
            weight = torch.empty(agents, out, size)
            for matrix in weight:
                torch.nn.init.orthogonal_(matrix, gain, generator=generator)
            self.weights.append(torch.nn.Parameter(weight))
            self.biases.append(torch.nn.Parameter(torch.zeros(agents, out, 1)))
        self.register_buffer("seen", None if seen is None else seen[:, None, :].to(torch.float32))
        self.masks: list[Tensor | None] = [None] * (len(widths) - 2)
        self.memory = Memory()
        self.blind()

    @property
    def agents(self) -> int:
        """A."""
        return int(self.weights[0].shape[0])

    @property
    def widths(self) -> list[int]:
        """Of the input, the hidden layers as they are stored, and the output."""
        return [int(self.weights[0].shape[2])] + [int(weight.shape[1]) for weight in self.weights]

    @torch.no_grad()
    def blind(self) -> None:
        """Forget entries of the input that an agent does not see: their weights become 0."""
        if self.seen is not None:
            self.weights[0].mul_(self.seen)

    @torch.no_grad()
    def blind_gradient(self) -> None:
        """The same for gradients: what starts at 0 and has no gradient stays 0."""
        if self.seen is not None and self.weights[0].grad is not None:
            self.weights[0].grad.mul_(self.seen)

    @torch.no_grad()
    def only_gradient(self, agents: slice) -> None:
        """Drop the gradients of all other agents."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                kept = parameter.grad[agents].clone()
                parameter.grad.zero_()
                parameter.grad[agents] = kept

    def parts(
        self, agents: slice = slice(None)
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor | None], str]:
        """Weights, biases and masks of some agents, and the activation, for :class:`.Frozen`."""
        return (
            [weight[agents] for weight in self.weights],
            [bias[agents] for bias in self.biases],
            [None if mask is None else mask[agents] for mask in self.masks],
            self.activation,
        )

    def forward(self, x: Tensor, agents: slice = slice(None)) -> Tensor:
        """Outputs of some agents, [A, out, N]; ``x`` [in, N] seen by all, or [A, in, N]."""
        weights, biases, masks, activation = self.parts(agents)
        layers = [part for pair in zip(weights, biases, strict=True) for part in pair]
        return cast(Tensor, _Perceptron.apply(x, activation, masks, *layers))

    @torch.no_grad()
    def frozen(self, agents: slice = slice(None)) -> Frozen:
        """Some agents as they are now. Outputs last until any agent is evaluated so again."""
        return Frozen(*self.parts(agents), self.memory)

    @torch.no_grad()
    def take_gradients(self, frozen: Frozen, by_output: Tensor, agents: slice) -> None:
        """Differentiate the last call of :meth:`frozen`; the other agents' gradients are 0."""
        into = []
        for pair in zip(self.weights, self.biases, strict=True):
            for parameter in pair:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                own = parameter.grad[agents]
                if own.shape != parameter.shape:
                    parameter.grad.zero_()
                into.append(own)
        frozen.gradients(by_output, into)

    @torch.no_grad()
    def hidden_outputs(self, x: Tensor) -> list[Tensor]:
        """Outputs of the hidden layers, each [A, width, N]; ``x`` as in :meth:`forward`."""
        frozen = self.frozen()
        frozen(x)
        return frozen.hidden()

"""Multi-layer perceptrons of several agents, evaluated and differentiated as one batch.

Weights carry a leading axis of agents, and samples are columns: with A agents and N samples a
layer is ``H = f(W X + b) * m`` with W [A, out, in], X [A, in, N] (or [in, N], seen by all), b
[A, out, 1] and the mask m of Eq. (42), also [A, out, 1]. :mod:`.frozen` computes all that, and
its gradients.

All numbers of an agent stand in one row of one parameter, so that optimisers, limits of gradients
and checkpoints have one tensor to deal with; weights and biases are views of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from veaat_migration.learning.frozen import Frozen
from veaat_migration.learning.memory import Memory

ACTIVATIONS = ("tanh", "relu")


class Layers(NamedTuple):
    """Views of rows [A, P], be they parameters, gradients or moments of an optimiser."""

    weights: list[Tensor]
    """[A, out, in] of each layer."""
    biases: list[Tensor]
    """[A, out, 1] of each layer."""
    further: Tensor
    """What else an agent has, [A, further]."""

    def rows(self) -> Tensor:
        """Undo :meth:`StackedMLP.layers`."""
        return torch.cat([part.flatten(1) for part in (*self.in_turn(), self.further)], 1)

    def in_turn(self) -> list[Tensor]:
        """Weights and biases of the first layer, of the second, and so on."""
        return list(itertools.chain(*zip(self.weights, self.biases, strict=True)))


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
        self.widths = list(widths)
        """Of the input, the hidden layers as they are stored, and the output."""
        size = sum(out * (before + 1) for before, out in itertools.pairwise(widths)) + further
        self.values = torch.nn.Parameter(torch.zeros(agents, size))
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
        self.blind()

    @property
    def agents(self) -> int:
        """A."""
        return int(self.values.shape[0])

    def layers(self, rows: Tensor) -> Layers:
        """Numbers of agents by layer; ``rows`` [A, P], the result views of it."""
        shapes = [(out, before) for before, out in itertools.pairwise(self.widths)]
        sizes = [size for out, before in shapes for size in (out * before, out)]
        parts = rows.split([*sizes, rows.shape[1] - sum(sizes)], 1)
        weights = [part.unflatten(1, shape) for part, shape in zip(parts[::2], shapes, strict=False)]
        return Layers(weights, [part.unsqueeze(2) for part in parts[1::2]], parts[-1])

    @property
    def weights(self) -> list[Tensor]:
        """[A, out, in] of each layer."""
        return self.layers(self.values).weights

    @property
    def biases(self) -> list[Tensor]:
        """[A, out, 1] of each layer."""
        return self.layers(self.values).biases

    @torch.no_grad()
    def blind(self) -> None:
        """Forget entries of the input that an agent does not see: their weights become 0."""
        if self.seen is not None:
            self.weights[0].mul_(self.seen)

    @torch.no_grad()
    def blind_gradient(self) -> None:
        """The same for gradients: what starts at 0 and has no gradient stays 0."""
        if self.seen is not None and self.values.grad is not None:
            self.layers(self.values.grad).weights[0].mul_(self.seen)

    @torch.no_grad()
    def only_gradient(self, agents: slice) -> None:
        """Drop the gradients of all other agents."""
        if self.values.grad is not None:
            kept = self.values.grad[agents].clone()
            self.values.grad.zero_()
            self.values.grad[agents] = kept

    def parts(
        self, agents: slice = slice(None)
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor | None], str]:
        """Weights, biases and masks of some agents, and the activation, for :class:`.Frozen`."""
        weights, biases, _ = self.layers(self.values[agents])
        masks = [None if mask is None else mask[agents] for mask in self.masks]
        return weights, biases, masks, self.activation

    def forward(self, x: Tensor, agents: slice = slice(None)) -> Tensor:
        """Outputs of some agents, [A, out, N]; ``x`` [in, N] seen by all, or [A, in, N]."""
        weights, biases, masks, activation = self.parts(agents)
        layers = itertools.chain(*zip(weights, biases, strict=True))
        return cast(Tensor, _Perceptron.apply(x, activation, masks, *layers))

    @torch.no_grad()
    def frozen(self, agents: slice = slice(None)) -> Frozen:
        """Some agents as they are now. Outputs last until any agent is evaluated so again."""
        return Frozen(*self.parts(agents), self.memory)

    @torch.no_grad()
    def take_gradients(
        self, frozen: Frozen, by_output: Tensor, agents: slice, *, further: Tensor | None = None
    ) -> None:
        """Differentiate the last call of :meth:`frozen`; the other agents' gradients are 0.

        Args:
            frozen: some agents, evaluated.
            by_output: gradient by its outputs, [A, out, N].
            agents: which agents.
            further: gradient by what these agents have besides, [A, further]; None: 0.
        """
        if self.values.grad is None or agents != slice(None):
            self.values.grad = torch.zeros_like(self.values)
        layers = self.layers(self.values.grad[agents])
        frozen.gradients(by_output, layers.in_turn())
        if further is not None:
            layers.further.copy_(further)

    @torch.no_grad()
    def hidden_outputs(self, x: Tensor) -> list[Tensor]:
        """Outputs of the hidden layers, each [A, width, N]; ``x`` as in :meth:`forward`."""
        frozen = self.frozen()
        frozen(x)
        return frozen.hidden()

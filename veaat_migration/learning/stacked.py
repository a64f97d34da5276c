"""Multi-layer perceptrons of several agents, evaluated and differentiated as one batch.

Weights carry a leading axis of agents, and samples are columns: with A agents and N samples a
layer is ``H = f(W X + b) * m`` with W [A, out, in], X [A, in, N] (or [in, N], seen by all), b
[A, out, 1] and the mask m of Eq. (42), also [A, out, 1].

Speed on a CPU comes from three things: one batched product a layer for all agents, tanh by way of
the logistic function (which torch vectorises several times better than its tanh), and a backward
pass that works in place.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

ACTIVATIONS = ("tanh", "relu")


def _activate(z: Tensor, activation: str) -> Tensor:
    """f(z), in place."""
    if activation == "relu":
        return z.relu_()
    return z.mul_(2.0).sigmoid_().mul_(2.0).sub_(1.0)  # tanh


def _activation_backward(gradient: Tensor, output: Tensor, activation: str) -> Tensor:
    """Gradient by z, in place of the gradient by h = f(z), from that and h itself."""
    operators = torch.ops.aten
    if activation == "relu":
        operators.threshold_backward.grad_input(gradient, output, 0.0, grad_input=gradient)
    else:
        operators.tanh_backward.grad_input(gradient, output, grad_input=gradient)
    return gradient


def _layer(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    shared = x.expand(weight.shape[0], *x.shape) if x.dim() == 2 else x
    return torch.baddbmm(bias, weight, shared)


class _Perceptron(torch.autograd.Function):
    """Two or more layers; gradients by weights and biases, and by the input where it needs one.

    With tanh(z) = 2 s - 1, s the logistic function of 2 z, hidden layers store s: the factors 2
    and the -1 go into weights and biases, which are small, and so does the mask.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, activation: str, masks: Sequence[Tensor | None], *layers: Tensor
    ) -> Tensor:
        weights, biases = layers[::2], layers[1::2]
        tanh, depth = activation == "tanh", len(weights)
        outputs, masked = [x], []
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            mask = masks[layer - 1] if layer else None
            if mask is not None:
                weight = weight * mask.transpose(1, 2)
            masked.append(weight)
            if tanh and layer:
                weight, bias = weight * 2.0, bias - weight.sum(2, keepdim=True)
            if tanh and layer < depth - 1:
                weight, bias = weight * 2.0, bias * 2.0
            z = _layer(outputs[-1], weight, bias)
            if layer < depth - 1:
                outputs.append(z.sigmoid_() if tanh else z.relu_())
        ctx.tanh, ctx.masks = tanh, masks
        ctx.save_for_backward(*outputs, *masked)
        return z

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        operators = torch.ops.aten
        depth = len(ctx.masks) + 1
        outputs, weights = ctx.saved_tensors[:depth], ctx.saved_tensors[depth:]
        found: list[Tensor | None] = []
        gradient = gradients[0]
        for layer in reversed(range(depth)):
            x, weight = outputs[layer], weights[layer]
            shared = x.expand(weight.shape[0], *x.shape) if x.dim() == 2 else x
            by_bias = gradient.sum(-1, keepdim=True)
            by_weight = torch.bmm(gradient, shared.transpose(1, 2))
            if layer > 0 and ctx.tanh:
                by_weight.mul_(2.0).sub_(by_bias)
                weight = weight * 4.0
            if layer > 0 and ctx.masks[layer - 1] is not None:
                by_weight.mul_(ctx.masks[layer - 1].transpose(1, 2))
            found += [by_bias, by_weight]
            if layer > 0 or ctx.needs_input_grad[0]:
                gradient = torch.bmm(weight.transpose(1, 2), gradient)
            if layer > 0 and ctx.tanh:
                operators.sigmoid_backward.grad_input(gradient, x, grad_input=gradient)
            elif layer > 0:
                operators.threshold_backward.grad_input(gradient, x, 0.0, grad_input=gradient)
        by_input = None
        if ctx.needs_input_grad[0]:
            by_input = gradient.sum(0) if outputs[0].dim() == 2 else gradient
        return (by_input, None, None, *reversed(found))


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

    def forward(self, x: Tensor, agents: slice = slice(None)) -> Tensor:
        """Outputs of some agents, [A, out, N]; ``x`` [in, N] seen by all, or [A, in, N]."""
        layers = [
            part[agents] for pair in zip(self.weights, self.biases, strict=True) for part in pair
        ]
        masks = [None if mask is None else mask[agents] for mask in self.masks]
        return cast(Tensor, _Perceptron.apply(x, self.activation, masks, *layers))

    @torch.no_grad()
    def hidden_outputs(self, x: Tensor) -> list[Tensor]:
        """Outputs of the hidden layers, each [A, width, N]; ``x`` as in :meth:`forward`."""
        outputs = []
        for weight, bias, mask in zip(self.weights, self.biases, self.masks, strict=False):
            x = _activate(_layer(x, weight, bias), self.activation)
            if mask is not None:
                x.mul_(mask)
            outputs.append(x)
        return outputs

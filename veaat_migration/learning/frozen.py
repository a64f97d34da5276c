"""Stacked perceptrons with their parameters as they are now: outputs, and gradients by hand.

Most of a training run is spent here. What makes it fast on a CPU: results go to memory that
stays; tanh comes from the logistic function, which torch vectorises several times better than its
tanh; an input that all agents see is multiplied with all their weights at once; no graph is kept.

With tanh(z) = 2 s - 1, where s is the logistic function of 2 z, hidden layers keep s. The factors
2 and the -1 go into the weights and biases, which are small, and so do the masks of Eq. (42).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from veaat_migration.learning.memory import Memory

ALIGNMENT = 8
"""A shared input is filled up to a multiple of so many rows, with which products are fastest."""


class Frozen:
    """A call computes outputs; :meth:`gradients` then differentiates that call."""

    def __init__(
        self,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor],
        masks: Sequence[Tensor | None],
        activation: str,
        memory: Memory,
    ) -> None:
        """Copy the parameters; later changes to them go unnoticed.

        Args:
            weights: [A, out, in] of two or more layers.
            biases: [A, out, 1].
            masks: of the hidden layers, [A, width, 1]; None: all neurons are there.
            activation: ``tanh`` or ``relu``.
            memory: for outputs, which last until it is used again.
        """
        self._tanh, self._masks, self._memory = activation == "tanh", [None, *masks], memory
        self.agents, self._last = len(weights[0]), len(weights) - 1
        self._weights: list[Tensor] = []
        """From what a layer keeps to the argument of the next activation; with masks."""
        self._biases: list[Tensor] = []
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            mask = self._masks[layer]
            if mask is not None:
                weight = weight * mask.transpose(1, 2)
            if self._tanh and layer > 0:
                weight, bias = weight * 2.0, bias - weight.sum(2, keepdim=True)
            self._weights.append(weight * self._slope(layer))
            self._biases.append(bias * self._slope(layer))
        self._inputs: list[Tensor] = []
        """Of each layer in the last call."""
        self._joined: Tensor | None = None

    def _slope(self, layer: int) -> float:
        """Of an activation's argument by what the layer computes: tanh asks for 2 z."""
        return 2.0 if self._tanh and layer < self._last else 1.0

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs [A, out, N] for ``x`` [in, N], seen by all, or [A, in, N]."""
        h = x if x.dim() == 3 else self._with_ones(x)
        self._inputs = []
        for layer, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            self._inputs.append(h)
            agents, size, _ = weight.shape
            z = self._memory(f"outputs {layer}", (agents, size, h.shape[-1]), h)
            if h.dim() == 2:
                torch.mm(self._with_bias(len(h)).flatten(0, 1), h, out=z.flatten(0, 1))
            else:
                torch.baddbmm(bias, weight, h, out=z)
            if layer < self._last:
                h = z.sigmoid_() if self._tanh else z.relu_()
        return z

    def hidden(self) -> list[Tensor]:
        """Outputs of the hidden layers in the last call, [A, width, N] each."""
        outputs = [h * 2.0 - 1.0 if self._tanh else h.clone() for h in self._inputs[1:]]
        for output, mask in zip(outputs, self._masks[1:], strict=True):
            if mask is not None:
                output.mul_(mask)
        return outputs

    def gradients(
        self, by_output: Tensor, into: Sequence[Tensor], *, by_input: Tensor | None = None
    ) -> None:
        """Differentiate the last call by all parameters.

        Args:
            by_output: gradient by the outputs, [A, out, N].
            into: where gradients go, by weights and biases of each layer in turn.
            by_input: where the gradient by the input goes, if it is wanted.
        """
        gradient = by_output
        for layer in range(self._last, -1, -1):
            h, weight, mask = self._inputs[layer], self._weights[layer], self._masks[layer]
            by_weight, by_bias = into[2 * layer : 2 * layer + 2]
            self._by_parameters(layer, gradient, h, by_weight, by_bias)
            if mask is not None:
                by_weight.mul_(mask.transpose(1, 2))
            if layer > 0:
                before = self._memory(f"gradient {layer % 2}", tuple(h.shape), h)
                gradient = torch.bmm(weight.transpose(1, 2), gradient, out=before)
                self._through_activation(gradient, h)
            elif by_input is not None and h.dim() == 2:
                torch.mm(weight.flatten(0, 1).t(), gradient.flatten(0, 1), out=by_input)
            elif by_input is not None:
                torch.bmm(weight.transpose(1, 2), gradient, out=by_input)

    def _by_parameters(
        self, layer: int, gradient: Tensor, h: Tensor, by_weight: Tensor, by_bias: Tensor
    ) -> None:
        slope = self._slope(layer)
        if h.dim() == 2:
            joined = self._memory("joined", (*by_weight.shape[:2], len(h)), h)
            torch.mm(gradient.flatten(0, 1), h.t(), out=joined.flatten(0, 1))
            size = by_weight.shape[2]
            torch.mul(joined[..., :size], slope, out=by_weight)
            torch.mul(joined[..., size : size + 1], slope, out=by_bias)
            return
        torch.sum(gradient, -1, keepdim=True, out=by_bias)
        by_bias.mul_(slope)
        # The input of a layer behind tanh is 2 h - 1.
        alpha, beta = (2.0, -1.0) if self._tanh and layer > 0 else (1.0, 0.0)
        torch.baddbmm(
            by_bias, gradient, h.transpose(1, 2), alpha=alpha * slope, beta=beta, out=by_weight
        )

    def _through_activation(self, gradient: Tensor, h: Tensor) -> None:
        """From the gradient by ``h`` to that by the activation's argument, in place."""
        operators = torch.ops.aten
        if self._tanh:
            operators.sigmoid_backward.grad_input(gradient, h, grad_input=gradient)
        else:
            operators.threshold_backward.grad_input(gradient, h, 0.0, grad_input=gradient)

    def _with_ones(self, x: Tensor) -> Tensor:
        """A shared input, a row of ones, by which biases are multiplied, and rows of zeros."""
        size, n = x.shape
        rows = (size // ALIGNMENT + 1) * ALIGNMENT
        result = self._memory("input", (rows, n), x)
        result[:size] = x
        result[size] = 1.0
        result[size + 1 :] = 0.0
        return result

    def _with_bias(self, rows: int) -> Tensor:
        """The first layer's weights and biases side by side, to match :meth:`_with_ones`."""
        if self._joined is None:
            weight, bias = self._weights[0], self._biases[0]
            self._joined = weight.new_zeros(*weight.shape[:2], rows)
            self._joined[..., : weight.shape[2]] = weight
            self._joined[..., weight.shape[2]] = bias[..., 0]
        return self._joined

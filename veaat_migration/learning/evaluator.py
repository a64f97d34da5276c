"""Stacked perceptrons computed and differentiated by hand.

Most of a training run is spent here. What makes it fast on a CPU: results go to memory that
stays, tanh comes from the logistic function, which torch vectorises several times better than its
tanh, and there is little between the products of matrices: no graph, and few small operations.

With tanh(z) = 2 s - 1, where s is the logistic function of 2 z, hidden layers keep s. The factors
2 and the -1 go into the weights and biases: a layer computes Z = F K + c from what the layer
before keeps, K, with F = factor * W and, behind tanh, c = factor * b - F 1 / 2. The factors also
hold the masks of Eq. (42) and what an agent does not see.

c is one more column of F, and a row of ones follows what a layer keeps: biases and their gradients
are then part of the products, where passes of their own take a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from veaat_migration.learning.memory import Memory
from veaat_migration.learning.rows import Layers, by_layer


class Evaluator:
    """Some agents of a stack, with their parameters as they were at the last :meth:`refresh`.

    A call computes outputs; :meth:`differentiate` then differentiates that call.
    """

    def __init__(
        self,
        rows: Tensor,
        widths: Sequence[int],
        *,
        activation: str,
        masks: Sequence[Tensor | None],
        seen: Tensor | None,
        memory: Memory,
    ) -> None:
        """Prepare and refresh.

        Args:
            rows: all numbers of each agent, [A, P] (:mod:`.rows`).
            widths: of the input, the hidden layers and the output.
            activation: ``tanh`` or ``relu``.
            masks: of the hidden layers, [A, width, 1]; None: all neurons are there.
            seen: which inputs each agent sees, [A, 1, in]; None: all.
            memory: for outputs, which last until it is used again.
        """
        self.agents, self._last = len(rows), len(widths) - 2
        self._rows, self._widths, self._memory = rows.detach(), list(widths), memory
        self._tanh, self._masks = activation == "tanh", masks
        self._factors = by_layer(self._make_factors(seen), widths)
        self._parameters = by_layer(self._rows, widths)
        self._folded = [_with_bias(weight) for weight in self._parameters.weights]
        self._by_folded = [torch.empty_like(folded) for folded in self._folded]
        self._input = rows.new_empty(0)
        self._columns = 0
        self.refresh()

    def _make_factors(self, seen: Tensor | None) -> Tensor:
        factors = torch.ones_like(self._rows)
        weights, biases, _ = by_layer(factors, self._widths)
        used = [seen, *(None if mask is None else mask.transpose(1, 2) for mask in self._masks)]
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            share = used[layer]
            if share is not None:
                weight.mul_(share)
            if self._tanh and layer > 0:  # What is kept before is s = (tanh + 1) / 2.
                weight.mul_(2.0)
            if self._tanh and layer < self._last:  # What is kept is a function of 2 z.
                weight.mul_(2.0)
                bias.mul_(2.0)
        return factors

    def refresh(self) -> None:
        """Take over what the parameters have become."""
        parts = zip(
            self._folded,
            self._parameters.weights,
            self._factors.weights,
            self._parameters.biases,
            self._factors.biases,
            strict=True,
        )
        for layer, (folded, weight, weight_factor, bias, bias_factor) in enumerate(parts):
            slope, constant = folded[..., :-1], folded[..., -1:]
            torch.mul(weight, weight_factor, out=slope)
            torch.mul(bias, bias_factor, out=constant)
            if self._tanh and layer > 0:
                constant.sub_(slope.sum(2, keepdim=True), alpha=0.5)

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs [A, out, N].

        Args:
            x: [in, N], seen by all, or [A, in, N]. A shared input may have further rows: the first
                of them must be ones, which saves time, and the others are ignored.
        """
        if x.shape[-1] != self._columns:
            self._provide_memory(x.shape[-1])
        self._input = x
        self._first_layer(x)
        for layer in range(1, self._last + 1):
            k = self._arguments[layer - 1]
            k.sigmoid_() if self._tanh else k.relu_()
            # Anew each time: whoever shares this memory may have written here.
            self._kept[layer - 1][:, -1].fill_(1.0)
            torch.bmm(self._folded[layer], self._kept[layer - 1], out=self._arguments[layer])
        return self._arguments[-1]

    def _first_layer(self, x: Tensor) -> None:
        folded, size, result = self._folded[0], self._widths[0], self._arguments[0]
        if self._has_ones(x):
            torch.bmm(folded, x[: size + 1].expand(self.agents, -1, -1), out=result)
        else:
            k = x.expand(self.agents, -1, -1)
            torch.baddbmm(folded[..., size:], folded[..., :size], k, out=result)

    def _has_ones(self, x: Tensor) -> bool:
        return x.dim() == 2 and len(x) > self._widths[0]

    def _provide_memory(self, columns: int) -> None:
        self._columns = columns
        hidden, outputs = self._widths[1:-1], self._widths[-1]
        self._kept = [
            self._memory(f"kept {layer}", (self.agents, width + 1, columns), self._rows)
            for layer, width in enumerate(hidden)
        ]
        self._arguments = [
            *(kept[:, :-1] for kept in self._kept),
            self._memory("output", (self.agents, outputs, columns), self._rows),
        ]
        """What activations are applied to, in place."""
        self._gradients = [
            self._memory(f"gradient {layer}", (self.agents, width, columns), self._rows)
            for layer, width in enumerate(hidden)
        ]

    def hidden(self) -> list[Tensor]:
        """Outputs of the hidden layers in the last call, [A, width, N] each."""
        outputs = [k * 2.0 - 1.0 if self._tanh else k.clone() for k in self._arguments[:-1]]
        for output, mask in zip(outputs, self._masks, strict=True):
            if mask is not None:
                output.mul_(mask)
        return outputs

    def differentiate(
        self, by_output: Tensor, into: Tensor, *, by_input: Tensor | None = None
    ) -> None:
        """Differentiate the last call.

        Args:
            by_output: gradient of some number by the outputs, [A, out, N].
            into: where its gradient by all numbers of the agents goes, [A, P].
            by_input: where its gradient by the input goes, if that is wanted.
        """
        result, gradient = by_layer(into, self._widths), by_output
        for layer in range(self._last, 0, -1):
            k, by_folded = self._arguments[layer - 1], self._by_folded[layer]
            torch.bmm(gradient, self._kept[layer - 1].transpose(1, 2), out=by_folded)
            self._unfold(layer, by_folded[..., :-1], by_folded[..., -1:], result)
            before = self._gradients[layer - 1]
            torch.bmm(self._folded[layer][..., :-1].transpose(1, 2), gradient, out=before)
            gradient = self._through_activation(before, k)
        self._unfold(0, *self._by_first_layer(gradient), result)
        result.further.zero_()
        if by_input is not None:
            self._by_input(gradient, by_input)

    def _unfold(self, layer: int, by_slope: Tensor, by_constant: Tensor, into: Layers) -> None:
        """From the gradient by F and c to that by weights and biases."""
        by_weight, by_bias = into.weights[layer], into.biases[layer]
        share = 0.5 if self._tanh and layer > 0 else 0.0
        torch.sub(by_slope, by_constant, alpha=share, out=by_weight)
        by_weight.mul_(self._factors.weights[layer])
        torch.mul(by_constant, self._factors.biases[layer], out=by_bias)

    def _through_activation(self, gradient: Tensor, k: Tensor) -> Tensor:
        """From the gradient by what is kept to that by the activation's argument, in place."""
        operators = torch.ops.aten
        if self._tanh:
            operators.sigmoid_backward.grad_input(gradient, k, grad_input=gradient)
        else:
            operators.threshold_backward.grad_input(gradient, k, 0.0, grad_input=gradient)
        return gradient

    def _by_first_layer(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, size, by_folded = self._input, self._widths[0], self._by_folded[0]
        if x.dim() == 3:
            by_slope = torch.bmm(gradient, x.transpose(1, 2), out=by_folded[..., :size])
            return by_slope, gradient.sum(2, keepdim=True)
        # One product for all agents, over all rows of the input.
        product = self._memory("first", (*gradient.shape[:2], len(x)), x)
        torch.mm(gradient.flatten(0, 1), x.t(), out=product.flatten(0, 1))
        if self._has_ones(x):
            return product[..., :size], product[..., size : size + 1]
        return product, gradient.sum(2, keepdim=True)

    def _by_input(self, gradient: Tensor, by_input: Tensor) -> None:
        weight = self._folded[0][..., :-1]
        if by_input.dim() == 3:
            torch.bmm(weight.transpose(1, 2), gradient, out=by_input)
        else:
            torch.mm(weight.flatten(0, 1).t(), gradient.flatten(0, 1), out=by_input)


def _with_bias(weight: Tensor) -> Tensor:
    """Memory for a weight [A, out, in] and one more column."""
    return weight.new_empty((*weight.shape[:2], weight.shape[2] + 1))

"""Stacked perceptrons computed and differentiated by hand.

Most of a training run is spent here. What makes it fast on a CPU: results go to memory that
stays, tanh comes from the logistic function, which torch vectorises several times better than its
tanh, and there is little between the products of matrices: no graph, and few small operations.

With tanh(z) = 2 s - 1, where s is the logistic function of 2 z, hidden layers keep s. The factors
2 and the -1 go into the weights and biases: a layer computes Z = F K + c from what the layer
before keeps, K, with F = factor * W and, behind tanh, c = factor * b - F 1 / 2. The factors also
hold the masks of Eq. (42) and what an agent does not see.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from veaat_migration.learning.memory import Memory
from veaat_migration.learning.rows import by_layer


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
        self._factors = self._make_factors(seen)
        self._folded = torch.empty_like(rows)
        self._weights, self._biases, _ = by_layer(self._folded, widths)
        self._input = rows.new_empty(0)
        self._columns = 0
        self._gradient = torch.zeros_like(rows)
        """Before the factors."""
        self._by_weights, self._by_biases, _ = by_layer(self._gradient, widths)
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
        torch.mul(self._rows, self._factors, out=self._folded)
        if self._tanh:
            for weight, bias in zip(self._weights[1:], self._biases[1:], strict=True):
                bias.sub_(weight.sum(2, keepdim=True), alpha=0.5)

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs [A, out, N].

        Args:
            x: [in, N], seen by all, or [A, in, N]. Further rows of a shared input are ignored.
        """
        if x.shape[-1] != self._columns:
            self._provide_memory(x.shape[-1])
        self._input = x
        k = x if x.dim() == 3 else x[: self._widths[0]].expand(self.agents, -1, -1)
        for layer, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            k = torch.baddbmm(bias, weight, k, out=self._kept[layer])
            if layer < self._last:
                k = k.sigmoid_() if self._tanh else k.relu_()
        return k

    def _provide_memory(self, columns: int) -> None:
        self._columns = columns
        self._kept, self._gradients = (
            [
                self._memory(f"{what} {layer}", (self.agents, width, columns), self._rows)
                for layer, width in enumerate(self._widths[1:])
            ]
            for what in ("kept", "gradient")
        )

    def hidden(self) -> list[Tensor]:
        """Outputs of the hidden layers in the last call, [A, width, N] each."""
        outputs = [k * 2.0 - 1.0 if self._tanh else k.clone() for k in self._kept[:-1]]
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
        gradient = by_output
        for layer in range(self._last, -1, -1):
            by_weight, by_bias = self._by_weights[layer], self._by_biases[layer]
            torch.sum(gradient, 2, keepdim=True, out=by_bias)
            if layer == 0:
                self._by_first_weight(gradient, by_weight)
                break
            k = self._kept[layer - 1]
            beta = -0.5 if self._tanh else 0.0
            torch.baddbmm(by_bias, gradient, k.transpose(1, 2), beta=beta, out=by_weight)
            before = self._gradients[layer - 1]
            torch.bmm(self._weights[layer].transpose(1, 2), gradient, out=before)
            gradient = self._through_activation(before, k)
        torch.mul(self._gradient, self._factors, out=into)
        if by_input is not None:
            self._by_input(gradient, by_input)

    def _through_activation(self, gradient: Tensor, k: Tensor) -> Tensor:
        """From the gradient by what is kept to that by the activation's argument, in place."""
        operators = torch.ops.aten
        if self._tanh:
            operators.sigmoid_backward.grad_input(gradient, k, grad_input=gradient)
        else:
            operators.threshold_backward.grad_input(gradient, k, 0.0, grad_input=gradient)
        return gradient

    def _by_first_weight(self, gradient: Tensor, by_weight: Tensor) -> None:
        x = self._input
        if x.dim() == 3:
            torch.bmm(gradient, x.transpose(1, 2), out=by_weight)
            return
        # One product for all agents, over all rows of the input.
        product = self._memory("first", (*by_weight.shape[:2], len(x)), x)
        torch.mm(gradient.flatten(0, 1), x.t(), out=product.flatten(0, 1))
        by_weight.copy_(product[..., : by_weight.shape[2]])

    def _by_input(self, gradient: Tensor, by_input: Tensor) -> None:
        weight = self._weights[0]
        if by_input.dim() == 3:
            torch.bmm(weight.transpose(1, 2), gradient, out=by_input)
        else:
            torch.mm(weight.flatten(0, 1).t(), gradient.flatten(0, 1), out=by_input)

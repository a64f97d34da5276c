"""SSL: structured sparsity learning by a group lasso (Wen et al., NeurIPS 2016).

The weights at a neuron, those that come in, those that go out and its bias, are one group. The
sum of the groups' norms is subtracted from the objective (``pruning.regulariser`` times), which
drives whole groups towards 0; those of smallest norm are removed. Obeys all of ``pruning`` but
``sensitivity``, ``window`` and ``decay``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from veaat_migration.learning.pruning.pruner import GradualPruner
from veaat_migration.learning.stacked import StackedMLP

SMALLEST = 1e-12
"""Added to squared norms, whose root has no gradient at 0."""


def group_norms(network: StackedMLP) -> list[Tensor]:
    """Euclidean norm of all weights at a hidden neuron, 0 where it is gone, [A, width] each."""
    norms = []
    weights, biases, _ = network.layers()
    for layer, mask in enumerate(network.masks):
        squares = weights[layer].square().sum(2)
        squares = squares + biases[layer][..., 0].square()
        squares = squares + weights[layer + 1].square().sum(1)
        norm = (squares + SMALLEST).sqrt()
        norms.append(norm if mask is None else norm * mask[..., 0])
    return norms


class GroupLassoPruner(GradualPruner):
    """Structured sparsity learning."""

    @torch.no_grad()
    def scores(self) -> list[Tensor]:
        """Norms of the groups."""
        return group_norms(self.learner.actors)

    def regulariser(self) -> Tensor:
        """Sum of the norms, per original neuron of the layer."""
        norms = group_norms(self.learner.actors)
        parts = [norm.sum() / width for norm, width in zip(norms, self.original, strict=True)]
        return torch.stack(parts).sum()

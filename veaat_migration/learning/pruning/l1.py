"""L1 lasso: absolute weights are penalised, neurons ranked by the sum of those that come in.

The ranking is that of Li et al., 'Pruning Filters for Efficient ConvNets', ICLR 2017. Obeys all
of ``pruning`` but ``sensitivity``, ``window`` and ``decay``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from veaat_migration.learning.pruning.pruner import GradualPruner


class L1Pruner(GradualPruner):
    """L1 lasso."""

    @torch.no_grad()
    def scores(self) -> list[Tensor]:
        """L1 norms of incoming weights."""
        actors = self.learner.actors
        norms = [weight.abs().sum(2) for weight in actors.weights[:-1]]
        return [
            norm if mask is None else norm * mask[..., 0]
            for norm, mask in zip(norms, actors.masks, strict=True)
        ]

    def regulariser(self) -> Tensor:
        """Sum of all absolute weights, per original neuron of the layer that they leave or enter.

        Weights of neurons that are gone but still stored have no influence on anything else.
        """
        weights = self.learner.actors.weights
        widths = [*self.original, self.original[-1]]
        parts = [w.abs().sum() / width for w, width in zip(weights, widths, strict=True)]
        return torch.stack(parts).sum()

"""How much to prune when: Eqs. (38) to (40)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PruningSchedule:
    """Sparsity from p_i at iteration t_0 to p_f after N Delta more of them."""

    initial: float
    """p_i, share of hidden neurons removed at the start."""
    final: float
    """p_f, share removed at the end."""
    start: int
    """t_0, iteration of the first step."""
    duration: int
    """N Delta, iterations from the first step to the last."""

    def progress(self, iteration: int) -> float:
        """(t - t_0) / (N Delta), within [0, 1]."""
        return min(max((iteration - self.start) / max(self.duration, 1), 0.0), 1.0)

    def quick(self, iteration: int) -> float:
        """p_t1 of Eq. (39)."""
        return self._power(iteration, 4)

    def slow(self, iteration: int) -> float:
        """p_t2 of Eq. (40), never above p_t1."""
        return self._power(iteration, 2)

    def _power(self, iteration: int, exponent: int) -> float:
        left = 1.0 - self.progress(iteration)
        return self.final + (self.initial - self.final) * left**exponent

    def adapted(self, iteration: int, surprise: Tensor, sensitivity: float) -> Tensor:
        """p_t of Eq. (38), corrected, for each agent: exploring agents are pruned later.

        As printed, (38) does nothing for phi > 0 and misses p_f for phi < 0. Here p_t1 is reduced
        by phi r' but never below p_t2, so that it ends at p_f whatever the exploration.

        Args:
            iteration: t.
            surprise: r'_k of Eq. (41) in [0, 1], [A].
            sensitivity: phi >= 0; 0 leaves p_t1.
        """
        if iteration < self.start:
            return torch.zeros_like(surprise)
        quick, slow = self.quick(iteration), self.slow(iteration)
        return (quick * (1.0 - sensitivity * surprise)).clamp(slow, quick)

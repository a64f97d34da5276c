"""Random: prices and demands drawn evenly over their intervals, round after round.

The yardstick below all others. It learns nothing: of the configuration it obeys ``environment``
and ``iterations`` and ignores the rest. It has no deterministic play; its joint policy draws.
"""

from __future__ import annotations

import torch
from torch import Tensor

from veaat_migration.learning.algorithms.unlearned import Unlearned, random_actions
from veaat_migration.learning.environment import Environment


class RandomPolicy:
    """Draws its actions."""

    variety = 64

    def __init__(self, environment: Environment, seed: int) -> None:
        self._environment = environment
        self._generator = torch.Generator().manual_seed(seed)

    def prices(self, record: Tensor) -> Tensor:
        """Shares of all prices, [R, G]."""
        return self._draw(record)[: self._environment.layout.n_rsus]

    def demands(self, record: Tensor) -> Tensor:
        """Shares of all demands, [V R, G]."""
        return self._draw(record)[self._environment.layout.n_rsus :]

    def _draw(self, record: Tensor) -> Tensor:
        return random_actions(self._environment, record.shape[1], self._generator)


class Random(Unlearned):
    """Players that take their chances."""

    @property
    def policy(self) -> RandomPolicy:
        """Draws, from the run's seed on."""
        return RandomPolicy(self.environment, self.seed)

    def _choose(self) -> Tensor:
        return random_actions(self.environment, self.environment.games, self.generator)


RUN = Random

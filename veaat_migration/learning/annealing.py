"""What changes with the iterations: learning rate, exploration, weights (Eq. 34)."""

from __future__ import annotations

import math

from veaat_migration.learning.config import ExplorationPart, UpdatePart


class Annealing:
    """Schedules over a run of N iterations."""

    def __init__(self, iterations: int, exploration: ExplorationPart) -> None:
        self.iterations = iterations
        self._part = exploration

    def learning_rate(self, iteration: int, part: UpdatePart) -> float:
        """Linear between the first and the last iteration."""
        share = iteration / max(self.iterations - 1, 1)
        return part.learning_rate + (part.final_learning_rate - part.learning_rate) * share

    def falling(self, iteration: int) -> float:
        """The sigmoid of Eq. (34), from almost 1 to almost 0."""
        part = self._part
        exponent = part.anneal_rate * (iteration / self.iterations - part.anneal_at)
        return 1.0 / (1.0 + math.exp(exponent))

    def entropy_weight(self, iteration: int) -> float:
        """c_3 of Eq. (34); its numerator is c_3max, since e, as printed, is far too large."""
        return self._part.entropy * self.falling(iteration)

    def deviations(self, iteration: int, follower_iterations: int) -> tuple[float, float]:
        """Standard deviations of leaders and followers, geometric between their given values."""
        part = self._part
        left = max(self.iterations - 1 - follower_iterations, 1)
        share = min(max((iteration - follower_iterations) / left, 0.0), 1.0)
        leader = part.initial_std * (part.final_std / part.initial_std) ** share
        if iteration < follower_iterations:
            first = iteration / follower_iterations
            return leader, part.initial_std * (part.follower_std / part.initial_std) ** first
        return leader, part.follower_std * (part.follower_final_std / part.follower_std) ** share

"""Bandwidth of RSUs: what transfers under way use of it, and what is left to sell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veaat_migration.fleet.population import Rsu
from veaat_migration.fleet.riders import Rider
from veaat_migration.game.instance import FloatArray


class Bandwidth:
    """Of all RSUs of a city, by index [MHz]."""

    def __init__(self, rsus: Sequence[Rsu]) -> None:
        """Nothing is used."""
        self._capacity: FloatArray = np.array([rsu.capacity for rsu in rsus])
        self.used: FloatArray = np.zeros(len(rsus))
        """For transfers under way, shape [R]."""

    @property
    def free(self) -> FloatArray:
        """What is left, shape [R]."""
        return self._capacity - self.used

    def take(self, rider: Rider, rsu: int, wanted: float) -> str:
        """Give a rider what it has bought; why not, or nothing."""
        if rider.used is not None and rider.used[0] == rsu:
            return ""  # again, after a restart
        free, capacity = float(self.free[rsu]), float(self._capacity[rsu])
        if wanted > free:
            return f"{wanted:.1f} MHz were bought, {free:.1f} of {capacity:.1f} MHz are free"
        rider.used = (rsu, wanted)
        self.used[rsu] += wanted
        return ""

    def release(self, rider: Rider) -> None:
        """Take back what a rider has, if anything."""
        if rider.used is not None:
            rsu, bandwidth = rider.used
            rider.used = None
            self.used[rsu] = max(self.used[rsu] - bandwidth, 0.0)

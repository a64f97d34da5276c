"""How long each part of one migration took, as its AV sees it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from veaat_migration.protocol.migration.codes import Phase


@dataclass(frozen=True, slots=True)
class Delays:
    """Parts of a migration, one after the other [s]; NaN: it did not get that far."""

    request: float
    """Until the connected RSU has answered."""
    negotiation: float
    """Until target and bandwidth are decided."""
    transfer: float
    """Until the target has all bytes."""
    queueing: float
    """Until re-instantiation begins."""
    reinstantiation: float
    """Until the AV decides for the target."""
    handover: float
    """Until the target has said that it is the owner."""
    total: float

    @property
    def model(self) -> float:
        """Transfer, queue and re-instantiation: what T_ij has [s]."""
        return self.transfer + self.queueing + self.reinstantiation


class Timetable:
    """Notes when each part begins. Parts that nobody saw, as they were too short, took no time."""

    def __init__(self, now: float) -> None:
        """The migration is requested now [s]."""
        # Answered, decided, arrived, begun, granted, connected.
        self._begun = now
        self._ends: list[float] = [math.nan] * 6

    def reached(self, phase: Phase, now: float) -> None:
        """The AV hears of a phase."""
        # What comes after a phase implies that all before it is over.
        parts = {
            Phase.NEGOTIATING: 1,
            Phase.TRANSFERRING: 1,
            Phase.QUEUED: 3,
            Phase.REINSTANTIATING: 4,
            Phase.CONNECTED: 6,
        }
        self._done(parts.get(phase, 0), now)

    def decided(self, now: float) -> None:
        """Target and bandwidth are chosen."""
        self._done(2, now)

    def granted(self, now: float) -> None:
        """The AV has made the target the owner."""
        self._done(5, now)

    def delays(self, now: float) -> Delays:
        """The parts; the migration ends now [s]."""
        times = [self._begun, *self._ends]
        parts = [after - before for before, after in itertools.pairwise(times)]
        return Delays(*[*parts, now - self._begun])

    def _done(self, count: int, now: float) -> None:
        for part in range(count):
            if math.isnan(self._ends[part]):
                self._ends[part] = now

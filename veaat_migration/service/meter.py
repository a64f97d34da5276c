"""How fresh a twin's actions are, as its AV measures it on its own clock.

The age of an action is the time since the AV sensed what the action answers: way to the RSU,
thinking, way back, and then waiting for the next one. While nobody serves the twin it grows second
by second; the time beyond ``timeout`` without a new action counts as downtime.
"""

from __future__ import annotations

import math
from collections import OrderedDict

REMEMBERED = 1024
"""Telemetry whose actions may still come."""


class ServiceMeter:
    """Follows the actions of one AV's twin. Times in seconds of a clock that only goes forward."""

    def __init__(self, timeout: float) -> None:
        """Set the time without a new action from which on it counts as downtime [s]."""
        self.actions = 0
        """That were new."""
        self.late = 0
        """Actions on what newer ones have answered already, or on unknown telemetry."""
        self.downtime = 0.0
        """Sum of all gaps between two actions beyond the timeout, finished ones [s]."""
        self._timeout = timeout
        self._sent: OrderedDict[int, float] = OrderedDict()
        self._newest = 0
        self._answered = math.nan
        """When that was sensed which the newest action answers."""
        self._came = math.nan
        """When the newest action came."""
        self._peak = math.nan
        self._watched: float | None = None
        self._watch_age = self._watch_gap = math.nan

    def sent(self, sequence: int, now: float) -> None:
        """Telemetry of this number is sent."""
        self._sent[sequence] = now
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)

    def acted(self, sequence: int, now: float) -> bool:
        """An action on telemetry of this number has come; false: it is of no use."""
        sensed = self._sent.get(sequence)
        if sensed is None or sequence <= self._newest:
            self.late += 1
            return False
        self._note(now)
        self.downtime += self._excess(now)
        self._newest, self._answered, self._came = sequence, sensed, now
        self.actions += 1
        self._note(now)
        while self._sent and next(iter(self._sent)) <= sequence:
            self._sent.popitem(last=False)
        return True

    def age(self, now: float) -> float:
        """Age of the newest action [s]; NaN: there is none yet."""
        return now - self._answered

    def total_downtime(self, now: float) -> float:
        """All downtime, that of a gap which still lasts included [s]."""
        return self.downtime + self._excess(now)

    def take_peak(self, now: float) -> float:
        """Largest age since the last call [s]; NaN: there was no action yet."""
        self._note(now)
        peak, self._peak = self._peak, self.age(now)
        return peak

    def watch(self, now: float) -> None:
        """Begin to look for the largest age and gap, as during a migration."""
        self._watched = now
        self._watch_age = self._watch_gap = math.nan
        self._note(now)

    def watched(self, now: float) -> tuple[float, float]:
        """Largest age and longest gap between two actions since :meth:`watch` [s].

        A gap that began before counts from its beginning, one that still lasts until now. NaN:
        there was no action before.
        """
        self._note(now)
        return self._watch_age, self._watch_gap

    def _excess(self, now: float) -> float:
        gap = now - self._came
        return gap - self._timeout if gap > self._timeout else 0.0

    def _note(self, now: float) -> None:
        """Ages and gaps are largest just before an action, and now."""
        age, gap = self.age(now), now - self._came
        self._peak = _larger(self._peak, age)
        if self._watched is not None:
            self._watch_age = _larger(self._watch_age, age)
            self._watch_gap = _larger(self._watch_gap, gap)


def _larger(known: float, value: float) -> float:
    """The larger of two numbers of which either may be unknown (NaN)."""
    return value if math.isnan(known) or value > known else known

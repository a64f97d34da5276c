"""Whether the AV's position can be relied on: fresh, stale, out of order, or out of its mind.

Times are given, never asked for, so that every case can be tested and simulated time works.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum

TIMEOUT = 1.0
"""A position older than this is stale [s]."""
REORDERING = 0.5
"""A stamp that goes back by no more than this is a late sample, by more a clock set back [s]."""
MAX_SPEED = 100.0
"""Faster than this nothing drives [m/s]."""


class PositionState(str, Enum):
    """What a sample, or the time since the last one, says."""

    NEVER = "no position was received yet"
    FRESH = "fresh"
    STALE = "stale: no new position for too long"
    NOT_FINITE = "not finite"
    LATE = "older than the one before; left out"
    JUMPED_BACK = "time jumped back; begun anew"
    LEAPED = "the position leaped; begun anew"


TAKEN = frozenset({PositionState.FRESH, PositionState.JUMPED_BACK, PositionState.LEAPED})
"""Verdicts on a sample with which its position counts."""


class PositionWatch:
    """Looks at each sample of odometry and keeps the last good one."""

    def __init__(
        self,
        *,
        timeout: float = TIMEOUT,
        reordering: float = REORDERING,
        max_speed: float = MAX_SPEED,
    ) -> None:
        """Begin without a position.

        Raises:
            ValueError: a number is out of range.
        """
        if not (timeout > 0.0 and reordering >= 0.0 and max_speed > 0.0):
            raise ValueError("timeout and max_speed must be > 0, reordering >= 0")
        self.position: tuple[float, ...] | None = None
        """The last good one [m]."""
        self.verdicts = dict.fromkeys(PositionState, 0)
        """Verdicts on samples since the start."""
        self._timeout = timeout
        self._reordering = reordering
        self._max_speed = max_speed
        self._stamp = 0.0
        self._received = -math.inf

    def observe(
        self,
        position: Sequence[float],
        stamp: float,
        received: float,
        clock: float | None = None,
    ) -> PositionState:
        """Take a sample.

        Args:
            position: [x, y] or [x, y, z] [m].
            stamp: its time stamp [s]; 0: not stamped, then only ``received`` counts.
            received: when it came, on a clock that only goes forward [s].
            clock: the clock that stamps are of, when it came [s]; None: not compared.

        Returns:
            FRESH: the position counts. JUMPED_BACK, LEAPED: it counts, what was known from
            before does not. STALE (old on arrival), LATE, NOT_FINITE: it was left out.
        """
        verdict = self._judge(position, stamp, received, clock)
        self.verdicts[verdict] += 1
        if verdict in TAKEN:
            self.position = tuple(float(x) for x in position)
            self._stamp, self._received = stamp, received
        return verdict

    def state(self, now: float) -> PositionState:
        """NEVER, FRESH or STALE at a time of the clock of ``received`` [s]."""
        if self.position is None:
            return PositionState.NEVER
        return PositionState.STALE if now - self._received > self._timeout else PositionState.FRESH

    def _judge(
        self, position: Sequence[float], stamp: float, received: float, clock: float | None
    ) -> PositionState:
        if not (math.isfinite(stamp) and all(map(math.isfinite, position))):
            return PositionState.NOT_FINITE
        stamped = stamp > 0.0
        if stamped and clock is not None and clock - stamp > self._timeout:
            return PositionState.STALE
        if self.position is None:
            return PositionState.FRESH
        if stamped and self._stamp > 0.0 and stamp <= self._stamp:
            # The same stamp again is late, too: a sender that hangs must not look alive.
            back = self._stamp - stamp
            return PositionState.LATE if back <= self._reordering else PositionState.JUMPED_BACK
        passed = received - self._received
        if stamped and self._stamp > 0.0:
            passed = max(passed, stamp - self._stamp)
        return (
            PositionState.LEAPED
            if math.dist(position[:2], self.position[:2])
            > self._max_speed * (max(passed, 0.0) + self._reordering)
            else PositionState.FRESH
        )

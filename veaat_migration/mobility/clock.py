"""Trace time as a function of the wall clock: speed factor, pause, single steps.

Nothing here sleeps or asks for the time: times are given, so that the same code serves wall
clocks, ROS time and tests.
"""

from __future__ import annotations

import math


class ReplayClock:
    """Maps the caller's clock, which only goes forward, to trace time."""

    def __init__(self, start: float, *, speed: float = 1.0, paused: bool = False) -> None:
        """Begin at trace time ``start`` [s] with the first call that gives a time.

        Args:
            start: trace time at the beginning [s].
            speed: seconds of trace per second of the caller's clock, > 0.
            paused: begin in pause.

        Raises:
            ValueError: a number is out of range.
        """
        if not math.isfinite(start):
            raise ValueError(f"start: must be finite, got {start}")
        self._trace = start
        self._speed = _positive("speed", speed)
        self._paused = paused
        self._now: float | None = None

    @property
    def speed(self) -> float:
        """Seconds of trace per second of the caller's clock."""
        return self._speed

    @property
    def paused(self) -> bool:
        """Whether trace time stands still."""
        return self._paused

    def time(self, now: float) -> float:
        """Trace time [s] at ``now`` [s]. A ``now`` before the last one counts as the last one."""
        if not math.isfinite(now):
            raise ValueError(f"now: must be finite, got {now}")
        if self._now is None:
            self._now = now
        elif now > self._now:
            if not self._paused:
                self._trace += (now - self._now) * self._speed
            self._now = now
        return self._trace

    def pause(self, now: float) -> None:
        """Let trace time stand still from ``now`` on."""
        self.time(now)
        self._paused = True

    def resume(self, now: float) -> None:
        """Let trace time go on from ``now`` on."""
        self.time(now)
        self._paused = False

    def set_speed(self, speed: float, now: float) -> None:
        """Change the speed factor from ``now`` on.

        Raises:
            ValueError: it is not a positive number; nothing is changed.
        """
        wanted = _positive("speed", speed)
        self.time(now)
        self._speed = wanted

    def step(self, seconds: float, now: float) -> float:
        """Go forward by ``seconds`` of trace at once, also in pause; the new trace time [s].

        Raises:
            ValueError: ``seconds`` is not a positive number; nothing is changed.
        """
        forward = _positive("seconds", seconds)
        self.time(now)
        self._trace += forward
        return self._trace

    def wait(self, trace_time: float, now: float) -> float:
        """How long until a trace time [s of the caller's clock]; 0: it is past; inf: in pause."""
        left = trace_time - self.time(now)
        if left <= 0.0:
            return 0.0
        return math.inf if self._paused else left / self._speed


def _positive(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0.0):
        raise ValueError(f"{name}: must be a number > 0, got {value}")
    return value

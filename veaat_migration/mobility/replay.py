"""Where vehicles are at any moment of a stream of snapshots: interpolation between its steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from veaat_migration.mobility.scene import FloatArray, Scene, rows_in, scene_of
from veaat_migration.mobility.traffic import Snapshot, TraceError

MAX_SPEED = 100.0
"""Faster than this [m/s] nothing drives: the vehicle was moved (sumo teleports jammed ones)."""


class Replay:
    """Plays a stream forward; holds two of its steps, whatever its length.

    Between two steps a vehicle that is in both moves straight from one place to the other. One
    that is only in the earlier stays where it was until the later step, then it is gone; one that
    is only in the later appears with it. One that leaps stays until the later step, too.
    """

    def __init__(self, snapshots: Iterable[Snapshot], *, max_speed: float = MAX_SPEED) -> None:
        """Read the first step.

        Args:
            snapshots: in order of time, from any source.
            max_speed: a vehicle that would be faster between two steps leaps [m/s].

        Raises:
            TraceError: the stream is empty or damaged before its first step.
        """
        if not max_speed > 0.0:
            raise ValueError(f"max_speed: must be > 0 m/s, got {max_speed}")
        self._steps: Iterator[Snapshot] = iter(snapshots)
        self._max_speed = max_speed
        first = next(self._steps, None)
        if first is None:
            raise TraceError("the trace has no timestep")
        self._before = scene_of(first)
        self._after = self._next()
        self._shared = self._pair()
        self._asked = -np.inf

    @property
    def start(self) -> float:
        """Time of the earliest step still held [s]; at first that of the trace."""
        return self._before.time

    @property
    def next_step(self) -> float | None:
        """Time of the next step after the last moment asked for [s]; None: there is none."""
        return None if self._after is None else self._after.time

    def at(self, time: float) -> Scene | None:
        """The vehicles at ``time`` [s]; None: the trace is over. Nobody is there before it begins.

        Raises:
            ValueError: ``time`` is before the last one asked for: a stream cannot go back.
            TraceError: the stream is damaged at this point.
        """
        if not time >= self._asked:
            raise ValueError(f"time {time:g} s is before {self._asked:g} s, asked for last")
        self._asked = time
        if time < self._before.time:
            return Scene(time, (), np.zeros((0, 2)), np.zeros((0, 2)))
        while self._after is not None and self._after.time <= time:
            self._before, self._after = self._after, self._next()
            self._shared = self._pair()
        if self._after is None:
            return self._before if time == self._before.time else None
        return self._between(time)

    def _next(self) -> Scene | None:
        snapshot = next(self._steps, None)
        return None if snapshot is None else scene_of(snapshot)

    def _pair(self) -> FloatArray:
        """Mean velocity from the step before to the step after; NaN: leaps or leaves; [N, 2]."""
        before, after = self._before, self._after
        mean = np.full(before.positions.shape, np.nan)
        if after is None:
            return mean
        rows = rows_in(after.ids, before.ids)
        stays = rows >= 0
        moved = after.positions[rows[stays]] - before.positions[stays]
        mean[stays] = moved / (after.time - before.time)
        mean[np.hypot(mean[:, 0], mean[:, 1]) > self._max_speed] = np.nan
        return mean

    def _between(self, time: float) -> Scene:
        before = self._before
        passed = time - before.time
        moves = np.isfinite(self._shared)
        mean = np.where(moves, self._shared, 0.0)
        # What the trace says at a step; on the way, what the vehicle does.
        known = np.isfinite(before.velocities)
        velocities = np.where(known, before.velocities, mean)
        if passed > 0.0:
            velocities = mean
        return Scene(time, before.ids, before.positions + passed * mean, velocities)

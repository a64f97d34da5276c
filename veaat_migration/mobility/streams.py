"""Sources of snapshots and what is done with them on the way: cut, thin, look ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from veaat_migration.mobility.position_watch import TAKEN, PositionState, PositionWatch
from veaat_migration.mobility.scene import FloatArray
from veaat_migration.mobility.traffic import Snapshot, TraceError, Vehicle

MAX_AHEAD = 10_000_000
"""Most vehicle positions that a look-ahead holds."""


def between(snapshots: Iterable[Snapshot], start: float, end: float) -> Iterator[Snapshot]:
    """The snapshots from ``start`` to ``end`` [s], both included; reads no further.

    Raises:
        TraceError: there is none.
    """
    found = False
    for snapshot in snapshots:
        if snapshot.time > end:
            break
        if snapshot.time >= start:
            found = True
            yield snapshot
    if not found:
        raise TraceError(f"the trace has no timestep from {start:g} s to {end:g} s")


def every(snapshots: Iterable[Snapshot], interval: float) -> Iterator[Snapshot]:
    """Snapshots at least ``interval`` [s] apart, for traces that are finer than need be."""
    if not interval > 0.0:
        raise ValueError(f"interval: must be > 0 s, got {interval}")
    due = -np.inf
    for snapshot in snapshots:
        if snapshot.time >= due - 1e-9:
            due = snapshot.time + interval
            yield snapshot


def limited(snapshots: Iterable[Snapshot], count: int) -> Iterator[Snapshot]:
    """At most ``count`` vehicles at once: whoever is in stays in, newcomers as others leave."""
    if count < 1:
        raise ValueError(f"count: must be >= 1, got {count}")
    chosen: set[str] = set()
    for snapshot in snapshots:
        present = {vehicle.id for vehicle in snapshot.vehicles}
        chosen &= present
        for vehicle in snapshot.vehicles:
            if len(chosen) >= count:
                break
            chosen.add(vehicle.id)
        kept = tuple(vehicle for vehicle in snapshot.vehicles if vehicle.id in chosen)
        yield Snapshot(snapshot.time, kept)


@dataclass(frozen=True)
class Ahead:
    """One moment of a trace and what comes after it."""

    now: Snapshot
    times: FloatArray
    """Times of the steps from now to the horizon [s], shape [T]; the first is now."""
    paths: dict[str, FloatArray]
    """Where each vehicle of ``now`` will be [m], shape [t, 2]: t < T if it leaves before."""


def look_ahead(snapshots: Iterable[Snapshot], horizon: float) -> Iterator[Ahead]:
    """Every snapshot with the paths of its vehicles during the next ``horizon`` [s].

    Memory holds the snapshots of the horizon. A vehicle that leaves and comes back ends its path
    when it leaves.

    Raises:
        TraceError: the horizon holds too many positions.
    """
    if not 0.0 <= horizon < np.inf:
        raise ValueError(f"horizon: must be >= 0 s, got {horizon}")
    window: deque[tuple[Snapshot, dict[str, Vehicle]]] = deque()
    held = 0
    for snapshot in snapshots:
        while window and snapshot.time > window[0][0].time + horizon:
            yield _ahead(window)
            held -= len(window.popleft()[1])
        window.append((snapshot, {vehicle.id: vehicle for vehicle in snapshot.vehicles}))
        held += len(snapshot.vehicles)
        if held > MAX_AHEAD:
            raise TraceError(
                f"{horizon:g} s ahead are more than {MAX_AHEAD} positions: look less far"
            )
    while window:
        yield _ahead(window)
        window.popleft()


def _ahead(window: deque[tuple[Snapshot, dict[str, Vehicle]]]) -> Ahead:
    now, present = window[0]
    paths: dict[str, list[tuple[float, float]]] = {name: [] for name in present}
    still = set(present)
    for _, vehicles in window:
        still &= vehicles.keys()
        for name in still:
            vehicle = vehicles[name]
            paths[name].append((vehicle.x, vehicle.y))
    times = np.array([snapshot.time for snapshot, _ in window])
    return Ahead(now, times, {name: np.array(path) for name, path in paths.items()})


class LiveTraffic:
    """Snapshots of vehicles that report their positions themselves, as odometry does.

    Each vehicle's samples pass a :class:`PositionWatch`: late, impossible and repeated ones do
    not count, and a vehicle that falls silent is left out after ``timeout``.
    """

    def __init__(self, *, timeout: float = 1.0) -> None:
        self._timeout = timeout
        self._vehicles: dict[str, tuple[PositionWatch, Vehicle]] = {}

    def observe(
        self,
        name: str,
        position: tuple[float, float],
        stamp: float,
        received: float,
        *,
        speed: float = np.nan,
        angle: float = np.nan,
    ) -> PositionState:
        """Take one sample; see :meth:`PositionWatch.observe` for the verdict.

        Args:
            name: of the vehicle.
            position: [x, y] [m].
            stamp: time stamp of the sample [s].
            received: when it came [s].
            speed: [m/s]; NaN: not known.
            angle: heading, clockwise from north [degree]; NaN: not known.
        """
        watch, _ = self._vehicles.get(name, (PositionWatch(timeout=self._timeout), None))
        verdict = watch.observe(position, stamp, received)
        if verdict in TAKEN:
            vehicle = Vehicle(name, float(position[0]), float(position[1]), speed, angle)
            self._vehicles[name] = watch, vehicle
        return verdict

    def snapshot(self, now: float) -> Snapshot:
        """All vehicles that are not silent at ``now``, by name; forgets the others."""
        fresh = {
            name: entry
            for name, entry in self._vehicles.items()
            if entry[0].state(now) is PositionState.FRESH
        }
        self._vehicles = fresh
        return Snapshot(now, tuple(fresh[name][1] for name in sorted(fresh)))

"""Traffic as a stream of snapshots, and what a scenario needs of it.

A snapshot has all vehicles at one moment. :func:`observe` reads a stream up to one moment and
keeps the vehicles of that moment, a density map of the time before and the roads driven on;
its memory does not grow with the length of the stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from veaat_migration.errors import VeaatError

FloatArray = npt.NDArray[np.float64]
Polyline = tuple[tuple[float, float], ...]

CELL_SIZE = 25.0
"""Side of a cell of the density map [m]."""
MAX_CELLS = 2500
"""Cells double their side rather than become more than this."""

_SMALLEST_EXTENT = 2.0
"""Two cars do not fit into a square of this side [m], but a town does in degrees."""


class TraceError(VeaatError, ValueError):
    """Traffic that cannot be read or does not hold what is asked for."""


class Vehicle(NamedTuple):
    """One vehicle at one moment, in the coordinates of its trace."""

    id: str
    x: float
    """[m]"""
    y: float
    """[m]"""
    speed: float = math.nan
    """[m/s]; NaN: not in the trace"""
    angle: float = math.nan
    """Heading, clockwise from north [degree]; NaN: not in the trace"""
    lane: str = ""
    """Identifier of the lane, ``EDGE_INDEX`` in SUMO; empty: not in the trace"""
    lane_position: float = math.nan
    """Distance from the beginning of the lane [m]; NaN: not in the trace"""


@dataclass(frozen=True)
class Snapshot:
    """All vehicles at one moment."""

    time: float
    """[s]"""
    vehicles: tuple[Vehicle, ...]


@dataclass(frozen=True)
class Traffic:
    """What was observed up to and at one moment."""

    time: float
    """Moment of ``vehicles`` [s]."""
    vehicles: tuple[Vehicle, ...]
    """All vehicles at ``time``, by id."""
    places: FloatArray
    """Where vehicles were during the window: mean position in each cell [m], shape [K, 2]."""
    weights: FloatArray
    """Vehicle-timesteps in each cell, shape [K]."""
    roads: tuple[Polyline, ...]
    """Lines along which vehicles drove [m]; empty if the trace names no lanes."""


def observe(snapshots: Iterable[Snapshot], time: float, window: float = 60.0) -> Traffic:
    """Read a stream up to ``time`` and not beyond.

    Args:
        snapshots: in order of time.
        time: moment of interest [s]; the last snapshot at or before it is taken.
        window: the density map counts vehicles from ``time - window`` to ``time`` [s].

    Raises:
        TraceError: the stream is empty, does not reach ``time`` or has no vehicle then.
    """
    density = _Density()
    roads = _Roads()
    first: float | None = None
    current: Snapshot | None = None
    for snapshot in snapshots:
        if first is None:
            first = snapshot.time
        if snapshot.time > time:
            break
        current = snapshot
        if snapshot.time >= time - window:
            density.add(snapshot)
        roads.add(snapshot)
        if snapshot.time == time:
            break
    else:
        if first is None:
            raise TraceError("the trace has no timestep")
        if current is not None:
            raise TraceError(
                f"time {time:g} s is after the end: the trace holds {first:g} s to "
                f"{current.time:g} s"
            )
    if current is None:
        raise TraceError(
            f"time {time:g} s is before the beginning: the trace starts at {first:g} s"
        )
    if not current.vehicles:
        raise TraceError(f"no vehicle is on the road at {current.time:g} s; choose another time")
    places, weights = density.result()
    if len(current.vehicles) > 1 and np.all(np.ptp(places, axis=0) < _SMALLEST_EXTENT):
        raise TraceError(
            f"all {len(current.vehicles)} vehicles are within {_SMALLEST_EXTENT:g} m: the "
            "coordinates seem to be degrees; export metres (sumo without --fcd-output.geo)"
        )
    vehicles = tuple(sorted(current.vehicles, key=lambda vehicle: vehicle.id))
    return Traffic(current.time, vehicles, places, weights, roads.result())


@dataclass
class _Density:
    """Counts and mean positions of vehicles in square cells that grow when there are too many."""

    size: float = CELL_SIZE
    cells: dict[tuple[int, int], tuple[int, float, float]] = field(default_factory=dict)

    def add(self, snapshot: Snapshot) -> None:
        for vehicle in snapshot.vehicles:
            self._put(1, vehicle.x, vehicle.y)
        while len(self.cells) > MAX_CELLS:
            self.size *= 2.0
            merged = list(self.cells.values())
            self.cells = {}
            for count, x, y in merged:
                self._put(count, x, y)

    def _put(self, count: int, x: float, y: float) -> None:
        """Add ``count`` vehicles whose coordinates sum to x, y."""
        key = (math.floor(x / count / self.size), math.floor(y / count / self.size))
        n, sum_x, sum_y = self.cells.get(key, (0, 0.0, 0.0))
        self.cells[key] = (n + count, sum_x + x, sum_y + y)

    def result(self) -> tuple[FloatArray, FloatArray]:
        table = np.array([self.cells[key] for key in sorted(self.cells)])
        counts = table[:, 0]
        return table[:, 1:] / counts[:, None], counts


@dataclass
class _Roads:
    """Lines through the points where vehicles drove on each lane, in driving order."""

    spacing: float = 20.0
    points: dict[str, dict[int, tuple[float, float]]] = field(default_factory=dict)

    def add(self, snapshot: Snapshot) -> None:
        for vehicle in snapshot.vehicles:
            if vehicle.lane and math.isfinite(vehicle.lane_position):
                along = self.points.setdefault(vehicle.lane, {})
                along.setdefault(
                    round(vehicle.lane_position / self.spacing), (vehicle.x, vehicle.y)
                )

    def result(self) -> tuple[Polyline, ...]:
        """The best observed lane of each edge."""
        best: dict[str, dict[int, tuple[float, float]]] = {}
        for lane in sorted(self.points):
            edge = lane.rpartition("_")[0] or lane
            if len(self.points[lane]) > len(best.get(edge, {})):
                best[edge] = self.points[lane]
        lines = (
            tuple(points[step] for step in sorted(points))
            for points in best.values()
            if len(points) > 1
        )
        return tuple(_simplified(line) for line in lines)


def _simplified(line: Polyline, tolerance: float = 2.0) -> Polyline:
    """The line without points that lie within ``tolerance`` [m] of it (Douglas-Peucker)."""
    keep = {0, len(line) - 1}
    stack = [(0, len(line) - 1)]
    while stack:
        low, high = stack.pop()
        (x0, y0), (x1, y1) = line[low], line[high]
        length = math.hypot(x1 - x0, y1 - y0)
        worst, distance = low, tolerance
        for index in range(low + 1, high):
            x, y = line[index]
            if length > 0:
                off = abs((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) / length
            else:
                off = math.hypot(x - x0, y - y0)
            if off > distance:
                worst, distance = index, off
        if worst != low:
            keep.add(worst)
            stack += [(low, worst), (worst, high)]
    return tuple(line[index] for index in sorted(keep))

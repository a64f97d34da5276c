"""Small parametric towns: junctions, streets between them, and their geometry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from veaat_migration.mobility.traffic import Polyline, TraceError

FloatArray = npt.NDArray[np.float64]

_JITTER = 0.12
"""Junctions are moved at random by up to this part of a block, so that no two blocks are equal."""
_CLOSED_STREETS = 0.12
"""Share of the streets that are left out, where that does not make a dead end."""


@dataclass(frozen=True)
class Street:
    """One direction of one street, straight from junction ``start`` to junction ``end``."""

    start: int
    end: int
    length: float
    """[m]"""
    speed_limit: float
    """[m/s]"""


@dataclass(frozen=True)
class RoadNetwork:
    """Junctions and one-directional streets; every street has its opposite direction."""

    junctions: FloatArray
    """[m], shape [N, 2]"""
    streets: tuple[Street, ...]

    @cached_property
    def leaving(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the streets that leave each junction."""
        table: list[list[int]] = [[] for _ in self.junctions]
        for index, street in enumerate(self.streets):
            table[street.start].append(index)
        return tuple(tuple(row) for row in table)

    @property
    def lines(self) -> tuple[Polyline, ...]:
        """One line per street, for maps [m]."""
        points = [(round(float(x), 1), round(float(y), 1)) for x, y in self.junctions]
        return tuple(
            (points[street.start], points[street.end])
            for street in self.streets
            if street.start < street.end
        )


def grid_town(columns: int, rows: int, block: float, generator: np.random.Generator) -> RoadNetwork:
    """Streets around ``columns`` x ``rows`` blocks of side ``block`` [m], origin at south-west.

    The outermost streets are avenues (50 km/h), the others allow 30 km/h.

    Raises:
        TraceError: there is no block or it has no size.
    """
    _check_size(columns, rows, block)
    index = np.arange((columns + 1) * (rows + 1)).reshape(rows + 1, columns + 1)
    y, x = np.mgrid[0 : rows + 1, 0 : columns + 1]
    junctions = _jittered(np.column_stack([x.ravel(), y.ravel()]) * block, block, generator)
    pairs: list[tuple[int, int, bool]] = []
    for row in range(rows + 1):
        for column in range(columns + 1):
            if column < columns:
                pairs.append((index[row, column], index[row, column + 1], row in (0, rows)))
            if row < rows:
                pairs.append((index[row, column], index[row + 1, column], column in (0, columns)))
    return _network(junctions, pairs, generator)


def ring_town(rings: int, spokes: int, block: float, generator: np.random.Generator) -> RoadNetwork:
    """``rings`` ring roads ``block`` [m] apart around a centre, crossed by ``spokes`` radial roads.

    The outermost ring is an avenue (50 km/h), the other streets allow 30 km/h.

    Raises:
        TraceError: there are fewer than 3 spokes or no ring, or blocks have no size.
    """
    _check_size(rings, spokes, block)
    if spokes < 3:
        raise TraceError(f"a ring town needs at least 3 radial roads, got {spokes}")
    radius, angle = np.meshgrid(
        block * np.arange(1, rings + 1), 2 * np.pi * np.arange(spokes) / spokes, indexing="ij"
    )
    ring_points = np.column_stack(
        [(radius * np.cos(angle)).ravel(), (radius * np.sin(angle)).ravel()]
    )
    centred = np.vstack([[[0.0, 0.0]], ring_points]) + rings * block
    junctions = _jittered(centred, block, generator)
    pairs: list[tuple[int, int, bool]] = []
    for ring in range(rings):
        for spoke in range(spokes):
            here = 1 + ring * spokes + spoke
            pairs.append((here, 1 + ring * spokes + (spoke + 1) % spokes, ring == rings - 1))
            pairs.append((0 if ring == 0 else here - spokes, here, False))
    return _network(junctions, pairs, generator)


def _check_size(first: int, second: int, block: float) -> None:
    if first < 1 or second < 1 or first * second > 10_000:
        raise TraceError(f"a town needs 1 to 10000 blocks, got {first} x {second}")
    if not 10.0 <= block <= 10_000.0:
        raise TraceError(f"blocks must have a side of 10 m to 10 km, got {block:g} m")


def _jittered(points: FloatArray, block: float, generator: np.random.Generator) -> FloatArray:
    moved: FloatArray = points + generator.uniform(-_JITTER, _JITTER, points.shape) * block
    return moved


def _network(
    junctions: FloatArray, pairs: list[tuple[int, int, bool]], generator: np.random.Generator
) -> RoadNetwork:
    """Close some streets between busy junctions, then lay both directions of the others."""
    degree = np.bincount(np.array([pair[:2] for pair in pairs]).ravel())
    streets: list[Street] = []
    for start, end, avenue in pairs:
        can_close = not avenue and degree[start] > 3 and degree[end] > 3
        if generator.random() < _CLOSED_STREETS and can_close:
            degree[[start, end]] -= 1
            continue
        length = math.hypot(*(junctions[end] - junctions[start]))
        limit = (50.0 if avenue else 30.0) / 3.6
        streets.append(Street(int(start), int(end), length, limit))
        streets.append(Street(int(end), int(start), length, limit))
    return RoadNetwork(junctions, tuple(streets))

"""Which RSUs cover which vehicles, with hysteresis: nobody flickers at the edge of a cell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.mobility.scene import FloatArray, IntArray, Scene, rows_in
from veaat_migration.mobility.traffic import TraceError

BoolArray = npt.NDArray[np.bool_]

HYSTERESIS = 25.0
"""A vehicle is covered from the radius on inwards, and until this much beyond it [m]."""
HANDOVER_MARGIN = 50.0
"""Another RSU takes over once it is nearer by this much [m]."""
NOBODY = -1
"""Instead of the index of an RSU: no RSU covers the vehicle."""


class ChangeKind(str, Enum):
    """What happened to the connection of a vehicle."""

    CONNECTED = "connected"
    HANDED_OVER = "handed over"
    LOST = "lost"
    """It drove out of every coverage."""
    GONE = "gone"
    """It left the trace while connected."""


@dataclass(frozen=True)
class Change:
    """A vehicle's connection changed; RSUs are indices from 0, or NOBODY."""

    time: float
    vehicle: str
    kind: ChangeKind
    before: int
    after: int


@dataclass(frozen=True)
class Coverage:
    """Coverage of N vehicles by R RSUs at one moment, in the rows of its scene."""

    distance: FloatArray
    """[m], shape [N, R]"""
    covered: BoolArray
    """With hysteresis, shape [N, R]."""
    connected: IntArray
    """Index of the RSU that serves each vehicle, or NOBODY; shape [N]."""
    changes: tuple[Change, ...]
    """Since the moment before, in the order of rows; those who are gone last."""


class CoverageTracker:
    """Follows the coverage of all vehicles from scene to scene."""

    def __init__(
        self,
        sites: Any,
        radius: Any,
        *,
        hysteresis: float = HYSTERESIS,
        handover_margin: float = HANDOVER_MARGIN,
    ) -> None:
        """Begin with nobody connected.

        Args:
            sites: places of the RSUs [m], shape [R, 2].
            radius: coverage radius [m], a number or shape [R].
            hysteresis: how far beyond the radius a covered vehicle stays covered [m].
            handover_margin: how much nearer another RSU must be to take over a vehicle that is
                still covered [m]; infinite: only who leaves the coverage is handed over.

        Raises:
            TraceError: shapes do not fit or a number is out of range.
        """
        self.sites: FloatArray = np.array(sites, dtype=np.float64).reshape(-1, 2)
        if not (len(self.sites) and np.isfinite(self.sites).all()):
            raise TraceError("sites: at least one RSU with a finite [x, y] is needed")
        try:
            self.radius = np.broadcast_to(
                np.asarray(radius, dtype=np.float64), len(self.sites)
            ).copy()
        except ValueError:
            raise TraceError(
                f"radius: must be one number or {len(self.sites)}, got {np.shape(radius)}"
            ) from None
        if not (self.radius > 0.0).all():
            raise TraceError(f"radius: must be > 0 m, got {self.radius.min():g}")
        for name, value in (("hysteresis", hysteresis), ("handover_margin", handover_margin)):
            if not value >= 0.0:
                raise TraceError(f"{name}: must be >= 0 m, got {value:g}")
        self._hysteresis = hysteresis
        self._margin = handover_margin
        self._ids: tuple[str, ...] = ()
        self._covered: BoolArray = np.zeros((0, len(self.sites)), dtype=bool)
        self._connected: IntArray = np.zeros(0, dtype=np.int64)

    def update(self, scene: Scene) -> Coverage:
        """Coverage at the next moment."""
        rows = rows_in(self._ids, scene.ids)
        here = rows >= 0
        n, r = len(scene.ids), len(self.sites)
        was_covered = np.zeros((n, r), dtype=bool)
        was_covered[here] = self._covered[rows[here]]
        before = np.full(n, NOBODY, dtype=np.int64)
        before[here] = self._connected[rows[here]]
        offset = scene.positions[:, None, :] - self.sites[None, :, :]
        distance = np.hypot(offset[..., 0], offset[..., 1])
        reach = self.radius + np.where(was_covered, self._hysteresis, 0.0)
        covered: BoolArray = distance <= reach
        connected = self._serve(distance, covered, before)
        changes = [*self._changed(scene, before, connected), *self._gone(scene)]
        self._ids, self._covered, self._connected = scene.ids, covered, connected
        return Coverage(distance, covered, connected, tuple(changes))

    def _serve(self, distance: FloatArray, covered: BoolArray, before: IntArray) -> IntArray:
        """The serving RSU stays unless it no longer covers or another one is clearly nearer."""
        usable = np.where(covered, distance, np.inf)
        nearest = usable.argmin(axis=1)
        row = np.arange(len(before))
        best = usable[row, nearest]
        current = np.where(before >= 0, usable[row, np.maximum(before, 0)], np.inf)
        with np.errstate(invalid="ignore"):  # inf - inf where nobody covers
            moves = (current == np.inf) | (current - best > self._margin)
        connected = np.where(moves, nearest, before)
        return np.where(best < np.inf, connected, NOBODY)

    def _changed(self, scene: Scene, before: IntArray, after: IntArray) -> Iterable[Change]:
        for n in np.flatnonzero(before != after).tolist():
            old, new = int(before[n]), int(after[n])
            if old == NOBODY:
                kind = ChangeKind.CONNECTED
            else:
                kind = ChangeKind.LOST if new == NOBODY else ChangeKind.HANDED_OVER
            yield Change(scene.time, scene.ids[n], kind, old, new)

    def _gone(self, scene: Scene) -> Iterable[Change]:
        present = set(scene.ids)
        for name, old in zip(self._ids, self._connected.tolist(), strict=True):
            if old != NOBODY and name not in present:
                yield Change(scene.time, name, ChangeKind.GONE, old, NOBODY)

"""All vehicles at one moment as arrays: what coverage, links and prediction work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from veaat_migration.mobility.traffic import Snapshot

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scene:
    """N vehicles at one moment; row n of every array belongs to ``ids[n]``."""

    time: float
    """[s]"""
    ids: tuple[str, ...]
    """Each appears once."""
    positions: FloatArray
    """[m], shape [N, 2]"""
    velocities: FloatArray
    """[m/s], shape [N, 2]; NaN: not known"""


def scene_of(snapshot: Snapshot) -> Scene:
    """The arrays of a snapshot; velocities from speed and heading, NaN where the trace has none."""
    vehicles = snapshot.vehicles
    table = np.array([(v.x, v.y, v.speed, v.angle) for v in vehicles], dtype=np.float64)
    table = table.reshape(len(vehicles), 4)
    speed, heading = table[:, 2], np.radians(table[:, 3])
    known = np.isfinite(speed) & (np.isfinite(heading) | (speed == 0.0))
    # A standing vehicle moves nowhere, whatever its heading.
    heading = np.where(np.isfinite(heading), heading, 0.0)
    direction = np.column_stack([np.sin(heading), np.cos(heading)])
    velocities = np.where(known[:, None], np.where(known, speed, 0.0)[:, None] * direction, np.nan)
    return Scene(snapshot.time, tuple(v.id for v in vehicles), table[:, :2].copy(), velocities)


def rows_in(earlier: Sequence[str], later: Sequence[str]) -> IntArray:
    """For each id of ``later`` its row in ``earlier``, or -1; shape [len(later)]."""
    if earlier == later:
        return np.arange(len(later))
    row = {name: n for n, name in enumerate(earlier)}
    return np.array([row.get(name, -1) for name in later], dtype=np.int64)

"""A town of our own, as a trace: where no trace of a city is at hand, and as a second one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veaat_migration.fleet.errors import FleetError
from veaat_migration.mobility.driving import drive
from veaat_migration.mobility.fcd import write_fcd
from veaat_migration.mobility.roads import grid_town, ring_town

SHAPES = ("grid", "ring")


@dataclass(frozen=True)
class Town:
    """What is built and who drives."""

    shape: str = "grid"
    blocks: tuple[int, int] = (9, 7)
    """Columns and rows, or rings and radial roads."""
    block: float = 200.0
    """Side of a block, or distance of two rings [m]."""
    vehicles: int = 300
    seconds: float = 300.0
    seed: int = 1


def write_town(path: Path, town: Town) -> None:
    """Let vehicles drive through a town and write their trace; the same town, the same bytes.

    Raises:
        FleetError: there is no such shape.
        TraceError: a number is out of range, the vehicles do not fit, the file cannot be written.
    """
    if town.shape not in SHAPES:
        raise FleetError(f"shape: must be one of {', '.join(SHAPES)}, got {town.shape!r}")
    if not 1.0 <= town.seconds <= 1e6 or town.vehicles < 1:
        raise FleetError(
            f"a town needs 1 s or more and a vehicle, got {town.seconds:g} s, {town.vehicles}"
        )
    generator = np.random.default_rng(town.seed)
    make = grid_town if town.shape == "grid" else ring_town
    network = make(*town.blocks, town.block, generator)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_fcd(path, drive(network, town.vehicles, town.seconds, generator))

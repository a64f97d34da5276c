"""Finished runs, one file each: nothing is lost to Ctrl-C or a kill, nothing is done twice."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import numpy as np

import veaat_migration.game
import veaat_migration.mobility
import veaat_migration.policy
import veaat_migration.protocol
from veaat_migration.digests import canonical, code_digest, digest
from veaat_migration.fleet import (
    books,
    equilibrium,
    game_round,
    learned,
    market,
    metrics,
    places,
    plant,
    policies,
    population,
    riders,
    runs,
    settings,
    simulation,
)
from veaat_migration.fleet.errors import FleetError
from veaat_migration.fleet.places import Excerpt, Site
from veaat_migration.fleet.settings import Settings
from veaat_migration.kept import KeptResults

_PIECE = 2**20


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content.

    Raises:
        FleetError: it cannot be read.
    """
    found = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while piece := stream.read(_PIECE):
                found.update(piece)
    except OSError as error:
        raise FleetError(f"{path}: cannot be read: {error.strerror or error}") from error
    return found.hexdigest()


@lru_cache(maxsize=1)
def code_version() -> str:
    """Digest of everything that decides how a run ends; how results are shown does not."""
    modules = (
        *(books, equilibrium, game_round, learned, market, metrics, places, plant, policies),
        *(population, riders, runs, settings, simulation),
        veaat_migration.game,
        veaat_migration.mobility,
        veaat_migration.policy,
        veaat_migration.protocol,
    )
    return code_digest(modules, (np.__version__,))


def common_key(trace: str, excerpt: Excerpt, site: Site, told: Settings) -> str:
    """Digest of what all runs of a comparison share; ``trace`` is that of the file."""
    return digest(
        code_version(),
        trace,
        canonical([excerpt.start, excerpt.end, excerpt.vehicles]),
        canonical([asdict(site.city), site.given]),
        canonical(asdict(told)),
    )


class Store(KeptResults):
    """A folder of runs by key."""

    def __init__(self, folder: Path) -> None:
        """Create the folder if need be.

        Raises:
            FleetError: it cannot be created.
        """
        super().__init__(folder, proof="success", error=FleetError)

"""Finished runs, one file each: nothing is lost to Ctrl-C or a kill, nothing is done twice."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

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


class Store:
    """A folder of results by key."""

    def __init__(self, folder: Path) -> None:
        """Create the folder if need be.

        Raises:
            FleetError: it cannot be created.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FleetError(
                f"{folder}: {error.strerror or error}; choose another --output"
            ) from error

    def find(self, key: str) -> dict[str, Any] | None:
        """The result of a run; None if there is none, or a damaged one."""
        try:
            result = json.loads(self._file(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return result if isinstance(result, dict) and "success" in result else None

    def keep(self, key: str, result: dict[str, Any]) -> None:
        """Write a result; a reader sees all of it or nothing.

        Raises:
            FleetError: it cannot be written.
        """
        file = self._file(key)
        unfinished = file.with_suffix(".part")
        try:
            unfinished.write_text(json.dumps(result) + "\n", encoding="utf-8")
            unfinished.replace(file)
        except OSError as error:
            raise FleetError(f"{file}: {error.strerror or error}") from error

    def _file(self, key: str) -> Path:
        return self.folder / f"{key[:32]}.json"

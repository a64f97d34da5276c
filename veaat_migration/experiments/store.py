"""Finished cells."""

from __future__ import annotations

from pathlib import Path

from veaat_migration.experiments.errors import ExperimentError
from veaat_migration.kept import KeptResults


class Store(KeptResults):
    """A folder of cells by key."""

    def __init__(self, folder: Path) -> None:
        """Create the folder if need be.

        Raises:
            ExperimentError: it cannot be created.
        """
        super().__init__(folder, proof="evaluations", error=ExperimentError)

"""Finished cells, one file each: nothing is lost to Ctrl-C or a kill, nothing is done twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from veaat_migration.experiments.errors import ExperimentError


class Store:
    """A folder of results by key. Several runs may share it."""

    def __init__(self, folder: Path) -> None:
        """Create the folder if need be.

        Raises:
            ExperimentError: it cannot be created.
        """
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ExperimentError(
                f"{folder}: {error.strerror or error}; choose another --output"
            ) from error

    def find(self, key: str) -> dict[str, Any] | None:
        """The result of a cell; None if there is none, or a damaged one."""
        try:
            result = json.loads(self._file(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return result if isinstance(result, dict) and "evaluations" in result else None

    def keep(self, key: str, result: dict[str, Any]) -> None:
        """Write a result; a reader sees all of it or nothing.

        Raises:
            ExperimentError: it cannot be written.
        """
        file = self._file(key)
        unfinished = file.with_suffix(".part")
        try:
            unfinished.write_text(json.dumps(result) + "\n", encoding="utf-8")
            unfinished.replace(file)
        except OSError as error:
            raise ExperimentError(f"{file}: {error.strerror or error}") from error

    def clear(self) -> None:
        """Forget everything."""
        for file in self._folder.glob("*.json"):
            file.unlink()

    def _file(self, key: str) -> Path:
        return self._folder / f"{key[:32]}.json"

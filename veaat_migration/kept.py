"""Finished results, one file each: nothing is lost to Ctrl-C or a kill, nothing is done twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from veaat_migration.errors import VeaatError


class KeptResults:
    """A folder of results by key. Several runs may share it."""

    def __init__(self, folder: Path, *, proof: str, error: type[VeaatError]) -> None:
        """Create the folder if need be.

        Args:
            folder: of the results.
            proof: a key that every result has; a file without it is no result.
            error: what is raised where the folder cannot be used.

        Raises:
            VeaatError: it cannot be created; an ``error``.
        """
        self.folder = folder
        self._proof, self._error = proof, error
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise error(f"{folder}: {fault.strerror or fault}; choose another --output") from fault

    def find(self, key: str) -> dict[str, Any] | None:
        """The result of a key; None if there is none, or a damaged one."""
        try:
            result = json.loads(self._file(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return result if isinstance(result, dict) and self._proof in result else None

    def keep(self, key: str, result: dict[str, Any]) -> None:
        """Write a result; a reader sees all of it or nothing.

        Raises:
            VeaatError: it cannot be written; an ``error``.
        """
        file = self._file(key)
        unfinished = file.with_suffix(".part")
        try:
            unfinished.write_text(json.dumps(result) + "\n", encoding="utf-8")
            unfinished.replace(file)
        except OSError as fault:
            raise self._error(f"{file}: {fault.strerror or fault}") from fault

    def clear(self) -> None:
        """Forget everything."""
        for file in self.folder.glob("*.json"):
            file.unlink()

    def _file(self, key: str) -> Path:
        return self.folder / f"{key[:32]}.json"

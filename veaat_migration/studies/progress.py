"""How far a study has come, for a terminal or for a log."""

from __future__ import annotations

from typing import TextIO

from veaat_migration import progress
from veaat_migration.studies.evaluate import CERTIFIED, NOT_UNIQUE, Record

GOOD = frozenset({CERTIFIED, NOT_UNIQUE, "unchecked"})
"""States of points that have the answer that was asked for."""


class Progress(progress.Progress):
    """Counts points, and by their state those that have not the answer that was asked for."""

    def __init__(self, total: int, done: int, stream: TextIO) -> None:
        """Begin with ``done`` points known from before."""
        super().__init__(total, done, stream, parts="points")

    def add_record(self, record: Record) -> None:
        """Count a finished point."""
        self.add("" if record.status in GOOD else record.status)

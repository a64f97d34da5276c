"""What a study has found so far, kept so that nothing is lost and nothing is solved twice.

Every finished point becomes one line of ``points.jsonl`` at once. A point is known by a digest of
the file's content, of what is changed in it, of whether it is certified, and of the code that
builds and solves games: a result of other code or another file is never taken for this one's.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
import scipy

import veaat_migration.game
import veaat_migration.scenario
from veaat_migration.digests import canonical, code_digest, digest
from veaat_migration.studies import changes, evaluate, players
from veaat_migration.studies.errors import StudyError
from veaat_migration.studies.evaluate import SETTLED, Record
from veaat_migration.studies.study import Point, Study

FILE = "points.jsonl"


class Keys:
    """Digests of a study's points."""

    def __init__(self, study: Study) -> None:
        """Digest the parts that all points share."""
        content = canonical(study.content)
        self._common = digest(code_version(), content, str(study.certify))

    def of(self, point: Point) -> str:
        """The digest of one point."""
        return digest(self._common, canonical(point.changes))


class Journal:
    """The file of finished points, open for more; only one process may have it open."""

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        """Open or create it.

        Args:
            folder: of the study's results; created if missing.
            fresh: forget what is there.

        Raises:
            StudyError: it cannot be written, or another study writes it.
        """
        path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("a+", encoding="utf-8", newline="\n")
        except OSError as error:
            raise StudyError(
                f"{folder}: {error.strerror or error}; choose another --output"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise StudyError(f"{path}: another study is writing it; wait for its end") from error
        if fresh:
            self._file.truncate(0)
        self._known = dict(self._entries())

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def find(self, key: str, time_limit: float) -> Record | None:
        """An earlier result that solving again within ``time_limit`` could not improve."""
        record, limit = self._known.get(key, (None, 0.0))
        if record is None or record.status in SETTLED:
            return record
        patient = limit >= time_limit and record.status != evaluate.FAILED
        return record if patient else None

    def add(self, key: str, time_limit: float, record: Record) -> None:
        """Keep a result, whatever happens next.

        Raises:
            StudyError: it cannot be written.
        """
        self._known[key] = (record, time_limit)
        line = {"key": key, "time_limit": time_limit, "record": record.to_mapping()}
        try:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        except OSError as error:
            raise StudyError(f"{self._file.name}: {error.strerror or error}") from error

    def _entries(self) -> Iterator[tuple[str, tuple[Record, float]]]:
        """Lines that are whole; a kill may have cut off the last one."""
        self._file.seek(0)
        line = "\n"
        for line in self._file:
            try:
                entry = json.loads(line)
                yield entry["key"], (Record.from_mapping(entry["record"]), entry["time_limit"])
            except (ValueError, TypeError, KeyError):
                continue
        if not line.endswith("\n"):
            self._file.write("\n")


@lru_cache(maxsize=1)
def code_version() -> str:
    """Digest of everything that decides what the answer to a game is."""
    modules = (veaat_migration.game, veaat_migration.scenario, changes, players, evaluate)
    return code_digest(modules, (np.__version__, scipy.__version__))

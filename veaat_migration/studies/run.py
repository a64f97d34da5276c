"""Running a study: known points are taken from the journal, the others solved and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from veaat_migration.errors import VeaatError
from veaat_migration.studies.errors import StudyError
from veaat_migration.studies.evaluate import game_of
from veaat_migration.studies.journal import Journal, Keys
from veaat_migration.studies.pool import evaluate_all
from veaat_migration.studies.progress import Progress
from veaat_migration.studies.results import Results
from veaat_migration.studies.study import Point, Study, label


@dataclass(frozen=True)
class Outcome:
    """What came of a study."""

    results: Results
    reused: int
    """Points that were known from before."""
    interrupted: bool
    """Whether Ctrl-C ended it early."""


def run_study(
    study: Study, folder: Path, *, jobs: int, fresh: bool = False, stream: TextIO
) -> Outcome:
    """Solve all points that the folder's journal does not know yet.

    Args:
        study: what to solve.
        folder: where results are kept; the same folder continues an interrupted study.
        jobs: number of processes.
        fresh: solve everything again.
        stream: for the progress bar.

    Raises:
        StudyError: no point of the study is a game, or the folder cannot be used.
    """
    points = study.points()
    _check_that_one_is_a_game(study, points)
    with Journal(folder, fresh=fresh) as journal:
        keys = Keys(study)
        key = {point.number: keys.of(point) for point in points}
        found = {p.number: journal.find(key[p.number], study.time_limit) for p in points}
        records = {number: record for number, record in found.items() if record is not None}
        reused = len(records)
        todo = [point for point in points if point.number not in records]
        interrupted = False
        if todo:
            progress = Progress(len(points), reused, stream)
            try:
                for point, record in evaluate_all(study, todo, jobs, progress.show):
                    journal.add(key[point.number], study.time_limit, record)
                    records[point.number] = record
                    progress.add_record(record)
            except KeyboardInterrupt:
                interrupted = True
            finally:
                progress.close()
    return Outcome(Results(study, records), reused, interrupted)


def _check_that_one_is_a_game(study: Study, points: Sequence[Point]) -> None:
    """A misspelt field makes every point invalid: say so at once instead of a thousand times."""
    faults: list[VeaatError] = []
    for point in points:
        try:
            game_of(study.game(point))
        except VeaatError as error:
            faults.append(error)
        else:
            return
    where = "" if len(points) == 1 else f"none of the {len(points)} points is a game; "
    raise StudyError(f"{where}{label(points[0], study.paths)}: {faults[0]}") from faults[0]

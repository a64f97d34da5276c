"""Points solved in parallel by processes of their own, which may take too long or die."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from veaat_migration.studies.errors import StudyError
from veaat_migration.studies.evaluate import FAILED, INVALID, TIMED_OUT, Record, evaluate
from veaat_migration.studies.study import Point, Study
from veaat_migration.workers import Fate, Lost, work_all

_PATIENCE = 10.0
"""Beyond twice its time limit, a point is given up after this [s]."""


def evaluate_all(
    study: Study, points: Sequence[Point], jobs: int, tick: Callable[[], None] = lambda: None
) -> Iterator[tuple[Point, Record]]:
    """Points with their results, in the order in which they are finished.

    A point that exceeds its time limit by far, or whose process dies, gets a record that says so.

    Args:
        study: of the points.
        points: to solve.
        jobs: processes, each with one thread of linear algebra.
        tick: called about twice a second.

    Raises:
        WorkersError: processes cannot be started.
    """
    solve = partial(_solve, study)
    limit = 2.0 * study.time_limit + _PATIENCE
    for point, result in work_all(solve, points, jobs, time_limit=limit, tick=tick):
        yield point, _lost(result) if isinstance(result, Lost) else Record.from_mapping(result)


def _lost(lost: Lost) -> Record:
    return Record(TIMED_OUT if lost.fate is Fate.TIMED_OUT else FAILED, lost.reason)


def _solve(study: Study, point: Point) -> dict[str, Any]:
    try:
        content: dict[str, Any] = study.game(point)
    except StudyError as error:
        return Record(INVALID, str(error)).to_mapping()
    return evaluate(content, certify=study.certify, time_limit=study.time_limit).to_mapping()

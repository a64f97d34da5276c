"""Points solved in parallel by processes of their own, which may take too long or die."""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from veaat_migration.parallel import undisturbed
from veaat_migration.studies.errors import StudyError
from veaat_migration.studies.evaluate import FAILED, INVALID, TIMED_OUT, Record, evaluate
from veaat_migration.studies.study import Point, Study

_READY = "ready"
_PATIENCE = 10.0
"""Beyond twice its time limit, a point is given up after this [s]."""
_TICK = 0.5


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
        StudyError: processes cannot be started.
    """
    todo = deque(points)
    workers = [_Worker(study) for _ in range(min(jobs, len(points)))]
    hard_limit = 2.0 * study.time_limit + _PATIENCE
    try:
        while todo or any(worker.point is not None for worker in workers):
            for k, worker in enumerate(workers):
                if worker.dead and todo:
                    workers[k] = worker = _Worker(study)
                if worker.idle and todo:
                    worker.start(todo.popleft())
            wait([w.connection for w in workers if not w.dead], timeout=_TICK)
            tick()
            for worker in workers:
                point = worker.point
                record = worker.result(hard_limit)
                if record is not None and point is not None:
                    yield point, record
    finally:
        for worker in workers:
            worker.stop()


@dataclass
class _Task:
    point: Point
    began: float


class _Worker:
    """One process and the point that it works on."""

    def __init__(self, study: Study) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(
            target=_serve,
            args=(theirs, study),
            daemon=True,
        )
        with undisturbed():
            self._process.start()
        theirs.close()
        self._ready = False
        self.dead = False
        self._task: _Task | None = None

    @property
    def point(self) -> Point | None:
        """What it works on."""
        return None if self._task is None else self._task.point

    @property
    def idle(self) -> bool:
        """Whether it can take a point; it may do so before it has finished starting."""
        return self._task is None and not self.dead

    def start(self, point: Point) -> None:
        """Give it work."""
        self._task = _Task(point, time.monotonic())
        try:
            self.connection.send(point)
        except OSError:
            self.dead = True  # result() says what became of it

    def result(self, hard_limit: float) -> Record | None:
        """The result of its point, once there is one."""
        task = self._task
        if task is None:
            return None
        try:
            while not self.dead and self.connection.poll():
                message = self.connection.recv()
                if message == _READY:
                    self._ready, task.began = True, time.monotonic()
                    continue
                self._task = None
                return Record.from_mapping(message)
        except (EOFError, OSError):
            self.dead = True
        if self.dead:
            return self._died()
        if time.monotonic() - task.began > hard_limit:
            self.stop()
            self._task = None
            return Record(TIMED_OUT, f"stopped after {hard_limit:.0f} s")
        return None

    def _died(self) -> Record:
        self._process.join(timeout=5.0)
        code = self._process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        self.stop()
        self._task = None
        if not self._ready:
            raise StudyError(f"a solving process did not start: {how}")
        return Record(FAILED, f"the solving process died: {how}; out of memory?")

    def stop(self) -> None:
        """End it at once; what it works on is lost."""
        self.dead = True
        self.connection.close()
        self._process.kill()
        self._process.join()


def _serve(connection: Connection, study: Study) -> None:
    """Main function of a process: points in, records out, until the other end is closed."""
    try:
        connection.send(_READY)
        while True:
            connection.send(_solve(study, connection.recv()).to_mapping())
    except (EOFError, OSError):
        return


def _solve(study: Study, point: Point) -> Record:
    try:
        content: dict[str, Any] = study.game(point)
    except StudyError as error:
        return Record(INVALID, str(error))
    return evaluate(content, certify=study.certify, time_limit=study.time_limit)

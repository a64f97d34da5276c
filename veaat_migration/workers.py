"""Tasks worked on in parallel by processes of their own, which may take too long or die."""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from veaat_migration.errors import VeaatError
from veaat_migration.parallel import undisturbed

Task = TypeVar("Task")
Result = TypeVar("Result")

_READY = "ready"
_TICK = 0.5


class WorkersError(VeaatError, RuntimeError):
    """Processes cannot be started."""


class Fate(Enum):
    """Why there is no result."""

    TIMED_OUT = "timed_out"
    DIED = "died"


@dataclass(frozen=True)
class Lost:
    """What became of a task without a result."""

    fate: Fate
    reason: str


def work_all(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    jobs: int,
    *,
    time_limit: float,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Task, Result | Lost]]:
    """Tasks with their results, in the order in which they are finished.

    Args:
        function: what to do with a task; both and the result are pickled, and the function
            handles its own exceptions.
        tasks: to work on.
        jobs: processes, each with one thread of linear algebra.
        time_limit: for each task [s]; its process is ended then.
        tick: called about twice a second.

    Raises:
        WorkersError: processes cannot be started.
    """
    todo = deque(tasks)
    workers: list[Worker[Task, Result]] = [Worker(function) for _ in range(min(jobs, len(tasks)))]
    try:
        while todo or any(worker.busy for worker in workers):
            for k, worker in enumerate(workers):
                if worker.dead and todo:
                    workers[k] = worker = Worker(function)
                if worker.idle and todo:
                    worker.start(todo.popleft())
            wait([w.connection for w in workers if not w.dead], timeout=_TICK)
            tick()
            for worker in workers:
                done = worker.result(time_limit)
                if done is not None:
                    yield done
    finally:
        for worker in workers:
            worker.stop()


@dataclass
class _Job(Generic[Task]):
    task: Task
    began: float


class Worker(Generic[Task, Result]):
    """One process and the task that it works on."""

    def __init__(self, function: Callable[[Task], Result]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_serve, args=(theirs, function), daemon=True
        )
        with undisturbed():
            self.process.start()
        theirs.close()
        self._ready = False
        self.dead = False
        self._job: _Job[Task] | None = None

    @property
    def busy(self) -> bool:
        """Whether it works on a task."""
        return self._job is not None

    @property
    def idle(self) -> bool:
        """Whether it can take a task; it may do so before it has finished starting."""
        return self._job is None and not self.dead

    def start(self, task: Task) -> None:
        """Give it work."""
        self._job = _Job(task, time.monotonic())
        try:
            self.connection.send(task)
        except OSError:
            self.dead = True  # result() says what became of it

    def result(self, time_limit: float) -> tuple[Task, Result | Lost] | None:
        """Its task with the result, once there is one."""
        job = self._job
        if job is None:
            return None
        try:
            while not self.dead and self.connection.poll():
                message: Any = self.connection.recv()
                if message == _READY and not self._ready:
                    self._ready, job.began = True, time.monotonic()
                    continue
                self._job = None
                return job.task, message
        except (EOFError, OSError):
            self.dead = True
        if self.dead:
            return job.task, self._died()
        if time.monotonic() - job.began > time_limit:
            self.stop()
            self._job = None
            return job.task, Lost(Fate.TIMED_OUT, f"stopped after {time_limit:.0f} s")
        return None

    def _died(self) -> Lost:
        self.process.join(timeout=5.0)
        code = self.process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        self.stop()
        self._job = None
        if not self._ready:
            raise WorkersError(f"a working process did not start: {how}")
        return Lost(Fate.DIED, f"the working process died: {how}; out of memory?")

    def stop(self) -> None:
        """End it at once; what it works on is lost."""
        self.dead = True
        self.connection.close()
        self.process.kill()
        self.process.join()


def _serve(connection: Connection, function: Callable[[Any], Any]) -> None:
    """Main function of a process: tasks in, results out, until the other end is closed."""
    try:
        connection.send(_READY)
        while True:
            connection.send(function(connection.recv()))
    except (EOFError, OSError):
        return

"""A training process seen from the one that started it. Nothing here waits, nor needs torch."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from veaat_migration.learning.worker import serve
from veaat_migration.learning.worker_messages import TrainingOrder, WorkerReport
from veaat_migration.parallel import undisturbed


class WorkerProcess:
    """Starts a process at once; call :meth:`poll` often."""

    def __init__(self, order: TrainingOrder) -> None:
        # Not forked: a child would share the parent's DDS threads' locks.
        context = multiprocessing.get_context("spawn")
        self._connection: Connection
        self._connection, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(
            target=serve, args=(theirs, order, os.getpid()), daemon=True, name="training"
        )
        with undisturbed():
            self._process.start()
        theirs.close()
        self._silent = False

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._process.pid

    def poll(self) -> tuple[list[WorkerReport], str | None]:
        """What it has reported since, and how it ended, in words; None: it is alive."""
        reports: list[WorkerReport] = []
        dead = not self._process.is_alive()  # asked first: nothing comes after what is read now
        try:
            while not self._silent and self._connection.poll():
                reports.append(self._connection.recv())
        except (EOFError, OSError):
            self._silent = True
        return reports, self._describe_end() if dead else None

    def tell(self, word: str) -> None:
        """Send a word; nothing happens if nobody is there to hear it."""
        try:
            self._connection.send(word)
        except OSError:
            self._silent = True

    def kill(self) -> None:
        """End it by force."""
        self._process.kill()

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it has ended."""
        self._process.join(seconds)
        return not self._process.is_alive()

    def close(self) -> None:
        """Forget a process that has ended."""
        self._connection.close()
        self._process.join()
        self._process.close()

    def _describe_end(self) -> str:
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with exit status {code}"

"""Run the slow parts: quiet, with short progress lines, a full log, and one at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TextIO

from environment.errors import SetupError

SHOWN_LINES = 15


def say(text: str) -> None:
    """Print a progress line; standard output belongs to the command that follows."""
    print(text, file=sys.stderr, flush=True)


class Steps:
    """Runs commands with their output in a log and reports where they failed."""

    def __init__(self, log: TextIO, lock: int, total: int) -> None:
        self._log = log
        self._lock = lock
        self._total = total
        self._step = 0

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step."""
        self._step += 1
        say(f"[{self._step}/{self._total}] {title} ...")
        self.note(f"== {title}")
        start = time.monotonic()
        yield
        self.note(f"== {time.monotonic() - start:.1f} s")

    def note(self, text: str) -> None:
        """Write a line to the log."""
        self._log.write(text + "\n")
        self._log.flush()

    def run(
        self,
        command: Sequence[str | Path],
        variables: Mapping[str, str],
        *,
        cwd: Path,
        hint: str = "",
    ) -> None:
        """Run a command.

        Raises:
            SetupError: It failed; the message shows the end of its output.
        """
        words = [str(word) for word in command]
        self.note("$ " + shlex.join(words))
        log = Path(self._log.name)
        start = log.stat().st_size
        process = subprocess.Popen(
            words,
            env=dict(variables),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            # A child that outlives this process keeps the lock until it has finished writing.
            pass_fds=[self._lock],
        )
        try:
            status = process.wait()
        except BaseException:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            raise
        if status != 0:
            output = log.read_bytes()[start:].decode(errors="replace")
            shown = [f"  | {line}" for line in output.splitlines()[-SHOWN_LINES:]]
            failure = f"{Path(words[0]).name} failed (exit code {status}); the end of {log}:"
            raise SetupError("\n".join([failure, *shown, *filter(None, [hint])]))


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold the lock file; waits for another set-up, also for what a killed one left running."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up of this project to finish ...")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, so that the running step is ended too."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)

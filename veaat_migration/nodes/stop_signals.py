"""What a process does when it is told to stop, from its first moment on.

Signals are taken by the interpreter's wakeup file and a thread that reads it. The other ways
lose some: with sigwait, those that meet a thread that a library (OpenBLAS) started while it was
imported; with Python's own handlers, those that come while the main thread waits inside an
executor, or in the middle of an import, where a KeyboardInterrupt may be swallowed.
"""

from __future__ import annotations

import functools
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 5.0
"""Time to leave after a signal [s]; then the process ends by force."""
ONE_EVENT = 1.0
"""Signals within this time are one request to stop [s]: a Ctrl-C comes from the terminal and
once more from the program that started us."""


class StopWatch:
    """Waits for signals that ask the process to stop."""

    def __init__(self) -> None:
        """Take the signals over; only in the main thread."""
        self._incoming, outgoing = os.pipe()
        os.set_blocking(outgoing, False)
        for number in STOP_SIGNALS:
            signal.signal(number, _noted_by_wakeup)
        signal.set_wakeup_fd(outgoing, warn_on_full_buffer=False)
        self._lock = threading.Lock()
        self._stop: Callable[[], object] | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def on_stop(self, stop: Callable[[], object]) -> None:
        """From now on call ``stop`` in another thread instead of ending the process at once."""
        with self._lock:
            self._stop = stop

    def _run(self) -> None:
        self._wait(None)
        deadline = time.monotonic() + GRACE
        with self._lock:
            if self._stop is None:
                _end(0)
            else:
                self._stop()
        time.sleep(ONE_EVENT)
        while self._wait(0.0) is not None:
            pass
        again = self._wait(deadline - time.monotonic())
        if again is None:
            print(f"still busy {GRACE:g} s after a signal to stop; giving up", file=sys.stderr)
            _end(1)
        else:
            _end(128 + again)

    def _wait(self, seconds: float | None) -> int | None:
        """Number of the next signal; None if none comes in time."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            ready, _, _ = select.select([self._incoming], [], [], left)
            if not ready:
                return None
            number = os.read(self._incoming, 1)[0]
            if number in STOP_SIGNALS:
                return number


@functools.cache
def stop_watch() -> StopWatch:
    """The stop watch of this process; it is running from the first call on."""
    return StopWatch()


def ignore_signals() -> None:
    """From now on nothing asks the process to stop: it is ending anyway.

    The interpreter would let go of its handlers first, and a second signal (a Ctrl-C comes from
    the terminal and from the program that started us) would make a clean end look like a death.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _end(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _noted_by_wakeup(_number: int, _frame: object) -> None:
    """A handler has to exist for the interpreter to write to the wakeup file."""

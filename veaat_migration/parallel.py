"""Processes beside this one that neither see its Ctrl-C nor compete with it for cores."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import ModuleType

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables that keep linear algebra to one thread."""


def default_jobs() -> int:
    """Number of CPU cores this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Children started inside never see Ctrl-C, and use one thread for linear algebra.

    Nor do they run the main program again, as spawned processes do to find what it defines: they
    need nothing of it, and not every program can bear that.
    """
    program = sys.modules["__main__"]
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    resource_tracker.ensure_running()  # starting a child starts it, and that lifts the mask
    # A child inherits the mask; here, a Ctrl-C in between is delivered when it is lifted.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

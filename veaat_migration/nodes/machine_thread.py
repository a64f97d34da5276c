"""A state machine in a thread of its own, so that its disk holds nobody up.

Callbacks of the executor only hand over what they heard. Everything that touches the machine is a
job of this thread, one after the other; an RSU answers its action clients, parameters and
diagnostics while a hundred megabytes are read, hashed or synced.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Protocol

Job = Callable[[float], Sequence[Any]]
"""Called with the time [s of time.monotonic]; returns what is to be sent."""
IDLE = 1.0
"""Longest sleep [s]."""


class Machine(Protocol):
    """What is run."""

    @property
    def next_wakeup(self) -> float | None:
        """Time at which :meth:`on_timer` must be called; None: not needed."""

    def on_timer(self, now: float) -> Sequence[Any]:
        """Do what is due."""


class MachineThread:
    """Runs jobs and alarms of one machine."""

    def __init__(
        self,
        machine: Machine,
        send: Callable[[Sequence[Any]], None],
        on_failure: Callable[[str], None],
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            machine: whose alarms are kept.
            send: takes what jobs and alarms return, in this thread.
            on_failure: called once, in this thread, with a traceback when a job fails. Nothing is
                done or sent after it: what was not written must not be said.
        """
        self._machine = machine
        self._send = send
        self._on_failure = on_failure
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="machine", daemon=True)

    def start(self) -> None:
        """Begin to run."""
        self._thread.start()

    def post(self, job: Job) -> None:
        """Run a job soon."""
        self._jobs.put(job)

    def stop(self, seconds: float) -> None:
        """Do what was posted and no more; wait for it at most ``seconds``."""
        self._jobs.put(None)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except Exception:
            self._on_failure(traceback.format_exc())

    def _step(self) -> bool:
        """One job, or what is due; False: it is over."""
        wakeup = self._machine.next_wakeup
        now = time.monotonic()
        if wakeup is not None and wakeup <= now:
            self._send(self._machine.on_timer(now))
            wakeup = self._machine.next_wakeup
        pause = IDLE if wakeup is None else min(max(wakeup - time.monotonic(), 0.0), IDLE)
        try:
            job = self._jobs.get(timeout=pause) if pause > 0.0 else self._jobs.get_nowait()
        except queue.Empty:
            return True
        if job is None:
            return False
        self._send(job(time.monotonic()))
        return True

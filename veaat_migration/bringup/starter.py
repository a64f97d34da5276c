"""Starts a plan as processes, watches them and ends them, on every path.

* A signal (Ctrl-C, SIGTERM, SIGHUP) stops players first, then monitor and recorder, so that the
  recording holds their goodbyes. A second signal kills.
* Children end when the starter is killed, see :mod:`veaat_migration.nodes.parent`.
* A node that dies is reported with the end of its log; players are restarted on request.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import FrameType

from veaat_migration.bringup.child import Child
from veaat_migration.bringup.plan import Part, Plan
from veaat_migration.bringup.run_folder import RunFolder
from veaat_migration.nodes.parent import environment_for_children

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PLAYERS_GRACE = 3.0
"""Time for players to say goodbye [s]; then they are killed."""
OBSERVERS_GRACE = 6.0
"""Time for monitor and recorder to take in what is on its way and close the bag [s]."""
CLOSING_TIME = 3.0
"""Time for players to end by themselves after the last round [s]."""
RESPAWN_DELAY = 1.0
MAX_FAILURES = 3
"""A player that fails to start this often in a row is given up."""
POLL = 0.2
LOSSES = {
    Part.MONITOR: "no progress is shown",
    Part.VIEWER: "nothing is drawn any more",
    Part.RECORDER: "the rest of the game is not recorded",
}
"""What the end of a node means that does not play."""


class Ending(Enum):
    """Why a simulation is over."""

    PLAYED = "all rounds were played"
    OVER = "the traffic is over"
    INTERRUPTED = "stopped by a signal"
    FAILED = "it could not go on"


@dataclass(frozen=True)
class Outcome:
    """How a simulation ended."""

    ending: Ending
    deaths: int
    """Nodes that ended unexpectedly."""
    signal_number: int | None = None
    """The signal that stopped it."""


class Starter:
    """One simulation as processes."""

    def __init__(
        self,
        plan: Plan,
        folder: RunFolder,
        environment: Mapping[str, str],
        *,
        respawn: bool = False,
        report: Callable[[str], None] = print,
    ) -> None:
        """Prepare to start ``plan``; ``report`` tells a person what happened."""
        environment = environment_for_children(environment)
        self._children = [
            Child(node, folder.write_parameters(node), folder.log(node.name), environment)
            for node in plan.nodes
        ]
        self._folder = folder
        self._respawn = respawn
        self._report = report
        self._signals: list[int] = []
        self._restart_at: dict[str, float] = {}
        self._dead: set[str] = set()
        self._deaths = 0
        self._wakeup, self._wakeup_end = os.pipe()
        os.set_blocking(self._wakeup_end, False)

    def run(self) -> Outcome:
        """Start everything, wait for the end, stop everything; nothing is left running."""
        former = {number: signal.signal(number, self._on_signal) for number in STOP_SIGNALS}
        former[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, self._on_child)
        try:
            for child in self._children:
                child.start()
            ending = self._watch()
            self._stop(ending)
        finally:
            for child in self._children:
                child.send(signal.SIGKILL)
            self._wait(self._children, 2.0)
            for number, handler in former.items():
                signal.signal(number, handler)
            os.close(self._wakeup)
            os.close(self._wakeup_end)
        return Outcome(ending, self._deaths, self._signals[0] if self._signals else None)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)
        self._wake()

    def _on_child(self, _number: int, _frame: FrameType | None) -> None:
        self._wake()

    def _wake(self) -> None:
        # A full pipe wakes as well as one more byte would.
        with contextlib.suppress(BlockingIOError):
            os.write(self._wakeup_end, b".")

    def _sleep(self, seconds: float) -> None:
        """Wait, but no longer than until a signal comes or a child ends."""
        ready, _, _ = select.select([self._wakeup], [], [], max(seconds, 0.0))
        if ready:
            os.read(self._wakeup, 4096)

    def _of(self, *parts: Part) -> list[Child]:
        return [child for child in self._children if child.spec.part in parts]

    # While the game runs ---------------------------------------------------------------------

    def _watch(self) -> Ending:
        while True:
            if self._signals:
                return Ending.INTERRUPTED
            for child in self._children:
                if not child.running and child.spec.name not in self._dead | set(self._restart_at):
                    ending = self._on_exit(child)
                    if ending is not None:
                        return ending
            self._restart_due()
            if not self._restart_at and not any(c.running for c in self._of(Part.PLAYER)):
                return self._end_without_players()
            self._sleep(POLL)

    def _on_exit(self, child: Child) -> Ending | None:
        """Judge the end of a node; an ending if the game is over by it."""
        name, part = child.spec.name, child.spec.part
        self._dead.add(name)
        if child.exit_code == 0:
            if part is Part.TRAFFIC:
                return Ending.OVER
            if part is Part.MONITOR:
                return Ending.PLAYED
            if part is Part.RECORDER:
                self._deaths += 1
                self._tell_end(child, LOSSES[part])
            return None
        self._deaths += 1
        if part is Part.TRAFFIC:
            self._tell_end(child, "nothing moves any more")
            return Ending.FAILED
        if part is not Part.PLAYER:
            self._tell_end(child, LOSSES[part])
            return None
        child.failures = child.failures + 1 if child.failed_to_start else 0
        if child.exit_code == 2 or (child.failed_to_start and not self._respawn):
            self._tell_end(child, "the game cannot be played")
            return Ending.FAILED
        if self._respawn and child.failures < MAX_FAILURES:
            self._tell_end(child, f"restarted in {RESPAWN_DELAY:g} s")
            self._dead.discard(name)
            self._restart_at[name] = time.monotonic() + RESPAWN_DELAY
        else:
            self._tell_end(child, "the others go on without it")
        return None

    def _tell_end(self, child: Child, consequence: str) -> None:
        text = f"\n{child.spec.name} {child.describe_end()}; {consequence}"
        tail = self._folder.log_tail(child.spec.name)
        if tail:
            indented = "\n".join(f"    {line}" for line in tail.splitlines())
            text += f". The end of {self._folder.log(child.spec.name)}:\n{indented}"
        self._report(text)

    def _restart_due(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if self._restart_at.get(child.spec.name, now + 1) <= now:
                del self._restart_at[child.spec.name]
                child.start()

    def _end_without_players(self) -> Ending:
        """All players have gone: wait for the monitor, which sees the last rounds."""
        finished = any(child.exit_code == 0 for child in self._of(Part.PLAYER))
        self._wait(self._of(Part.MONITOR), CLOSING_TIME)
        if self._signals:
            return Ending.INTERRUPTED
        return Ending.PLAYED if finished else Ending.FAILED

    # Stopping --------------------------------------------------------------------------------

    def _stop(self, ending: Ending) -> None:
        if ending is Ending.INTERRUPTED:
            self._report("\nstopping; once more to kill")
        if ending is Ending.PLAYED:
            self._wait(self._of(Part.PLAYER), CLOSING_TIME)
        self._stop_children(self._of(Part.PLAYER, Part.TRAFFIC), PLAYERS_GRACE)
        self._stop_children(self._of(Part.MONITOR, Part.VIEWER, Part.RECORDER), OBSERVERS_GRACE)

    @property
    def _killing(self) -> bool:
        return len(self._signals) >= 2

    def _stop_children(self, children: Iterable[Child], grace: float) -> None:
        listed = list(children)
        for child in listed:
            child.send(signal.SIGINT)
        self._wait(listed, grace)
        for child in listed:
            if child.running:
                if not self._killing:
                    self._report(f"{child.spec.name} did not stop within {grace:g} s; killed")
                child.send(signal.SIGKILL)

    def _wait(self, children: Iterable[Child], seconds: float) -> None:
        """Wait until all have ended, at most ``seconds``; not at all after a second signal."""
        deadline = time.monotonic() + seconds
        listed = list(children)
        while any(child.running for child in listed) and time.monotonic() < deadline:
            if self._killing:
                return
            self._sleep(min(POLL, deadline - time.monotonic()))

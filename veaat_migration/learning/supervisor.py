"""What to do with a training process, as a state machine without processes, clocks or ROS.

Feed it requests, reports and the time; it returns what to do. Nothing is remembered twice: the
run's state is in its checkpoint, so a process that dies is replaced by one that goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from veaat_migration.errors import VeaatError
from veaat_migration.learning.worker_messages import (
    PAUSE,
    RESUME,
    STOP,
    Phase,
    TrainingOrder,
    WorkerReport,
)

MAX_TRIES = 3
"""Processes in a row that may die without getting any further than one before."""
BACKOFF = 1.0
"""Time before the second try [s]; doubles with each."""
PATIENCE = 30.0
"""Time that a process gets to end when it is told to [s]."""


class BusyError(VeaatError):
    """One run at a time."""


class Activity(Enum):
    """What is going on."""

    IDLE = "idle"
    TRAINING = "training"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


RUNNING = (Activity.TRAINING, Activity.PAUSED, Activity.STOPPING)


@dataclass(frozen=True)
class Launch:
    """Start a process for this order."""

    order: TrainingOrder


@dataclass(frozen=True)
class Tell:
    """Send a word to the process."""

    word: str


@dataclass(frozen=True)
class Kill:
    """End the process by force; its death is to be reported like any other."""


Command = Launch | Tell | Kill


class Supervisor:
    """Watches over one run at a time."""

    def __init__(
        self, *, max_tries: int = MAX_TRIES, backoff: float = BACKOFF, patience: float = PATIENCE
    ) -> None:
        self._max_tries, self._backoff, self._patience = max_tries, backoff, patience
        self.order: TrainingOrder | None = None
        self.activity = Activity.IDLE
        self.report = WorkerReport(Phase.STARTING)
        """The last one of this run."""
        self.message = ""
        """What a person should know."""
        self.deaths = 0
        """Processes of this run that died."""
        self._alive = False
        self._pause_wanted = False
        self._ended: WorkerReport | None = None
        self._tries = 0
        self._furthest = -1
        self._retry_at: float | None = None
        self._kill_at: float | None = None

    @property
    def running(self) -> bool:
        """Whether a run is under way, paused ones included."""
        return self.activity in RUNNING

    @property
    def next_wakeup(self) -> float | None:
        """When :meth:`on_timer` is due [s of the clock that is handed in]; None: never."""
        times = [time for time in (self._retry_at, self._kill_at) if time is not None]
        return min(times, default=None)

    def start(self, order: TrainingOrder, *, paused: bool = False) -> Sequence[Command]:
        """Begin a run, or take it up where its checkpoint ends.

        Args:
            order: the run.
            paused: do not train before :meth:`resume`.

        Raises:
            BusyError: another one is under way.
        """
        if self.running or self._alive:
            raise BusyError(f"busy: {self.describe()}")
        self.order, self.report = order, WorkerReport(Phase.STARTING)
        self.message, self.deaths, self._tries, self._furthest = "", 0, 0, -1
        self._ended, self._pause_wanted = None, paused
        if paused:
            self.activity = Activity.PAUSED
            return ()
        self.activity = Activity.TRAINING
        return self._launch(order)

    def pause(self) -> Sequence[Command]:
        """Pause after the iteration that is under way."""
        if self.activity is not Activity.TRAINING or self._pause_wanted:
            return ()
        self._pause_wanted = True
        if self._alive:
            return (Tell(PAUSE),)
        self._retry_at = None
        self.activity = Activity.PAUSED
        return ()

    def resume(self) -> Sequence[Command]:
        """Go on after :meth:`pause`."""
        if self.activity not in (Activity.TRAINING, Activity.PAUSED) or not self._pause_wanted:
            return ()
        self._pause_wanted = False
        self.activity = Activity.TRAINING
        if self._alive:
            return (Tell(RESUME),)
        assert self.order is not None
        return self._launch(self.order)

    def stop(self, now: float) -> Sequence[Command]:
        """End the run and keep its checkpoint."""
        if not self.running or self.activity is Activity.STOPPING:
            return ()
        self._retry_at = None
        if not self._alive:
            self._end(Activity.STOPPED)
            return ()
        self.activity = Activity.STOPPING
        if self.report.phase == Phase.STARTING:  # it does not listen yet, and has nothing to lose
            return (Kill(),)
        self._kill_at = now + self._patience
        return (Tell(STOP),)

    def on_report(self, report: WorkerReport) -> Sequence[Command]:
        """The process has said something."""
        if not self._alive:
            return ()
        if report.phase in (Phase.FAILED, Phase.CRASHED):
            # Keep the figures: such a report has none.
            self._ended = report
            return ()
        if report.phase == Phase.STARTING:
            report = replace(self.report, phase=report.phase, message=report.message)
        self.report = report
        self.message = report.message
        if report.phase in Phase.ENDS:
            self._ended = report
        elif self.activity in (Activity.TRAINING, Activity.PAUSED):
            paused = report.phase == Phase.PAUSED and self._pause_wanted
            self.activity = Activity.PAUSED if paused else Activity.TRAINING
        return ()

    def on_death(self, how: str, now: float) -> Sequence[Command]:
        """The process is gone.

        Args:
            how: exit status or signal in words.
            now: time [s].
        """
        if not self._alive:
            return ()
        self._alive, self._kill_at = False, None
        ended, stopping = self._ended, self.activity is Activity.STOPPING
        self._ended = None
        if ended is not None and ended.phase == Phase.FINISHED:
            self._end(Activity.FINISHED, ended.message)
        elif ended is not None and ended.phase == Phase.FAILED:
            self._end(Activity.FAILED, ended.message)
        elif stopping or (ended is not None and ended.phase == Phase.STOPPED):
            self._end(Activity.STOPPED)
        else:
            reason = ended.message if ended is not None else f"the training process {how}"
            self._after_crash(reason, now)
        return ()

    def on_timer(self, now: float) -> Sequence[Command]:
        """Time has passed."""
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            self.message = "the training process did not end in time and was killed"
            return (Kill(),)
        if self._retry_at is not None and now >= self._retry_at and self.order is not None:
            return self._launch(self.order)
        return ()

    def describe(self) -> str:
        """What is going on, in words."""
        report = self.report
        if self.activity is Activity.IDLE:
            return "nothing to train"
        text: str = self.activity.value
        if report.iterations:
            text += f", iteration {report.iteration} of {report.iterations}"
        elif self.running and report.message:
            text += f": {report.message}"
        return text

    def _launch(self, order: TrainingOrder) -> Sequence[Command]:
        self._retry_at = None
        self._alive = True
        self.report = replace(self.report, phase=Phase.STARTING)
        return (Launch(order),)

    def _after_crash(self, reason: str, now: float) -> None:
        self.deaths += 1
        if self.report.iteration > self._furthest:
            self._furthest, self._tries = self.report.iteration, 0
        self._tries += 1
        if self.order is not None and self.report.phase != Phase.STARTING:
            # What was done since it began anew must not be thrown away.
            self.order = replace(self.order, fresh=False)
        if self._tries >= self._max_tries:
            self._end(Activity.FAILED, f"{reason}; gave up after {self._tries} tries")
            return
        self.message = f"{reason}; trying again from the checkpoint"
        if self._pause_wanted:
            self.activity = Activity.PAUSED
            return
        self.activity = Activity.TRAINING
        self._retry_at = now + self._backoff * 2 ** (self._tries - 1)

    def _end(self, activity: Activity, message: str = "") -> None:
        self.activity, self.message = activity, message
        self._retry_at = self._kill_at = None
        self._pause_wanted = False

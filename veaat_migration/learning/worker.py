"""The process in which a trainer node trains: it obeys, reports, releases, and dies with the node.

Training has a thread of its own here; the main thread listens to the node.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from veaat_migration.errors import VeaatError
from veaat_migration.learning.worker_messages import (
    PAUSE,
    RESUME,
    STOP,
    Phase,
    TrainingOrder,
    WorkerReport,
)

if TYPE_CHECKING:
    from veaat_migration.game.solution import Equilibrium, Solution
    from veaat_migration.learning.evaluation import Play, Report
    from veaat_migration.learning.releasing import Releaser
    from veaat_migration.learning.trainer import Trainer

REPORT_PERIOD = 0.2
"""Least time between two reports of the same phase [s]."""
LOCK = ".lock"
"""File in the run's folder that is locked while a process trains there."""
NICE = 5
"""Training leaves the processor to others first."""
_PR_SET_PDEATHSIG = 1


class RunDiedError(RuntimeError):
    """The training thread ended with an error; the message is that error."""


class BusyFolderError(VeaatError):
    """Another process trains in the folder."""


def serve(connection: Connection, order: TrainingOrder, parent: int) -> None:
    """Main function of the process.

    Args:
        connection: words come in, :class:`WorkerReport` go out.
        order: the run.
        parent: process id of the node; its death is ours.
    """
    _die_with(parent)
    os.nice(NICE)
    try:
        with _locked(order.folder):
            _train(connection, order)
    except VeaatError as error:
        _send(connection, WorkerReport(Phase.FAILED, message=str(error)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # nobody listens any more; the checkpoint is written
    except Exception as error:
        # Perhaps it goes better the next time (memory, disk, GPU): the parent decides.
        if not isinstance(error, RunDiedError):
            traceback.print_exc()
        reason = (
            str(error) if isinstance(error, RunDiedError) else f"{type(error).__name__}: {error}"
        )
        _send(connection, WorkerReport(Phase.CRASHED, message=reason))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # everything is written; PyTorch would take seconds for its goodbye


def _train(connection: Connection, order: TrainingOrder) -> None:
    _send(connection, WorkerReport(Phase.STARTING, "reading the configuration"))
    config = order.read_config()
    from veaat_migration.learning.training_game import load_training_game

    game = load_training_game(config, order.config)
    _send(connection, WorkerReport(Phase.STARTING, "loading PyTorch"))
    try:
        import torch
    except ImportError as error:
        raise VeaatError(
            "PyTorch is not installed: pip install 'veaat_migration[learning]'"
        ) from error
    from veaat_migration.learning.device import check_device
    from veaat_migration.learning.releasing import Releaser
    from veaat_migration.learning.trainer import Trainer

    torch.set_num_threads(1)
    check_device(order.device)
    _send(connection, WorkerReport(Phase.STARTING, "looking for the game's equilibrium"))
    trainer = Trainer(
        config,
        game.instance,
        order.folder,
        seed=order.seed,
        surroundings=game.surroundings,
        device=order.device,
        resume=not order.fresh,
        tensorboard=order.tensorboard,
    )
    _Service(connection, trainer, Releaser(trainer, order.releases)).run()


class _Service:
    """Hands words to a trainer and its state to the connection."""

    def __init__(self, connection: Connection, trainer: Trainer, releaser: Releaser) -> None:
        self._connection, self._trainer, self._releaser = connection, trainer, releaser
        self._said = 0.0
        self._phase = ""
        # Asked now: later the training thread may be changing the networks.
        self._sparsity = tuple(trainer.learner.sparsity().tolist())

    def run(self) -> None:
        """Until the run has ended, or nobody listens any more."""
        from veaat_migration.learning.trainer import State

        trainer, releaser = self._trainer, self._releaser
        # Sent to the whole group of processes when a service is stopped.
        signal.signal(signal.SIGTERM, lambda *_: trainer.request_stop())
        releaser.begin()
        if not releaser.is_out:
            trainer.start(releaser.after_iteration)
            while trainer.running:
                self._listen()
                self._report()
        status = trainer.status()
        if status.state is State.FAILED:
            raise RunDiedError(status.error)
        if status.state is State.FINISHED:
            releaser.after_end()
        self._report(last=True)

    def _listen(self) -> None:
        trainer = self._trainer
        try:
            if not self._connection.poll(REPORT_PERIOD / 2):
                return
            word = self._connection.recv()
        except (EOFError, OSError):
            word = STOP
            self._releaser.hold()
            time.sleep(REPORT_PERIOD)
        if word == PAUSE:
            trainer.pause()
        elif word == RESUME:
            trainer.resume()
        elif word == STOP:
            trainer.request_stop()

    def _report(self, *, last: bool = False) -> None:
        report = self._current(last=last)
        now = time.monotonic()
        if last or report.phase != self._phase or now - self._said >= REPORT_PERIOD:
            self._said, self._phase = now, report.phase
            with contextlib.suppress(OSError):  # the next look for words notices it
                self._connection.send(report)

    def _current(self, *, last: bool) -> WorkerReport:
        """The state now; an end is told only when ``last``, since a release may follow it."""
        from veaat_migration.learning.learner import Learner
        from veaat_migration.learning.trainer import POLICIES, State

        trainer, releaser = self._trainer, self._releaser
        status = trainer.status()
        phase = {
            State.PAUSED: Phase.PAUSED,
            State.STOPPED: Phase.STOPPED,
            State.FINISHED: Phase.FINISHED,
        }.get(status.state, Phase.TRAINING)
        if phase in Phase.ENDS and not last:
            phase = Phase.TRAINING
        report, progress = status.report, status.progress
        figures = releaser.figures(status)
        policies = ""
        learned = isinstance(trainer.learner, Learner)  # others have nothing to write down
        if phase == Phase.FINISHED and learned and trainer.folder is not None:
            policies = str(trainer.folder / POLICIES)
        return WorkerReport(
            phase=phase,
            message=releaser.message,
            algorithm=trainer.config.algorithm,
            iteration=status.iteration,
            iterations=status.iterations,
            steps=status.steps,
            seconds=status.seconds,
            steps_per_second=status.steps_per_second,
            seconds_left=float("nan") if status.seconds_left is None else status.seconds_left,
            gap=figures.gap,
            exploitability=figures.exploitability,
            rewards=tuple(progress.rewards) if progress is not None else (),
            utilities=() if report is None else _utilities(report.play),
            equilibrium_utilities=_equilibrium_utilities(trainer.equilibrium, report),
            sparsity=tuple(progress.sparsity) if progress is not None else self._sparsity,
            policy_version=releaser.version,
            policies=policies,
        )


def _utilities(of: Play | Solution | Equilibrium) -> tuple[float, ...]:
    return (*of.leader_utilities.tolist(), *of.follower_utilities.tolist())


def _equilibrium_utilities(solution: Solution | None, report: Report | None) -> tuple[float, ...]:
    """In the equilibrium with which the report compares; empty: none is known."""
    from veaat_migration.learning.evaluation import equilibria

    if solution is None:
        return ()
    nearest = report.nearest if report is not None else None
    return _utilities(equilibria(solution)[nearest or 0])


def _send(connection: Connection, report: WorkerReport) -> None:
    with contextlib.suppress(OSError):
        connection.send(report)


def _die_with(parent: int) -> None:
    """Let the kernel end this process when its parent ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Make sure that nobody else trains in a folder; the kernel forgets it when we die."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("ab")
    except OSError as error:
        raise VeaatError(f"{folder}: {error.strerror}; choose another folder") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BusyFolderError(
                f"{folder}: another process trains here; end it, or choose another folder"
            ) from error
        yield

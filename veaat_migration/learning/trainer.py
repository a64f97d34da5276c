"""A training run that can be watched, paused, ended and taken up again.

    trainer = Trainer(load_config(path), instance, Path("runs/mine/seed-1"), seed=1)
    trainer.run()                          # until it is finished, in this thread

or, beside other work such as a ROS node's executor::

    trainer.start()
    trainer.status().iteration
    trainer.pause(); trainer.resume(); trainer.stop()

The folder gets ``log.csv`` (a row per iteration), TensorBoard events, ``checkpoint.safetensors``
and, at the end, ``result.json`` and the policies. A run that was killed goes on from its last
checkpoint exactly as if it had not been: same seed, same numbers.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from math import inf
from pathlib import Path
from typing import Any

import torch

from veaat_migration.errors import VeaatError
from veaat_migration.game.equilibrium import Solution
from veaat_migration.game.instance import GameInstance
from veaat_migration.learning import algorithms, checkpoint
from veaat_migration.learning.config import TrainingConfig
from veaat_migration.learning.evaluation import Report, evaluate, reference
from veaat_migration.learning.export import export_policies
from veaat_migration.learning.learner import Learner
from veaat_migration.learning.logs import RunLog
from veaat_migration.learning.progress import Progress
from veaat_migration.learning.surroundings import Surroundings
from veaat_migration.policy.policy_files import write_bundle
from veaat_migration.scenario.instance_file import instance_to_mapping

CHECKPOINT = "checkpoint.safetensors"
RESULT = "result.json"
POLICIES = "policies"
CHECKPOINT_PERIOD = 10.0
"""Seconds between checkpoints: what a killed run has to do again at most."""
EVALUATION_PERIOD = 5
"""Iterations between evaluations without exploration."""


class TrainingError(VeaatError, RuntimeError):
    """A run that cannot be started or went wrong."""


class State(str, Enum):
    """What a trainer is doing."""

    READY = "ready"
    TRAINING = "training"
    PAUSED = "paused"
    STOPPED = "stopped"
    """Ended before its time; the checkpoint is kept."""
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True)
class TrainerStatus:
    """How far a run has come."""

    state: State
    iteration: int
    iterations: int
    steps: int
    """Environment steps."""
    seconds: float
    """Spent on training, earlier parts of a resumed run not counted."""
    steps_per_second: float
    progress: Progress | None
    """Of the last iteration."""
    report: Report | None
    """Of the last evaluation."""
    error: str = ""

    @property
    def seconds_left(self) -> float | None:
        """As long as the iterations that are left take at the speed so far."""
        if self.progress is None or not self.steps_per_second:
            return None
        per_iteration = self.steps / self.iteration / self.steps_per_second
        return per_iteration * (self.iterations - self.iteration)


class Trainer:
    """Drives one algorithm and keeps its files."""

    def __init__(
        self,
        config: TrainingConfig,
        instance: GameInstance,
        folder: Path | None,
        *,
        seed: int = 1,
        surroundings: Surroundings | None = None,
        device: torch.device | str = "cpu",
        resume: bool = True,
        tensorboard: bool = True,
    ) -> None:
        """Set up a run, or take it up where its checkpoint in ``folder`` ends.

        Args:
            config: what to do.
            instance: the game.
            folder: for all files; None keeps nothing.
            seed: of all random numbers.
            surroundings: the game's queues and radio; the usual ones by default.
            device: where to compute.
            resume: go on from a checkpoint if there is one; else begin anew.
            tensorboard: also write TensorBoard events.

        Raises:
            CheckpointError: the checkpoint is damaged.
            TrainingError: the checkpoint is of another run, or the folder cannot be written.
        """
        self.instance, self.folder = instance, folder
        self.learner = algorithms.create(
            instance, config, seed=seed, surroundings=surroundings, device=device
        )
        # With what the algorithm fixes, as a checkpoint keeps it.
        self.config = self.learner.config
        self.policy_version = 1
        """Version of the policies that are written when the run is finished."""
        self._tensorboard = tensorboard
        if folder is not None:
            _make(folder)
            file = folder / CHECKPOINT
            if resume and file.exists():
                self._take_up(file)
            elif file.exists():
                file.unlink()
        self.equilibrium: Solution | None = reference(instance)
        self._began_at = self.learner.steps
        self._seconds = 0.0
        self._progress: Progress | None = None
        self._report: Report | None = None
        self._state = State.FINISHED if self.learner.finished else State.READY
        self._error = ""
        self._lock = threading.Lock()
        self._go_on = threading.Event()
        self._go_on.set()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def _take_up(self, file: Path) -> None:
        kept = checkpoint.Checkpoint(file)
        same = (
            kept.config.digest() == self.config.digest()
            and kept.seed == self.learner.seed
            and instance_to_mapping(kept.instance) == instance_to_mapping(self.instance)
        )
        if not same:
            raise TrainingError(
                f"{file}: of a run with another game, configuration or seed; choose another "
                "folder (--output), or begin anew (--fresh)"
            )
        kept.restore(self.learner)

    def start(self, listener: Callable[[TrainerStatus], None] | None = None) -> None:
        """Train in a thread of its own; ``listener`` is called there after each iteration."""
        if self.running:
            raise TrainingError("this trainer is running already")
        self._end.clear()
        self._thread = threading.Thread(target=self._guarded, args=(listener,), daemon=True)
        self._thread.start()

    def pause(self) -> None:
        """Stop after the running iteration, until :meth:`resume`; writes a checkpoint."""
        self._go_on.clear()

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        self._go_on.set()

    @property
    def running(self) -> bool:
        """Whether the thread of :meth:`start` is alive."""
        return self._thread is not None and self._thread.is_alive()

    def request_stop(self) -> None:
        """End after the running iteration and keep the checkpoint; does not wait for that."""
        self._end.set()
        self._go_on.set()

    def stop(self, timeout: float | None = None) -> None:
        """End after the running iteration and keep the checkpoint; waits for that.

        Raises:
            TrainingError: it has not ended within ``timeout`` [s].
        """
        self.request_stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TrainingError(f"the training thread has not ended within {timeout:g} s")

    def status(self) -> TrainerStatus:
        """How far it has come; may be called from any thread."""
        with self._lock:
            return self._status()

    def step(self) -> TrainerStatus:
        """One iteration, with an evaluation where one is due."""
        begin = time.perf_counter()
        progress = self.learner.iterate()
        report = None
        if progress.iteration % EVALUATION_PERIOD == 0 or self.learner.finished:
            report = evaluate(self.learner, self.equilibrium)
        with self._lock:
            self._seconds += time.perf_counter() - begin
            self._progress = progress
            self._report = report or self._report
            return self._status()

    def run(self, listener: Callable[[TrainerStatus], None] | None = None) -> TrainerStatus:
        """Train until the end, :meth:`stop` or an error, in the calling thread.

        After an error or Ctrl-C, which may come in the middle of an iteration, the last checkpoint
        stands as it is: a run that is taken up there ends with the same numbers.
        """
        log = self._open_log()
        saved = -inf  # the first checkpoint at once: nothing is lost to a folder that is full
        self._enter(State.TRAINING)
        try:
            while not self.learner.finished and not self._end.is_set():
                if not self._go_on.is_set():
                    self._rest(log)
                    continue
                status = self.step()
                if log is not None:
                    log.add(status, self._report_is_new(status))
                if listener is not None:
                    listener(status)
                if time.monotonic() - saved >= CHECKPOINT_PERIOD:
                    self._save(log)
                    saved = time.monotonic()
            self._save(log)
        except KeyboardInterrupt:
            self._enter(State.STOPPED)
            raise
        finally:
            if log is not None:
                log.close()
        if self.learner.finished:
            self._finish()
        self._enter(State.FINISHED if self.learner.finished else State.STOPPED)
        return self.status()

    def _guarded(self, listener: Callable[[TrainerStatus], None] | None) -> None:
        try:
            self.run(listener)
        except Exception as error:  # a thread has nobody else to tell
            with self._lock:
                self._state, self._error = State.FAILED, f"{type(error).__name__}: {error}"

    def _rest(self, log: RunLog | None) -> None:
        self._save(log)
        self._enter(State.PAUSED)
        self._go_on.wait()
        self._enter(State.TRAINING)

    def _enter(self, state: State) -> None:
        with self._lock:
            self._state = state

    def _status(self) -> TrainerStatus:
        learner = self.learner
        new = learner.steps - self._began_at
        return TrainerStatus(
            state=self._state,
            iteration=learner.iteration,
            iterations=self.config.iterations,
            steps=learner.steps,
            seconds=self._seconds,
            steps_per_second=new / self._seconds if self._seconds else 0.0,
            progress=self._progress,
            report=self._report,
            error=self._error,
        )

    def _report_is_new(self, status: TrainerStatus) -> bool:
        return status.iteration % EVALUATION_PERIOD == 0 or self.learner.finished

    def _open_log(self) -> RunLog | None:
        if self.folder is None:
            return None
        return RunLog(
            self.folder,
            self.instance,
            self.equilibrium,
            first=self.learner.iteration,
            tensorboard=self._tensorboard,
        )

    def _save(self, log: RunLog | None) -> None:
        if self.folder is None:
            return
        if log is not None:
            # Rows first: on resuming, those after the checkpoint are dropped.
            log.flush()
        checkpoint.save(self.folder / CHECKPOINT, self.learner)

    def evaluate(self) -> TrainerStatus:
        """Judge the present policies; not while the run is training."""
        report = evaluate(self.learner, self.equilibrium)
        with self._lock:
            self._report = report
            return self._status()

    def _finish(self) -> None:
        """Judge the final policies and write them down."""
        self.evaluate()
        if self.folder is None:
            return
        result = result_mapping(self.status(), self)
        if isinstance(self.learner, Learner):
            policies = export_policies(self.learner, policy_version=self.policy_version)
            write_bundle(policies, self.folder / POLICIES)
        path = self.folder / RESULT
        temporary = path.with_name(path.name + ".part")
        temporary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)


def result_mapping(status: TrainerStatus, trainer: Trainer) -> dict[str, Any]:
    """The final figures of a run, fit for JSON."""
    learner = trainer.learner
    return {
        "algorithm": trainer.config.algorithm,
        "config_digest": trainer.config.digest(),
        "seed": learner.seed,
        "iterations": status.iteration,
        "steps": status.steps,
        "seconds": round(status.seconds, 3),
        "steps_per_second": round(status.steps_per_second, 1),
        "seconds_by_part": {
            part: round(seconds, 3) for part, seconds in learner.stopwatch.seconds.items()
        },
        "sparsity": learner.sparsity().tolist(),
        "widths": learner.widths,
        "report": None if status.report is None else status.report.to_mapping(),
    }


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{folder}: {error.strerror}; choose another folder") from error

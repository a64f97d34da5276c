"""Several seeds of one training file in parallel, each in a process of its own.

The processes report how far they are; Ctrl-C here lets each of them write its checkpoint.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from veaat_migration.errors import VeaatError
from veaat_migration.parallel import undisturbed

_REPORT_PERIOD = 0.2
_TICK = 0.5
_PATIENCE = 30.0
"""Time that a run gets to write its checkpoint after Ctrl-C [s]."""


class RunError(VeaatError, RuntimeError):
    """A run that did not start or died."""


@dataclass(frozen=True)
class Order:
    """What each process is told."""

    config_file: Path
    config: dict[str, Any]
    folder: Path
    device: str = "cpu"
    resume: bool = True
    tensorboard: bool = True


@dataclass
class SeedRun:
    """One seed as its process reports it."""

    seed: int
    folder: Path
    state: str = "waiting"
    message: dict[str, Any] = field(default_factory=dict)
    """The last report: iteration, iterations, gaps, exploitability, ..."""
    error: str = ""


def seed_folder(folder: Path, seed: int) -> Path:
    """Where the files of one seed lie."""
    return folder / f"seed-{seed}"


def run_seeds(
    order: Order,
    seeds: Sequence[int],
    jobs: int,
    tick: Callable[[Sequence[SeedRun]], None],
) -> list[SeedRun]:
    """Train every seed; returns how each ended.

    Args:
        order: the run.
        seeds: one run each.
        jobs: processes at a time.
        tick: called about twice a second with the state of all runs.

    Raises:
        KeyboardInterrupt: Ctrl-C, after all processes have written their checkpoints.
    """
    runs = [SeedRun(seed, seed_folder(order.folder, seed)) for seed in seeds]
    waiting = list(runs)
    working: list[_Worker] = []
    try:
        while waiting or working:
            while waiting and len(working) < jobs:
                working.append(_Worker(order, waiting.pop(0)))
            wait([worker.connection for worker in working], timeout=_TICK)
            for worker in working:
                worker.listen()
            working = [worker for worker in working if not worker.done]
            tick(runs)
    except KeyboardInterrupt:
        _end(working)
        tick(runs)
        raise
    finally:
        for worker in working:
            worker.kill()
    return runs


def _end(working: Sequence[_Worker]) -> None:
    for worker in working:
        worker.ask_to_stop()
    patience = time.monotonic() + _PATIENCE
    while any(not worker.done for worker in working) and time.monotonic() < patience:
        wait([worker.connection for worker in working if not worker.done], timeout=_TICK)
        for worker in working:
            worker.listen()


class _Worker:
    """The process of one seed."""

    def __init__(self, order: Order, run: SeedRun) -> None:
        context = multiprocessing.get_context("spawn")
        self.run, self.done = run, False
        self.connection, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(
            target=_serve, args=(theirs, order, run.seed), daemon=True
        )
        with undisturbed():
            self._process.start()
        theirs.close()
        run.state = "starting"

    def listen(self) -> None:
        """Take in what it has reported."""
        try:
            while not self.done and self.connection.poll():
                message: dict[str, Any] = self.connection.recv()
                self.run.state = message.pop("state")
                self.run.error = message.pop("error", "")
                self.run.message |= message
                self.done = self.run.state in ("finished", "stopped", "failed")
        except (EOFError, OSError):
            self._process.join(timeout=5.0)
            self.done, self.run.state = True, "failed"
            self.run.error = f"its process died: exit status {self._process.exitcode}"
        if self.done:
            self.kill()

    def ask_to_stop(self) -> None:
        """Let it write its checkpoint and end."""
        try:
            self.connection.send("stop")
        except OSError:
            self.done = True

    def kill(self) -> None:
        """End it for good."""
        self._process.join(timeout=2.0 if self.done else 0.0)
        self.connection.close()
        self._process.kill()
        self._process.join()


def _serve(connection: Connection, order: Order, seed: int) -> None:
    """Main function of a process."""
    import torch

    from veaat_migration.learning.config import parse_config
    from veaat_migration.learning.trainer import Trainer, TrainerStatus
    from veaat_migration.learning.training_game import load_training_game

    torch.set_num_threads(1)
    try:
        config = parse_config(order.config, str(order.config_file))
        game = load_training_game(config, order.config_file)
        trainer = Trainer(
            config,
            game.instance,
            seed_folder(order.folder, seed),
            seed=seed,
            surroundings=game.surroundings,
            device=order.device,
            resume=order.resume,
            tensorboard=order.tensorboard,
        )
        last = 0.0

        def report(status: TrainerStatus) -> None:
            nonlocal last
            if time.monotonic() - last >= _REPORT_PERIOD:
                last = time.monotonic()
                connection.send({"state": "training", **_summary(status)})
            if connection.poll():  # "stop", or the other end is gone
                trainer.stop()

        status = trainer.run(report)
        connection.send({"state": status.state.value, **_summary(status)})
    except VeaatError as error:
        connection.send({"state": "failed", "error": str(error)})
    except (EOFError, OSError):
        return  # nobody listens any more; the checkpoint is written


def _summary(status: Any) -> dict[str, Any]:
    """What a terminal shows of a run."""
    summary: dict[str, Any] = {
        "iteration": status.iteration,
        "iterations": status.iterations,
        "steps": status.steps,
        "seconds": status.seconds,
        "steps_per_second": status.steps_per_second,
        "seconds_left": status.seconds_left,
    }
    if status.progress is not None:
        summary["sparsity"] = status.progress.sparsity
    if status.report is not None:
        summary |= status.report.to_mapping()
    return summary

"""What a training process is told, and what it reports; without torch, for whoever starts it.

The words :data:`PAUSE`, :data:`RESUME` and :data:`STOP` are sent to it, :class:`WorkerReport` come
back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veaat_migration.learning.config import TrainingConfig, parse_config
from veaat_migration.policy.release_rule import ReleaseRule
from veaat_migration.policy.releases import KEEP
from veaat_migration.scenario.errors import ScenarioError
from veaat_migration.scenario.text import read_file

PAUSE, RESUME, STOP = "pause", "resume", "stop"


@dataclass(frozen=True)
class ReleaseOrder:
    """Where and when a training process releases policies."""

    folder: Path
    """Of the release book."""
    keep: int = KEEP
    rule: ReleaseRule = field(default_factory=ReleaseRule)
    period: float = 0.0
    """Least time between two releases, but for the final one [s]."""
    signing_key: Path | None = None
    above: int = 0
    """Version that was given out elsewhere."""


@dataclass(frozen=True)
class TrainingOrder:
    """One training run."""

    config: Path
    """Training file."""
    folder: Path
    """For checkpoint, logs and policies."""
    releases: ReleaseOrder
    scenario: Path | None = None
    """The game; None: that of the training file."""
    seed: int = 1
    iterations: int = 0
    """0: as the training file says."""
    device: str = "cpu"
    fresh: bool = False
    """Begin anew where there is a checkpoint."""
    tensorboard: bool = True

    def read_config(self) -> TrainingConfig:
        """The training file with what this order changes.

        Raises:
            ScenarioError: it is unreadable or malformed.
        """
        content: Any = read_file(self.config)
        if not isinstance(content, dict):
            raise ScenarioError(["must be a mapping of keys to values"], str(self.config))
        content = dict(content)
        if self.scenario is not None:
            content["game"] = str(self.scenario.resolve())
        if self.iterations:
            content["iterations"] = self.iterations
        return parse_config(content, str(self.config))

    def to_mapping(self) -> dict[str, Any]:
        """The run itself, fit for JSON: what somebody else must know to take it up."""
        return {
            "config": str(self.config),
            "scenario": "" if self.scenario is None else str(self.scenario),
            "seed": self.seed,
            "iterations": self.iterations,
            "folder": str(self.folder),
        }


class Phase:
    """Values of :attr:`WorkerReport.phase`."""

    STARTING = "starting"
    TRAINING = "training"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"
    """For a reason that a new try does not mend."""
    CRASHED = "crashed"
    """For another one."""
    ENDS = (STOPPED, FINISHED, FAILED, CRASHED)
    """After these nothing comes any more."""


@dataclass(frozen=True)
class WorkerReport:
    """How far a run has come."""

    phase: str
    """One of :class:`Phase`."""
    message: str = ""
    """What a person should know; of a failure, why."""
    algorithm: str = ""
    iteration: int = 0
    iterations: int = 0
    steps: int = 0
    seconds: float = 0.0
    steps_per_second: float = 0.0
    seconds_left: float = math.nan
    gap: float = math.nan
    """Largest relative distance of a utility from the equilibrium."""
    exploitability: float = math.nan
    rewards: tuple[float, ...] = ()
    utilities: tuple[float, ...] = ()
    equilibrium_utilities: tuple[float, ...] = ()
    sparsity: tuple[float, ...] = ()
    policy_version: int = 0
    """Of this run's latest release; 0: none yet."""
    policies: str = ""
    """Folder with the final bundle; empty: not there yet."""

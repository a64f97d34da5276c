"""All of a run's state as one safetensors file: what a killed run needs to go on exactly.

Tensors go into the file as they are; everything else (counters, widths) is JSON in its header.
Nothing is pickled. The random generator's state is a tensor too.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from veaat_migration.errors import VeaatError
from veaat_migration.learning import algorithms
from veaat_migration.learning.algorithms.interface import Algorithm
from veaat_migration.learning.config import TrainingConfig, parse_config
from veaat_migration.learning.surroundings import Surroundings
from veaat_migration.scenario.instance_file import instance_from_mapping, instance_to_mapping

FORMAT = "veaat-checkpoint"
VERSION = 2


class CheckpointError(VeaatError, ValueError):
    """A checkpoint that cannot be used; the message names the file and says why."""


def save(path: Path, learner: Algorithm) -> None:
    """Write the state of a run; a reader sees the old file or the new one, nothing in between.

    Raises:
        CheckpointError: the file cannot be written.
    """
    tensors = {name: value.contiguous() for name, value in learner.state().items()}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "config": learner.config.model_dump(mode="json"),
        "game": instance_to_mapping(learner.instance),
        "surroundings": learner.surroundings.to_mapping(),
        "seed": learner.seed,
        "iteration": learner.iteration,
        "steps": learner.steps,
    }
    temporary = path.with_name(path.name + ".part")
    try:
        safetensors.torch.save_file(tensors, temporary, {"checkpoint": json.dumps(header)})
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from error


class Checkpoint:
    """A checkpoint that was read."""

    def __init__(self, path: Path) -> None:
        """Read a file.

        Raises:
            CheckpointError: it is missing, damaged or of another kind.
        """
        self.path = path
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                text = (file.metadata() or {}).get("checkpoint")
                # Copies: the file may be replaced while this one is in use.
                self._tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        except (OSError, safetensors.SafetensorError) as error:
            raise CheckpointError(f"{path}: not a readable checkpoint: {error}") from error
        if text is None:
            raise CheckpointError(f"{path}: not a checkpoint of a training run")
        try:
            self._header: dict[str, Any] = json.loads(text)
            if self._header["format"] != FORMAT or self._header["version"] != VERSION:
                raise ValueError(f"format {self._header['format']} {self._header['version']}")
            self.config: TrainingConfig = parse_config(self._header["config"], str(path))
            self.seed, self.iteration = int(self._header["seed"]), int(self._header["iteration"])
            self.instance = instance_from_mapping(self._header["game"])
            self.surroundings = Surroundings.from_mapping(self._header["surroundings"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: unusable checkpoint: {error}") from error

    def restore(self, learner: Algorithm) -> None:
        """Put the state into a fresh learner of the same game, configuration and seed.

        Raises:
            CheckpointError: the checkpoint is of another game or configuration.
        """
        try:
            learner.load(self._tensors)
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(f"{self.path}: does not fit this game: {error}") from error
        learner.iteration, learner.steps = self.iteration, int(self._header["steps"])


def load_learner(path: Path, device: torch.device | str = "cpu") -> Algorithm:
    """The run of a checkpoint, ready to go on or to be judged.

    Raises:
        CheckpointError: it cannot be used.
    """
    kept = Checkpoint(path)
    learner = algorithms.create(
        kept.instance, kept.config, seed=kept.seed, surroundings=kept.surroundings, device=device
    )
    kept.restore(learner)
    return learner

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
from torch import Tensor

from veaat_migration.errors import VeaatError
from veaat_migration.learning.config import TrainingConfig, parse_config
from veaat_migration.learning.learner import Learner
from veaat_migration.learning.stacked import StackedMLP
from veaat_migration.scenario.instance_file import instance_from_mapping, instance_to_mapping

FORMAT = "veaat-checkpoint"
VERSION = 1


class CheckpointError(VeaatError, ValueError):
    """A checkpoint that cannot be used; the message names the file and says why."""


def save(path: Path, learner: Learner) -> None:
    """Write the state of a run; a reader sees the old file or the new one, nothing in between.

    Raises:
        CheckpointError: the file cannot be written.
    """
    tensors = {name: value.contiguous() for name, value in _state(learner).items()}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "config": learner.config.model_dump(mode="json"),
        "game": instance_to_mapping(learner.instance),
        "rates": [rate.tolist() for rate in learner.rates],
        "seed": learner.seed,
        "iteration": learner.iteration,
        "steps": learner.steps,
        "episode_round": learner.environment.episode_round,
        "scale_count": learner.reward_scale.count,
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
            first, second = (torch.tensor(rate) for rate in self._header["rates"])
            self.rates = (first, second)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: unusable checkpoint: {error}") from error

    def restore(self, learner: Learner) -> None:
        """Put the state into a fresh learner of the same game, configuration and seed.

        Raises:
            CheckpointError: the checkpoint is of another game or configuration.
        """
        try:
            _load(learner, self._tensors)
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(f"{self.path}: does not fit this game: {error}") from error
        learner.iteration, learner.steps = self.iteration, int(self._header["steps"])
        learner.environment.episode_round = int(self._header["episode_round"])
        learner.reward_scale.count = int(self._header["scale_count"])


def load_learner(path: Path, device: torch.device | str = "cpu") -> Learner:
    """The run of a checkpoint, ready to go on or to be judged.

    Raises:
        CheckpointError: it cannot be used.
    """
    kept = Checkpoint(path)
    learner = Learner(kept.instance, kept.config, seed=kept.seed, rates=kept.rates, device=device)
    kept.restore(learner)
    return learner


def _state(learner: Learner) -> dict[str, Tensor]:
    state = {
        "generator": learner.generator.get_state(),
        "environment.past": learner.environment.past,
        "reward_scale.mean": learner.reward_scale.mean,
        "reward_scale.deviation": learner.reward_scale.deviation,
        **_network("actors", learner.actors),
        **_network("average", learner.average),
        **_network("critics", learner.critics),
        **_moments("actors", learner.actor_optimizer),
        **_moments("critics", learner.critic_optimizer),
        **{f"pruner.{name}": value for name, value in learner.pruner.state().items()},
    }
    if learner.bonus is not None:
        state["bonus.scale"] = learner.bonus.scale
        state["bonus.bounded"] = learner.bonus.bounded
        for name, value in learner.bonus.module.named_parameters():
            state[f"bonus.module.{name}"] = value.detach()
        state |= _moments("bonus", learner.bonus.optimizer)
    return state


def _load(learner: Learner, state: dict[str, Tensor]) -> None:
    learner.generator.set_state(state["generator"])
    learner.environment.past.copy_(state["environment.past"])
    learner.reward_scale.mean = state["reward_scale.mean"].to(learner.device)
    learner.reward_scale.deviation = state["reward_scale.deviation"].to(learner.device)
    for name, network in (
        ("actors", learner.actors),
        ("average", learner.average),
        ("critics", learner.critics),
    ):
        _load_network(name, network, state)
    _load_moments("actors", learner.actor_optimizer, state)
    _load_moments("critics", learner.critic_optimizer, state)
    learner.pruner.load(
        {
            name.removeprefix("pruner."): value.to(learner.device)
            for name, value in state.items()
            if name.startswith("pruner.")
        }
    )
    if learner.bonus is not None:
        learner.bonus.scale = state["bonus.scale"].to(learner.device)
        learner.bonus.bounded = state["bonus.bounded"].to(learner.device)
        for name, parameter in learner.bonus.module.named_parameters():
            parameter.data = state[f"bonus.module.{name}"].to(learner.device)
        _load_moments("bonus", learner.bonus.optimizer, state)


def _network(prefix: str, network: StackedMLP) -> dict[str, Tensor]:
    state = {f"{prefix}.{name}": value.detach() for name, value in network.named_parameters()}
    for layer, mask in enumerate(network.masks):
        if mask is not None:
            state[f"{prefix}.mask.{layer}"] = mask
    return state


def _load_network(prefix: str, network: StackedMLP, state: dict[str, Tensor]) -> None:
    for name, parameter in network.named_parameters():
        value = state[f"{prefix}.{name}"]
        if value.shape[0] != parameter.shape[0] or value.dim() != parameter.dim():
            raise ValueError(f"{prefix}.{name} has shape {tuple(value.shape)}")
        # Widths may have shrunk.
        parameter.data = value.to(parameter.device)
    for layer in range(len(network.masks)):
        mask = state.get(f"{prefix}.mask.{layer}")
        network.masks[layer] = None if mask is None else mask.to(network.weights[0].device)


def _moments(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = {}
    for index, parameter in enumerate(_parameters(optimizer)):
        for name, value in optimizer.state.get(parameter, {}).items():
            state[f"optimizer.{prefix}.{index}.{name}"] = value
    return state


def _load_moments(prefix: str, optimizer: torch.optim.Optimizer, state: dict[str, Tensor]) -> None:
    for index, parameter in enumerate(_parameters(optimizer)):
        start = f"optimizer.{prefix}.{index}."
        found = {
            name.removeprefix(start): value.to(parameter.device)
            for name, value in state.items()
            if name.startswith(start)
        }
        if found:
            optimizer.state[parameter] = found


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]

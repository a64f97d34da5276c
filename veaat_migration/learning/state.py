"""A learner's whole state as tensors by name, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from veaat_migration.learning.stacked import StackedMLP

if TYPE_CHECKING:
    from veaat_migration.learning.learner import Learner


def learner_state(learner: Learner) -> dict[str, Tensor]:
    """Everything that the next iteration depends on."""
    state = {
        "generator": learner.generator.get_state(),
        **{f"environment.{k}": v for k, v in learner.environment.state().items()},
        "reward_scale.mean": learner.reward_scale.mean,
        "reward_scale.deviation": learner.reward_scale.deviation,
        "reward_scale.count": torch.tensor(learner.reward_scale.count),
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
    return state | {f"extra.{name}": value for name, value in learner.extra_state().items()}


def load_learner_state(learner: Learner, state: dict[str, Tensor]) -> None:
    """Put it into a fresh learner of the same game, configuration and seed.

    Raises:
        KeyError: something is missing.
        ValueError: something has another shape.
    """
    learner.generator.set_state(state["generator"])
    carried = {k.removeprefix("environment."): v for k, v in state.items() if "environment." in k}
    learner.environment.load_state(carried)
    learner.reward_scale.mean = state["reward_scale.mean"].to(learner.device)
    learner.reward_scale.deviation = state["reward_scale.deviation"].to(learner.device)
    learner.reward_scale.count = int(state["reward_scale.count"])
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
    learner.load_extra(
        {
            name.removeprefix("extra."): value.to(learner.device)
            for name, value in state.items()
            if name.startswith("extra.")
        }
    )


def _network(prefix: str, network: StackedMLP) -> dict[str, Tensor]:
    state = {
        f"{prefix}.values": network.values.detach(),
        f"{prefix}.widths": torch.tensor(network.widths),
    }
    for layer, mask in enumerate(network.masks):
        if mask is not None:
            state[f"{prefix}.mask.{layer}"] = mask
    return state


def _load_network(prefix: str, network: StackedMLP, state: dict[str, Tensor]) -> None:
    values, widths = state[f"{prefix}.values"], state[f"{prefix}.widths"].tolist()
    # Hidden widths may have shrunk.
    ends = (0, -1)
    if len(values) != network.agents or [widths[k] for k in ends] != [
        network.widths[k] for k in ends
    ]:
        raise ValueError(f"{prefix} has {len(values)} agents with widths {widths}")
    network.values.data, network.widths = values.to(network.values.device), widths
    for layer in range(len(network.masks)):
        mask = state.get(f"{prefix}.mask.{layer}")
        network.masks[layer] = None if mask is None else mask.to(network.values.device)


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

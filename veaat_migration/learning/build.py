"""The games of a training run, from its configuration."""

from __future__ import annotations

import torch
from torch import Tensor

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.config import TrainingConfig
from veaat_migration.learning.environment import Environment
from veaat_migration.learning.game import BatchedGame
from veaat_migration.policy.observation import ObservationLayout

RATES = (4.0, 10.0)
"""Rates of arrival and service [1/s] for games that state none."""


def make_environment(
    instance: GameInstance,
    config: TrainingConfig,
    *,
    rates: tuple[Tensor, Tensor] | None,
    device: torch.device,
    generator: torch.Generator,
) -> tuple[Environment, tuple[Tensor, Tensor]]:
    """Games to train in, and the rates lambda_j and mu_j [1/s] that players see in them."""
    part = config.environment
    if rates is None:
        arrival, service = (torch.full((instance.n_rsus,), rate) for rate in RATES)
        rates = arrival, service
    environment = Environment(
        BatchedGame(instance, device=device),
        ObservationLayout(
            instance.n_avs, instance.n_rsus, part.history, part.observe_current_price
        ),
        games=part.games,
        rounds=part.rounds,
        episode=part.episode,
        rates=rates,
        prices=part.price_scale,
        generator=generator,
    )
    return environment, rates

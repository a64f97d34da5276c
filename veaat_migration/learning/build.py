"""The games of a training run, from its configuration."""

from __future__ import annotations

import torch

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.config import TrainingConfig
from veaat_migration.learning.environment import Environment
from veaat_migration.learning.surroundings import Surroundings


def make_environment(
    instance: GameInstance,
    config: TrainingConfig,
    *,
    surroundings: Surroundings | None,
    device: torch.device,
    generator: torch.Generator,
) -> tuple[Environment, Surroundings]:
    """Games to train in, and the queues and radio behind them."""
    around = surroundings or Surroundings.of_instance(instance)
    environment = Environment.create(
        instance, config.environment, surroundings=around, device=device, generator=generator
    )
    return environment, around

"""MAA2C: synchronous advantage actor-critic of several agents, as a baseline.

One gradient step per rollout on the whole of it, by the plain policy gradient. Rollouts are
usually short (``environment.rounds`` of 5) and iterations many.

Fixes ``update.clip`` at null, ``update.epochs`` and ``update.minibatches`` at 1,
``incentive.weight`` at 0 and ``pruning.method`` at none; ignores ``update.workers`` and all else
of ``incentive`` and ``pruning``.
"""

from __future__ import annotations

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.algorithms.settings import ONE_STEP, fixed
from veaat_migration.learning.config import TrainingConfig
from veaat_migration.learning.learner import Learner
from veaat_migration.learning.surroundings import Surroundings


def create(
    instance: GameInstance,
    config: TrainingConfig,
    *,
    seed: int,
    surroundings: Surroundings | None,
    device: str,
) -> Learner:
    """A run of MAA2C."""
    return Learner(
        instance, fixed(config, ONE_STEP), seed=seed, surroundings=surroundings, device=device
    )

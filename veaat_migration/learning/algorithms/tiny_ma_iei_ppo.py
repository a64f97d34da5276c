"""TinyMA-IEI-PPO (Section V): PPO with exploration incentive and pruning, all as configured.

Fixes and ignores no setting but ``update.workers``, which is of MAA3C. With ``pruning.method:
none`` it is MA-IEI-PPO, with other methods MA-IEI-PPO-SSL, -L1 Lasso, -PoPS and -Dropout.
"""

from __future__ import annotations

from veaat_migration.game.instance import GameInstance
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
    """A run of TinyMA-IEI-PPO."""
    return Learner(instance, config, seed=seed, surroundings=surroundings, device=device)

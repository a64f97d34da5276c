"""MAPPO: the clipped objective of Eq. (27) alone, as a baseline.

Fixes ``incentive.weight`` at 0 and ``pruning.method`` at none, so that all else of ``incentive``
and ``pruning`` is ignored; ``update.workers`` is of MAA3C. ``update.critic: central`` lets the
critics see the whole record, as in Yu et al., 'The Surprising Effectiveness of PPO in
Cooperative Multi-Agent Games', 2022.
"""

from __future__ import annotations

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.algorithms.settings import PLAIN, fixed
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
    """A run of MAPPO."""
    return Learner(
        instance, fixed(config, PLAIN), seed=seed, surroundings=surroundings, device=device
    )

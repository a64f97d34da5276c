"""Who learns, and how: every algorithm of Section VI behind one interface (:mod:`.interface`).

An algorithm is a module and a line in :data:`ALGORITHMS`. The module names the class of its runs in
``RUN`` and, where it fixes settings whatever the training file says, these in ``FIXED``. Importing
this package does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from veaat_migration.game.instance import GameInstance
    from veaat_migration.learning.algorithms.interface import Algorithm
    from veaat_migration.learning.config import TrainingConfig
    from veaat_migration.learning.surroundings import Surroundings

ALGORITHMS = {
    "tiny_ma_iei_ppo": "tiny_ma_iei_ppo",
    "mappo": "mappo",
    "maa2c": "maa2c",
    "maa3c": "maa3c",
    "greedy": "greedy",
    "random": "random_play",
}
"""Modules of this package by the name that a training file gives the algorithm."""


def create(
    instance: GameInstance,
    config: TrainingConfig,
    *,
    seed: int,
    surroundings: Surroundings | None = None,
    device: Any = "cpu",
) -> Algorithm:
    """The algorithm that the configuration asks for, ready to iterate.

    Args:
        instance: the game.
        config: everything else; each algorithm's module says what of it it fixes or ignores.
        seed: of all random numbers.
        surroundings: the game's queues and radio; the usual ones by default.
        device: where to compute.
    """
    # Not at the top: the training file's models read the registry above.
    from veaat_migration.learning.algorithms.settings import fixed

    module = importlib.import_module(f"{__name__}.{ALGORITHMS[config.algorithm]}")
    if hasattr(module, "FIXED"):
        config = fixed(config, module.FIXED)
    algorithm: Algorithm = module.RUN(
        instance, config, seed=seed, surroundings=surroundings, device=device
    )
    return algorithm

"""Who learns, and how: every algorithm of Section VI behind one interface (:mod:`.interface`).

An algorithm is a module with ``create(instance, config, *, seed, surroundings, device)``
and a line in :data:`ALGORITHMS`. Importing this package does not import torch.
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
    module = importlib.import_module(f"{__name__}.{ALGORITHMS[config.algorithm]}")
    algorithm: Algorithm = module.create(
        instance, config, seed=seed, surroundings=surroundings, device=device
    )
    return algorithm

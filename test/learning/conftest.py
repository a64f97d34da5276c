import pytest
import torch

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.config import TrainingConfig, parse_config


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Tests run in parallel processes.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def base() -> GameInstance:
    """The canonical base case."""
    return GameInstance.create(
        satisfaction=[20.0, 25.0, 30.0],
        offset=[1.218281828459045, 0.9182818284590451, 0.7182818284590451],
        quality=[1.0, 1.2],
        cost=[2.0, 2.5],
        social=0.02,
        service=0.02,
        price_max=30.0,
        bandwidth_max=10.0,
    )


@pytest.fixture
def small() -> TrainingConfig:
    """A run of a second or so, with every part of it at work."""
    return parse_config(
        {
            "game": "unused.yaml",
            "iterations": 12,
            "environment": {"games": 8, "rounds": 10, "episode": 20},
            "network": {"hidden": [20, 20]},
            "stages": {"follower_iterations": 3},
            "incentive": {"steps": 2, "batch": 32, "samples": 8},
            "pruning": {"start": 0.2, "end": 0.6, "window": 3},
        },
        "small",
    )

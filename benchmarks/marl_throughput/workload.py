"""The workload that every library learns: sizes, hyperparameters, the game, and its check.

It travels from the benchmark to each worker as a JSON file, so that workers need neither this
project nor each other's libraries. numpy only.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Game:
    """Parameters of the game as nested lists; names and units as in ``GameInstance``."""

    satisfaction: list[float]
    offset: list[float]
    quality: list[float]
    cost: list[list[float]]
    social: list[list[float]]
    service: list[list[float]]
    price_max: float
    bandwidth_max: float

    @property
    def n_avs(self) -> int:
        """Number of followers, V."""
        return len(self.satisfaction)

    @property
    def n_rsus(self) -> int:
        """Number of leaders, R."""
        return len(self.quality)

    def arrays(self) -> dict[str, FloatArray]:
        """Every parameter that is not a single number, as an array."""
        return {
            name: np.array(value, dtype=np.float64)
            for name, value in asdict(self).items()
            if isinstance(value, list)
        }


@dataclass(frozen=True)
class Samples:
    """Prices and demands, and what everybody earns there according to the project's own game."""

    prices: list[list[float]]
    demands: list[list[list[float]]]
    leader_utilities: list[list[float]]
    follower_utilities: list[list[float]]


@dataclass(frozen=True)
class Workload:
    """What is learned and how long it is measured."""

    game: Game
    samples: Samples
    n_games: int = 64
    horizon: int = 100
    history: int = 4
    hidden: int = 64
    epochs: int = 4
    minibatches: int = 4
    learning_rate: float = 3e-4
    clip: float = 0.2
    gamma: float = 0.99
    gae_lambda: float = 0.95
    value_coefficient: float = 0.5
    max_grad_norm: float = 0.5
    reward_scale: float = 1 / 30
    warm_up: int = 3
    iterations: int = 10
    seed: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    """Settings of one library, such as the variant of an algorithm."""

    @property
    def steps(self) -> int:
        """Environment steps per iteration; in each all players act once."""
        return self.n_games * self.horizon

    @property
    def minibatch(self) -> int:
        """Environment steps in a minibatch."""
        return self.steps // self.minibatches

    @property
    def n_agents(self) -> int:
        """Leaders and followers."""
        return self.game.n_rsus + self.game.n_avs

    @property
    def round_size(self) -> int:
        """Numbers in one round of the history: all prices and all demands."""
        return self.game.n_rsus * (1 + self.game.n_avs)

    @property
    def leader_observation(self) -> int:
        """The history of all prices and demands, own quality and own cost."""
        return self.history * self.round_size + 2

    @property
    def follower_observation(self) -> int:
        """The history of all prices and the others' demands, and the prices of this round."""
        rsus, avs = self.game.n_rsus, self.game.n_avs
        return self.history * (rsus + (avs - 1) * rsus) + rsus

    def save(self, path: Path) -> None:
        """Write the JSON file of a worker."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Workload:
        """Read what :meth:`save` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        values["game"] = Game(**values["game"])
        values["samples"] = Samples(**values["samples"])
        return cls(**values)


def observation_index(workload: Workload) -> npt.NDArray[np.int64]:
    """Which entries of an observed record each agent sees, in order, shape [R + V, largest].

    The record of a game is [history, prices of this round, qualities, costs, 0], see
    :func:`record_size`. Leaders come first; a shorter observation is filled up with the 0.
    """
    rsus, avs = workload.game.n_rsus, workload.game.n_avs
    rounds = np.arange(workload.history * workload.round_size).reshape(workload.history, -1)
    current = rounds.size + np.arange(rsus)
    quality, cost = current + rsus, current + 2 * rsus
    index = np.full((rsus + avs, workload.leader_observation), record_size(workload) - 1)
    for j in range(rsus):
        seen = [*rounds.ravel(), quality[j], cost[j]]
        index[j, : len(seen)] = seen
    for i in range(avs):
        own = rsus * (1 + i) + np.arange(rsus)
        seen = [*np.delete(rounds, own, axis=1).ravel(), *current]
        index[rsus + i, : len(seen)] = seen
    return index


def record_size(workload: Workload) -> int:
    """Numbers in an observed record, see :func:`observation_index`."""
    return workload.history * workload.round_size + 3 * workload.game.n_rsus + 1


def require_same_game(workload: Workload, leaders: Any, followers: Any) -> None:
    """Compare a worker's utilities at the samples with the project's own.

    Args:
        workload: with the samples.
        leaders: U_j^L of the worker's game, shape [samples, R].
        followers: U_i^F of the worker's game, shape [samples, V].

    Raises:
        SystemExit: they differ by more than single precision explains.
    """
    for name, values, expected in (
        ("leaders", leaders, workload.samples.leader_utilities),
        ("followers", followers, workload.samples.follower_utilities),
    ):
        error = np.abs(np.asarray(values, dtype=np.float64) - expected)
        scale = 1.0 + np.abs(np.array(expected))
        if not (error / scale).max() < 1e-5:
            raise SystemExit(
                f"the game of this worker is another one: the utilities of the {name} differ "
                f"from veaat_migration.game.utilities by up to {error.max():g}"
            )

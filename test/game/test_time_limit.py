"""Rugged games: `solve` keeps to its time limit and says honestly what it has."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from veaat_migration.game.equilibrium import solve
from veaat_migration.game.instance import GameInstance
from veaat_migration.game.solution import Solution
from veaat_migration.game.stack import is_large


def cyclic(n_avs: int, n_rsus: int, coupling: float, b_max: float = 10.0) -> GameInstance:
    """The types of the base case in turn, every pair equally coupled."""
    avs, rsus = np.arange(n_avs) % 3, np.arange(n_rsus) % 2
    return GameInstance.create(
        satisfaction=np.array([20.0, 25.0, 30.0])[avs],
        offset=np.e - np.array([1.5, 1.8, 2.0])[avs],
        quality=np.array([1.0, 1.2])[rsus],
        cost=np.array([2.0, 2.5])[rsus],
        social=coupling,
        service=coupling,
        price_max=30.0,
        bandwidth_max=b_max,
    )


def timed(game: GameInstance, time_limit: float) -> tuple[Solution, float]:
    began = time.perf_counter()
    solution = solve(game, time_limit=time_limit)
    return solution, time.perf_counter() - began


def assert_plain(solution: Solution) -> None:
    """Fit for JSON, with every price inside its bounds."""
    text = json.dumps(solution.to_mapping(), allow_nan=False)
    assert json.loads(text)["status"] == solution.status.value
    game = solution.instance
    assert (solution.prices >= game.price_min * (1.0 - 1e-9)).all()
    assert (solution.prices <= game.price_max * (1.0 + 1e-9)).all()
    assert np.isfinite(solution.demand).all()
    if solution.status.value.startswith("certified"):
        assert solution.exploitability is not None
        assert solution.exploitability.largest <= 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("coupling", [0.02, 0.03])
def test_a_rugged_game_ends_in_time(coupling: float) -> None:
    """Where the quick search fails and every reply of the general one takes long."""
    solution, seconds = timed(cyclic(3, 8, coupling), 2.0)
    assert seconds <= 20.0  # about four on an idle machine, not minutes
    assert solution.status.value in {
        "not_converged", "cycling", "certified", "certified_not_unique"
    }  # fmt: skip
    assert_plain(solution)


def test_hardly_any_time_still_gives_an_honest_answer() -> None:
    solution, seconds = timed(cyclic(3, 8, 0.03), 0.05)
    assert seconds <= 15.0
    assert_plain(solution)


@pytest.mark.slow
def test_a_large_game_with_strong_couplings_ends_in_time() -> None:
    game = cyclic(330, 80, 0.01)
    assert is_large(game)
    solution, seconds = timed(game, 2.0)
    assert seconds <= 12.0
    assert_plain(solution)

"""Followers whose own problems have many local optima: answers stay global."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from games import own_worth, with_changes

from veaat_migration.game.equilibrium import solve
from veaat_migration.game.follower import DelayLimit, best_response
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import DelayConstraint, Externality, GameInstance
from veaat_migration.game.matching import matching_probability
from veaat_migration.game.utilities import follower_utilities


def substitutes(eta: float = -0.6, **changes: object) -> GameInstance:
    game = GameInstance.create(
        satisfaction=[20.0, 22.0], offset=[1.2, 1.0], quality=[1.0, 1.1], cost=[1.0, 1.2],
        social=0.05, service=eta, price_max=20.0, bandwidth_max=10.0,
    )  # fmt: skip
    return with_changes(game, **changes)


@pytest.mark.parametrize("externality", ["additive", "multiplicative"])
@pytest.mark.parametrize("prices", [[2.0, 2.1], [3.0, 5.0], [6.0, 6.0]])
def test_equilibrium_of_strong_substitutes_is_everyones_global_answer(
    prices: list[float], externality: str
) -> None:
    eta = -0.6 if externality == "additive" else -0.04
    game = substitutes(eta, externality=externality)
    found = follower_equilibria(game, prices)
    axis = np.linspace(0.0, 10.0, 101)
    grid = np.array(list(itertools.product(axis, repeat=2)))
    for i in range(2):
        trials = np.repeat(found.demand, len(grid), axis=0)
        trials[:, i] = grid
        best = follower_utilities(game, prices, trials)[:, i].max()
        reached = follower_utilities(game, prices, found.demand[0])[i]
        assert not found.converged[0] or reached >= best - 1e-9


def test_equilibrium_of_strong_substitutes_under_delay() -> None:
    limit = DelayConstraint.create(
        2, 2, data=200.0, spectral_efficiency=12.0, base_delay=0.1, max_delay=4.0
    )
    game = substitutes(delay=limit)
    for prices in ([3.0, 5.0], [6.0, 6.0]):
        found = follower_equilibria(game, prices)
        theta = matching_probability(prices, game.quality)
        delay = (theta * (200.0 / (12.0 * found.demand[0]) + 0.1)).sum(axis=1)
        assert np.all(delay <= 4.0 * (1 + 1e-6))


@pytest.mark.parametrize("multiplicative", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_best_response_with_wide_bounds_and_strong_mixed_couplings(
    seed: int, multiplicative: bool
) -> None:
    rng = np.random.default_rng(seed)
    eta = np.triu(rng.uniform(-3.0, 3.0, (3, 3)), 1) * (0.05 if multiplicative else 1.0)
    eta += eta.T
    prices, theta = rng.uniform(10.0, 40.0, 3), np.array([0.2, 0.3, 0.5])
    kind = Externality.MULTIPLICATIVE if multiplicative else Externality.ADDITIVE
    limit = None
    if seed % 2:
        limit = DelayLimit(data=100.0, efficiency=[12.0] * 3, base_delay=[0.1] * 3, max_delay=9.0)
    found = best_response(
        satisfaction=60.0, offset=0.3, bandwidth_max=20.0, prices=prices, theta=theta,
        social=np.zeros(3), service=eta, externality=kind, delay=limit,
    ).bandwidth  # fmt: skip

    worth = own_worth(
        satisfaction=60.0, offset=0.3, service=eta, prices=prices, theta=theta,
        multiplicative=multiplicative,
    )  # fmt: skip
    axis = np.linspace(0.05, 20.0, 61)
    grid = np.array(list(itertools.product(axis, repeat=3)))
    if limit is not None:
        grid = grid[(theta * (100.0 / (12.0 * grid) + 0.1)).sum(axis=1) <= 9.0]
    assert worth(found) >= worth(grid).max() - 1e-6


def test_two_equilibria_of_the_whole_game_are_both_told() -> None:
    """Strong complements: AVs that all buy little, or all much, at the same price."""
    game = GameInstance.create(
        satisfaction=[10.0, 10.0], offset=[2.0, 2.0], quality=[1.0], cost=[1.0],
        social=0.5, price_max=8.0, bandwidth_max=20.0,
    )  # fmt: skip
    solution = solve(game, time_limit=10.0)
    assert solution.exploitability is not None
    assert not solution.followers_unique

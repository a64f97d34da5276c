"""Games in which a local search stops short, nothing is unique, or prices chase each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from games import dropout_game, own_worth, random_game

from veaat_migration.game.equilibrium import Status, solve
from veaat_migration.game.exploitability import leader_gains
from veaat_migration.game.follower import DelayLimit, best_response
from veaat_migration.game.instance import Externality, GameInstance
from veaat_migration.game.leader import payoffs
from veaat_migration.game.price_search import local_equilibrium


@pytest.mark.parametrize("seed", [22, 103, 131, 142, 161, 175, 327])
def test_local_equilibria_that_are_not_equilibria_are_left(seed: int) -> None:
    """Somewhere below the local optimum an AV drops out, and beyond lies a better price."""
    game = dropout_game(seed)
    solution = solve(game)
    assert solution.status is Status.CERTIFIED
    for j in range(game.n_rsus):
        grid = np.linspace(float(game.price_min[j]), 30.0, 3000)
        vectors = np.repeat(solution.prices[None], len(grid), axis=0)
        vectors[:, j] = grid
        best = payoffs(game, vectors, thorough=False).profit[:, j].max()
        assert best <= solution.leader_utilities[j] * (1 + 1e-9)


def test_the_traps_are_traps() -> None:
    """From the closed form a local search alone would end up to 2 % short in some of them."""
    gains = []
    for seed in range(40):
        game = dropout_game(seed)
        start = np.clip(1.05 * game.price_min, game.price_min, 30.0)
        gains.append(leader_gains(game, local_equilibrium(game, start).prices).largest)
    assert max(gains) > 1e-3
    assert all(solve(dropout_game(seed)).status is Status.CERTIFIED for seed in range(20))


def test_equal_peaks_are_reported_as_not_unique() -> None:
    """A continuum: every AV is full at b_max up to a price that the cap p_max cuts off."""
    game = GameInstance.create(
        satisfaction=[200.0, 200.0], offset=[1.0, 1.0], quality=[1.0, 1.0], cost=[1.0, 1.0],
        price_max=5.0, bandwidth_max=2.0,
    )  # fmt: skip
    solution = solve(game)
    assert solution.prices == pytest.approx([5.0, 5.0])
    assert np.all(solution.demand == 2.0)


def test_prices_that_chase_each_other_are_called_so() -> None:
    """Substitutes strong enough that a leader pays to drive the other's customers away."""
    game = GameInstance.create(
        satisfaction=[20.0], offset=[1.2], quality=[1.0, 1.1], cost=[1.0, 1.2],
        service=-0.3, price_max=20.0, bandwidth_max=6.0,
    )  # fmt: skip
    solution = solve(game, time_limit=5.0)
    assert solution.exploitability is not None
    if solution.exploitability.largest > 1e-9:
        assert solution.status in {Status.CYCLING, Status.NOT_CONVERGED}
    else:
        assert solution.status in {Status.CERTIFIED, Status.CERTIFIED_NOT_UNIQUE}


@pytest.mark.parametrize("multiplicative", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_global_best_response_of_a_rugged_problem(seed: int, multiplicative: bool) -> None:
    """Strong couplings of both signs among three RSUs: many local optima."""
    rng = np.random.default_rng(seed)
    eta = np.triu(rng.uniform(-1.5, 1.5, (3, 3)), 1) * (0.1 if multiplicative else 1.0)
    eta += eta.T
    prices, theta = rng.uniform(4.0, 12.0, 3), np.full(3, 1 / 3)
    found = best_response(
        satisfaction=20.0, offset=1.2, bandwidth_max=10.0, prices=prices, theta=theta,
        social=np.zeros(3), service=eta,
        externality=Externality.MULTIPLICATIVE if multiplicative else Externality.ADDITIVE,
    ).bandwidth  # fmt: skip

    worth = own_worth(
        satisfaction=20.0, offset=1.2, service=eta, prices=prices, theta=theta,
        multiplicative=multiplicative,
    )  # fmt: skip
    axis = np.linspace(0.0, 10.0, 41)
    grid = np.array(list(itertools.product(axis, repeat=3)))
    assert worth(found) >= worth(grid).max() - 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_global_best_response_under_delay(seed: int) -> None:
    rng = np.random.default_rng(seed)
    eta = 0.8 * np.array([[0.0, 1.0], [1.0, 0.0]]) * rng.choice([-1.0, 1.0])
    prices, theta = rng.uniform(5.0, 12.0, 2), np.array([0.6, 0.4])
    limit = DelayLimit(data=300.0, efficiency=[12.0, 9.0], base_delay=[0.2, 0.1], max_delay=6.0)
    found = best_response(
        satisfaction=20.0, offset=1.2, bandwidth_max=10.0, prices=prices, theta=theta,
        social=np.zeros(2), service=eta, delay=limit,
    )  # fmt: skip

    def worth(b: np.ndarray) -> np.ndarray:
        return (theta * (20.0 * np.log(b + 1.2) + (b @ eta) * b - prices * b)).sum(axis=-1)

    def delay(b: np.ndarray) -> np.ndarray:
        return (theta * (300.0 / (b * np.array([12.0, 9.0])) + np.array([0.2, 0.1]))).sum(axis=-1)

    axis = np.linspace(0.02, 10.0, 500)
    grid = np.array(list(itertools.product(axis, repeat=2)))
    grid = grid[delay(grid) <= 6.0]
    assert found.feasible
    assert delay(found.bandwidth) <= 6.0 * (1 + 1e-9)
    assert worth(found.bandwidth) >= worth(grid).max() - 1e-6


@pytest.mark.parametrize("seed", range(2))
def test_strong_complements_report_every_equilibrium_found(seed: int) -> None:
    game = random_game(np.random.default_rng(seed), n_avs=3, n_rsus=1, strength=10.0)
    solution = solve(game)
    assert solution.exploitability is not None
    assert solution.status is not Status.UNCHECKED
    if solution.status is Status.CERTIFIED:
        assert solution.other_equilibria == ()


def test_a_search_without_time_ends_with_an_honest_word() -> None:
    solution = solve(dropout_game(22), time_limit=0.0)
    assert solution.exploitability is not None
    if solution.exploitability.largest > 1e-9:
        assert solution.status is Status.NOT_CONVERGED

"""The fast kernel: the AVs' equilibrium and its derivatives, against the careful solver."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from games import base_case, random_game, symmetric, with_changes
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.game import kernel
from veaat_migration.game.arrays import solve_equations
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.kernel import Cases, equilibria
from veaat_migration.game.stack import stack_games
from veaat_migration.game.uniqueness import provably_unique

GAMES = {
    "base": base_case(),
    "uncoupled": base_case(0.0),
    "social-only": with_changes(base_case(), service=0.0),
    "substitutes": base_case(-0.03),
    "small-b-max": with_changes(base_case(), bandwidth_max=1.7),
    "avs-that-must-buy": with_changes(base_case(), offset=[-0.5, 0.9, 0.0]),
    "one-by-one": random_game(np.random.default_rng(1), n_avs=1, n_rsus=1),
    "mixed": random_game(np.random.default_rng(2), n_avs=6, n_rsus=4, strength=2.0),
    "conjugate-gradients": random_game(np.random.default_rng(3), n_avs=15, n_rsus=5, strength=2.0),
}
EVERY_GAME = pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)


def price_vectors(game: GameInstance, number: int, seed: int = 0) -> FloatArray:
    """Random prices from dearer than any cost to p_max, [n, R]."""
    low, high = 0.9 * game.price_min, game.price_max
    random = np.random.default_rng(seed).random((number, game.n_rsus))
    vectors: FloatArray = low * (high / low) ** random
    return vectors


def settled(game: GameInstance, prices: FloatArray, start: float = 0.0) -> tuple[Cases, FloatArray]:
    cases = Cases(stack_games([game]), prices)
    demand, converged = equilibria(cases, np.full((len(prices), game.n_avs, game.n_rsus), start))
    assert converged.all()
    return cases, demand


def sparse_game(n_avs: int = 240) -> GameInstance:
    """AVs that know few others; their couplings are worth keeping sparse."""
    rng = np.random.default_rng(5)
    few = rng.random((n_avs, n_avs)) < 0.02
    return with_changes(
        random_game(rng, n_avs=n_avs, n_rsus=3),
        social=symmetric(few * rng.uniform(-0.03, 0.06, (n_avs, n_avs))),
    )


@EVERY_GAME
def test_equilibria_are_those_of_the_careful_solver(game: GameInstance) -> None:
    prices = price_vectors(game, 40)
    cases, demand = settled(game, prices)
    sure = provably_unique(cases)
    assert sure.mean() >= 0.5
    careful = follower_equilibria(game, prices[sure])
    assert careful.converged.all()
    assert demand[sure] == pytest.approx(careful.demand, abs=1e-9 * game.bandwidth_max)


@EVERY_GAME
def test_it_does_not_matter_where_the_way_to_a_single_equilibrium_begins(
    game: GameInstance,
) -> None:
    prices = price_vectors(game, 20, seed=1)
    cases, low = settled(game, prices)
    _, high = settled(game, prices, game.bandwidth_max)
    sure = provably_unique(cases)
    assert low[sure] == pytest.approx(high[sure], abs=1e-9 * game.bandwidth_max)


def test_a_rough_answer_is_as_near_as_asked_for() -> None:
    game = GAMES["mixed"]
    cases, exact = settled(game, price_vectors(game, 30))
    rough, converged = equilibria(cases, 0.0 * exact, 1e-3)
    assert converged.all()
    assert 0.0 < np.abs(rough - exact).max() <= 5e-3 * game.bandwidth_max


def test_few_social_couplings_are_kept_sparse_and_change_nothing() -> None:
    game = sparse_game()
    stack = stack_games([game])
    assert hasattr(stack.social, "tocsr")
    dense = replace(stack, social=game.social[None])
    prices = price_vectors(game, 4)
    demand = equilibria(Cases(stack, prices), np.zeros((4, game.n_avs, 3)))[0]
    expected = equilibria(Cases(dense, prices), np.zeros((4, game.n_avs, 3)))[0]
    assert demand == pytest.approx(expected, abs=1e-10)
    careful = follower_equilibria(game, prices[:1]).demand
    assert demand[:1] == pytest.approx(careful, abs=1e-8)
    rsus = np.array([0, 1, 2, 0])
    assert Cases(stack, prices).response(demand, rsus) == pytest.approx(
        Cases(dense, prices).response(demand, rsus), rel=1e-8, abs=1e-8
    )
    assert (provably_unique(Cases(stack, prices)) == provably_unique(Cases(dense, prices))).all()
    changes = np.random.default_rng(0).normal(size=(4, 2, game.n_avs, 3))
    assert Cases(stack, prices).couple_each(changes) == pytest.approx(
        Cases(dense, prices).couple_each(changes), abs=1e-10
    )


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_demand_that_reaches_b_max_is_exactly_b_max(seed: int) -> None:
    """A last digit below it the AV would count as free, and derivatives would be wrong."""
    rng = np.random.default_rng(seed)
    game = with_changes(
        random_game(rng, n_avs=8, n_rsus=3), bandwidth_max=float(rng.uniform(1.0, 4.0))
    )
    cases, demand = settled(game, price_vectors(game, 10, seed))
    wanted = game.satisfaction[:, None] / cases.net_price(demand) - game.offset[:, None]
    full = wanted > game.bandwidth_max * (1.0 + 1e-9)
    assert full.any()
    assert (demand[full] == game.bandwidth_max).all()
    assert (demand <= game.bandwidth_max).all()
    assert (cases.flexibility(demand)[full] == 0.0).all()
    response = cases.response(demand, np.zeros(10, dtype=int))
    assert (response[full] == 0.0).all()


@EVERY_GAME
def test_response_agrees_with_finite_differences(game: GameInstance) -> None:
    prices = price_vectors(game, 12, seed=2)
    cases, demand = settled(game, prices)
    rows, rsus = np.arange(12), np.arange(12) % game.n_rsus
    response = cases.response(demand, rsus)
    step = 1e-5 / prices[rows, rsus]
    sides = []
    for sign in (1.0, -1.0):
        inverse = 1.0 / prices
        inverse[rows, rsus] += sign * step
        sides.append(equilibria(Cases(cases.stack, 1.0 / inverse), demand)[0])
    slope = (sides[0] - sides[1]) / (2.0 * step[:, None, None])
    # AVs just at a bound have two slopes
    cap = game.bandwidth_max
    smooth = [(((b > 0.0) == (demand > 0.0)) & ((b < cap) == (demand < cap))) for b in sides]
    regular = (smooth[0] & smooth[1]).all(axis=(1, 2)) & provably_unique(cases)
    assert regular.sum() >= 5
    scale = np.abs(response).max()
    assert response[regular] == pytest.approx(slope[regular], rel=1e-5, abs=1e-6 * scale)


@EVERY_GAME
def test_response_agrees_with_the_careful_solver(game: GameInstance) -> None:
    prices = price_vectors(game, 12, seed=3)
    cases, demand = settled(game, prices)
    sure = provably_unique(cases)
    by_price = follower_equilibria(game, prices[sure]).sensitivity()
    for rsu in range(game.n_rsus):
        response = cases.response(demand, np.full(12, rsu))[sure]
        expected = -by_price[..., rsu] * prices[sure, rsu, None, None] ** 2  # y = 1 / p
        assert response == pytest.approx(expected, rel=1e-8, abs=1e-9 * np.abs(expected).max())


def test_force_is_the_column_of_forces() -> None:
    game = GAMES["mixed"]
    cases, demand = settled(game, price_vectors(game, 8))
    rsus = np.arange(8) % game.n_rsus
    every = cases.forces(demand)
    assert cases.force(demand, rsus) == pytest.approx(every[np.arange(8), rsus], rel=1e-14)


@pytest.mark.parametrize("forces", [1, 3])
@pytest.mark.parametrize("name", ["base", "substitutes", "small-b-max", "mixed"])
def test_conjugate_gradients_agree_with_direct_solutions(
    name: str, forces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = GAMES[name]
    cases, demand = settled(game, price_vectors(game, 10, seed=4))
    sure = provably_unique(cases)  # elsewhere the form need not be definite
    cases, demand = cases.take(sure), demand[sure]
    shape = (len(cases), forces, game.n_avs, game.n_rsus)
    right = np.random.default_rng(6).normal(size=shape)
    flexibility = cases.flexibility(demand)
    solved = {}
    for limit in (0, 10_000):
        monkeypatch.setattr(kernel, "DIRECT", limit)
        solved[limit] = cases.solve(flexibility, right)
    assert solved[0] == pytest.approx(solved[10_000], rel=1e-9, abs=1e-11)
    direct = solved[10_000]
    rest = direct - flexibility[:, None] * (right + cases.couple_each(direct))
    assert np.abs(rest).max() <= 1e-11 * (1.0 + np.abs(direct).max())


def test_the_way_to_solve_equations_does_not_matter_to_equilibria(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    game = GAMES["mixed"]
    prices = price_vectors(game, 20, seed=7)
    direct = settled(game, prices)[1]
    monkeypatch.setattr(kernel, "DIRECT", 0)
    assert settled(game, prices)[1] == pytest.approx(direct, abs=1e-11 * game.bandwidth_max)


def test_echo_is_what_comes_back_to_second_order() -> None:
    """Diagonal of D K D K, from the matrix itself."""
    game = GAMES["mixed"]
    cases, demand = settled(game, price_vectors(game, 3, seed=8))
    flexibility = cases.flexibility(demand)
    size = game.n_avs * game.n_rsus
    passed = np.eye(size) - cases._matrix(flexibility)
    twice = np.diagonal(passed @ passed, axis1=1, axis2=2).reshape(flexibility.shape)
    assert cases.echo(flexibility) == pytest.approx(twice, rel=1e-10, abs=1e-14)


def test_couplings_of_both_signs_add_up() -> None:
    game = GAMES["mixed"]
    cases, demand = settled(game, price_vectors(game, 3))
    parts = cases.of_sign(1.0).couple(demand) - cases.of_sign(-1.0).couple(demand)
    assert parts == pytest.approx(cases.couple(demand), rel=1e-12)


def test_singular_equations_spoil_only_their_own_solution() -> None:
    matrix = np.stack([np.eye(2), np.ones((2, 2)), 2.0 * np.eye(2)])
    solved = solve_equations(matrix, np.ones((3, 2, 1)))
    assert np.isnan(solved[1]).all()
    assert (solved[0] == 1.0).all()
    assert (solved[2] == 0.5).all()

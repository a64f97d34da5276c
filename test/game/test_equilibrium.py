"""The Stackelberg equilibrium: known numbers, an independent check, symmetries, odd games."""

from __future__ import annotations

import json

import numpy as np
import pytest
from collection import GAMES
from games import base_case, in_other_money, permuted, random_game, with_changes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from veaat_migration.game.closed_form import (
    paper_closed_form,
    symmetric_price,
    uncoupled_price,
    uncoupled_prices,
)
from veaat_migration.game.equilibrium import Status, solve
from veaat_migration.game.exploitability import exploitability
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import DelayConstraint, GameInstance
from veaat_migration.game.leader import best_price, payoffs
from veaat_migration.game.utilities import follower_utilities, leader_utilities

CERTIFIED = {Status.CERTIFIED, Status.CERTIFIED_NOT_UNIQUE}
slow_property = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def test_base_case_has_the_known_equilibrium() -> None:
    solution = solve(base_case())
    assert solution.status is Status.CERTIFIED
    assert solution.prices == pytest.approx([4.3586, 5.3812], rel=1e-4)
    assert solution.leader_utilities == pytest.approx([19.107, 17.256], rel=1e-4)
    assert solution.follower_utilities == pytest.approx([15.189, 21.788, 29.850], rel=1e-4)
    assert solution.exploitability is not None
    assert solution.exploitability.largest <= 1e-9


def test_uncoupled_base_case_has_the_closed_form() -> None:
    game = base_case(0.0)
    solution = solve(game)
    assert solution.prices == pytest.approx([4.7694, 5.7148], rel=1e-4)
    assert solution.prices == pytest.approx(uncoupled_prices(game), rel=1e-9)


def test_paper_closed_form_is_near_but_exploitable() -> None:
    game = base_case()
    prices = paper_closed_form(game)
    assert prices == pytest.approx([4.9903, 5.9955], rel=1e-4)
    demand = follower_equilibria(game, prices).demand[0]
    assert 0.005 < exploitability(game, prices, demand).largest < 0.02


def test_a_rough_closed_form_is_near_the_exact_one() -> None:
    game = base_case()
    for exact, rough in [
        (paper_closed_form(game), paper_closed_form(game, 1e-3, 20)),
        (uncoupled_prices(game), uncoupled_prices(game, 1e-3)),
    ]:
        assert rough == pytest.approx(exact, rel=0.02)
        assert (rough != exact).any()
    swinging = GAMES["far-from-the-closed-form"]
    prices = paper_closed_form(swinging, 1e-3, 20)
    assert (prices >= swinging.price_min).all()
    assert (prices <= swinging.price_max).all()


@pytest.mark.parametrize("n_rsus", [1, 2, 4])
def test_symmetric_leaders_ask_the_root_of_the_polynomial(n_rsus: int) -> None:
    satisfaction, offset, cost = np.array([20.0, 25.0, 30.0]), np.array([1.2, 0.9, 0.7]), 2.0
    game = GameInstance.create(
        satisfaction=satisfaction, offset=offset, quality=np.ones(n_rsus),
        cost=np.full(n_rsus, cost), price_max=30.0, bandwidth_max=40.0,
    )  # fmt: skip
    a, e = satisfaction.sum(), offset.sum()
    price = symmetric_price(n_rsus=n_rsus, cost=cost, satisfaction=a, offset=e)
    y = 1.0 / price
    polynomial = (2 * n_rsus - 1) * cost * a * y * y - (n_rsus - 1) * (a + cost * e) * y - e
    assert polynomial == pytest.approx(0.0, abs=1e-9)
    # A monopolist whose demand is elastic nowhere inside ends at a dropout or a bound instead.
    if n_rsus > 1:
        assert solve(game).prices == pytest.approx(np.full(n_rsus, price), rel=1e-8)


def test_uncoupled_price_without_end() -> None:
    assert uncoupled_price(
        quality=1.0, cost=2.0, others=0.2, satisfaction=50.0, offset=-20.0
    ) == float("inf")
    assert symmetric_price(n_rsus=2, cost=2.0, satisfaction=50.0, offset=-1e4) == float("inf")


def test_prices_are_stationary_for_every_leader() -> None:
    """dU_j/dp_j = 0 by central differences of the payoff with followers re-equilibrated."""
    game = base_case()
    prices = solve(game).prices
    for j in range(2):
        step = np.zeros(2)
        step[j] = 1e-4
        up = payoffs(game, (prices + step)[None]).profit[0, j]
        down = payoffs(game, (prices - step)[None]).profit[0, j]
        assert (up - down) / 2e-4 == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_no_leader_gains_on_a_fine_grid(seed: int) -> None:
    """The certificate against brute force: 500 prices per leader."""
    game = random_game(np.random.default_rng(seed), n_avs=2 + 2 * seed, delay=bool(seed % 2))
    solution = solve(game)
    assert solution.status in CERTIFIED
    for j in range(game.n_rsus):
        grid = np.linspace(float(game.price_min[j]), game.price_max, 500)
        vectors = np.repeat(solution.prices[None], len(grid), axis=0)
        vectors[:, j] = grid
        best = payoffs(game, vectors, thorough=False).profit[:, j].max()
        assert best <= solution.leader_utilities[j] * (1.0 + 1e-7) + 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_no_follower_gains_against_an_independent_optimiser(seed: int) -> None:
    game = random_game(np.random.default_rng(100 + seed), n_rsus=3)
    solution = solve(game)
    rng = np.random.default_rng(seed)
    for i in range(game.n_avs):

        def loss(own: np.ndarray, i: int = i) -> float:
            demand = solution.demand.copy()
            demand[i] = own
            return -float(follower_utilities(game, solution.prices, demand)[i])

        found = min(
            minimize(loss, start, bounds=[(0.0, 10.0)] * 3, method="L-BFGS-B").fun
            for start in rng.uniform(0.0, 10.0, (3, 3))
        )
        assert -found <= solution.follower_utilities[i] + 1e-6


@slow_property
@given(st.integers(0, 10**6), st.booleans())
def test_order_of_players_does_not_matter(seed: int, delay: bool) -> None:
    rng = np.random.default_rng(seed)
    game = random_game(rng, n_avs=3, n_rsus=2, delay=delay)
    rows, columns = rng.permutation(3), rng.permutation(2)
    first, second = solve(game), solve(permuted(game, rows, columns))
    if first.status is Status.CERTIFIED and second.status is Status.CERTIFIED:
        assert second.prices == pytest.approx(first.prices[columns], rel=1e-6)
        assert second.demand == pytest.approx(first.demand[np.ix_(rows, columns)], rel=1e-5)
    else:
        assert {first.status, second.status} <= CERTIFIED


@slow_property
@given(st.integers(0, 10**6), st.floats(0.01, 100.0))
def test_another_currency_changes_no_decision(seed: int, rate: float) -> None:
    game = random_game(np.random.default_rng(seed), n_avs=3, n_rsus=2)
    first, second = solve(game), solve(in_other_money(game, rate))
    assert second.status is first.status
    if first.status is Status.CERTIFIED:
        assert second.prices == pytest.approx(first.prices * rate, rel=1e-6)
        assert second.demand == pytest.approx(first.demand, rel=1e-5, abs=1e-6)


@settings(slow_property, max_examples=5)
@given(
    st.integers(0, 10**6),
    st.floats(0.0, 8.0),
    st.booleans(),
    st.sampled_from(["additive", "multiplicative"]),
)
def test_any_valid_game_gets_an_honest_answer(
    seed: int, strength: float, delay: bool, externality: str
) -> None:
    """Strong couplings included: certified or said not to be, gains never negative."""
    rng = np.random.default_rng(seed)
    game = random_game(
        rng, n_avs=int(rng.integers(1, 5)), n_rsus=int(rng.integers(1, 4)),
        strength=strength, delay=delay, externality=externality,
    )  # fmt: skip
    solution = solve(game)
    gains = solution.exploitability
    assert gains is not None
    assert np.all(gains.leaders.absolute >= 0.0)
    assert np.all(gains.followers >= 0.0)
    if solution.status in CERTIFIED:
        assert gains.largest <= (1e-6 if delay else 1e-9)
    assert np.all((solution.prices >= game.price_min - 1e-12) & (solution.prices <= 30.0))
    assert np.all((solution.demand >= 0.0) & (solution.demand <= 10.0))
    json.dumps(solution.to_mapping(), allow_nan=False)


def test_dropouts_make_payoffs_bimodal_and_the_better_peak_is_found() -> None:
    """One eager AV and many modest ones: serve all cheaply, or one dearly."""
    game = GameInstance.create(
        satisfaction=[60.0, 5.0, 5.0, 5.0, 5.0, 5.0], offset=[2.0, 1.7, 1.7, 1.7, 1.7, 1.7],
        quality=[1.0], cost=[0.5], price_max=30.0, bandwidth_max=100.0,
    )  # fmt: skip
    solution = solve(game)
    grid = np.linspace(0.5, 30.0, 20_001)[:, None]
    profits = payoffs(game, grid, thorough=False).profit[:, 0]
    assert solution.leader_utilities[0] >= profits.max() - 1e-9
    peaks = (profits[1:-1] > profits[:-2]) & (profits[1:-1] > profits[2:])
    assert np.count_nonzero(peaks) >= 2


def test_infeasible_followers_are_named_and_take_all_they_can() -> None:
    limit = DelayConstraint.create(
        3, 2, data=[400.0, 400.0, 8000.0], spectral_efficiency=12.0, base_delay=0.2,
        max_delay=[8.0, 9.0, 1.0],
    )  # fmt: skip
    solution = solve(with_changes(base_case(), delay=limit))
    assert solution.infeasible_followers == (3,)
    assert solution.demand[2] == pytest.approx([10.0, 10.0])
    assert solution.status is Status.INFEASIBLE_FOLLOWERS


def test_binding_delay_holds_with_equality() -> None:
    limit = DelayConstraint.create(
        3, 2, data=400.0, spectral_efficiency=12.0, base_delay=0.2, max_delay=[7.0, 30.0, 30.0]
    )
    solution = solve(with_changes(base_case(), delay=limit))
    delay = 400.0 / (12.0 * solution.demand[0]) + 0.2
    assert solution.matching @ delay == pytest.approx(7.0, rel=1e-9)


def test_answer_without_certificate_is_quick_and_says_so() -> None:
    solution = solve(base_case(), certify=False)
    assert solution.status is Status.UNCHECKED
    assert solution.exploitability is None
    assert solution.prices == pytest.approx([4.3586, 5.3812], rel=1e-4)
    assert solution.to_mapping()["exploitability"] is None


def test_best_price_matches_the_learned_leaders_condition() -> None:
    """p_j = c_j (eps + 1 - theta) / (eps - theta) at the optimum, for any demand."""
    game = base_case()
    solution = solve(game)
    found = best_price(game, solution.prices, 0)
    assert found.x == pytest.approx(solution.prices[0], rel=1e-6)
    step = np.array([1e-4, 0.0])
    up = follower_equilibria(game, solution.prices + step).demand[0, :, 0].sum()
    down = follower_equilibria(game, solution.prices - step).demand[0, :, 0].sum()
    total = solution.demand[:, 0].sum()
    elasticity = -(up - down) / 2e-4 * solution.prices[0] / total
    theta = solution.matching[0]
    assert solution.prices[0] == pytest.approx(
        2.0 * (elasticity + 1.0 - theta) / (elasticity - theta), rel=1e-5
    )
    assert leader_utilities(game, solution.prices, solution.demand)[0] == pytest.approx(
        solution.leader_utilities[0]
    )

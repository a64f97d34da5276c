"""The leaders' quasi-Newton method: where it comes to rest no leader gains by a small change."""

from __future__ import annotations

import time

import numpy as np
import pytest
from collection import GAMES, base
from games import base_case, random_game, with_changes
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.game.capacity import expected_load
from veaat_migration.game.closed_form import uncoupled_prices
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.kernel import Cases
from veaat_migration.game.leader import payoffs
from veaat_migration.game.quasi_newton import Found, local_prices, uncoupled_start
from veaat_migration.game.stack import stack_games


def found_from(game: GameInstance, start: FloatArray | None = None, **options: bool) -> Found:
    stack = stack_games([game])
    return local_prices(stack, uncoupled_start(stack) if start is None else start, **options)


def slopes(game: GameInstance, prices: FloatArray, share: float = 0.0) -> FloatArray:
    """dU_j/dp_j, relative to U_j / p_j, with each leader's own price changed by a share, [R]."""
    vectors = np.repeat(prices[None], len(prices), axis=0) * (1.0 + share * np.eye(len(prices)))
    result = payoffs(game, vectors)
    own: FloatArray = np.diagonal(result.slope * prices / result.profit).copy()
    return own


def pinned_leaders(game: GameInstance, found: Found) -> FloatArray:
    """Which leaders sit where one of their AVs just reaches b_max, [R]."""
    cases = Cases(stack_games([game]), found.prices)
    wanted = game.satisfaction[:, None] / cases.net_price(found.demand)[0] - game.offset[:, None]
    pinned: FloatArray = (np.abs(wanted / game.bandwidth_max - 1.0) <= 1e-8).any(axis=0)
    return pinned


def assert_at_rest(game: GameInstance, found: Found) -> None:
    """The first-order condition, with the one-sided slopes at kinks and bounds.

    Where other leaders' AVs just reach b_max a payoff may bend upward a little: the condition then
    holds for the AVs as they are, held or free, not as a step to either side makes them.
    """
    assert found.converged.all()
    prices, pinned = found.prices[0], pinned_leaders(game, found)
    left, right = slopes(game, prices, -1e-6), slopes(game, prices, 1e-6)
    lowest = prices <= np.maximum(game.price_min, 1e-6 * game.price_max) * (1.0 + 1e-9)
    highest = prices >= game.price_max * (1.0 - 1e-9)
    tolerance = np.where(pinned | (not pinned.any()), 1e-4, 5e-3)
    assert ((left >= -tolerance) | lowest).all()
    assert ((right <= tolerance) | highest).all()


@pytest.mark.parametrize(
    "name", ["base", "symmetric-4", "random-4x3", "own-costs", "pennies", "zero-offset"]
)
def test_the_first_order_conditions_hold_to_the_last_digits(name: str) -> None:
    game = GAMES[name]
    found = found_from(game)
    assert found.converged.all()
    assert slopes(game, found.prices[0]) == pytest.approx(np.zeros(game.n_rsus), abs=1e-9)
    careful = follower_equilibria(game, found.prices).demand
    assert found.demand == pytest.approx(careful, abs=1e-9 * game.bandwidth_max)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_where_it_claims_to_be_at_rest_nobody_gains_by_a_little(seed: int) -> None:
    rng = np.random.default_rng(seed)
    game = with_changes(random_game(rng), bandwidth_max=float(rng.uniform(2.0, 12.0)))
    found = found_from(game)
    if found.converged[0] and (found.demand[0].sum(axis=0) > 0.0).all():
        assert_at_rest(game, found)


def test_ordinary_games_take_few_steps() -> None:
    for seed in range(20):
        found = found_from(random_game(np.random.default_rng(seed), n_avs=5, n_rsus=3))
        assert found.converged.all()
        assert found.iterations[0] <= 12


def test_many_starts_lead_to_the_one_equilibrium() -> None:
    game = base_case()
    starts = 2.0 + 28.0 * np.random.default_rng(0).random((30, 2))
    found = found_from(game, starts)
    assert found.converged.all()
    assert found.prices == pytest.approx(np.repeat(found.prices[:1], 30, axis=0), rel=1e-9)
    alone = found_from(game, starts[7:8])
    assert found.prices[7] == pytest.approx(alone.prices[0], rel=1e-12)


@pytest.mark.parametrize("name", ["small-b-max", "kink-of-one", "kinks-shared"])
def test_a_leader_stays_where_an_av_just_reaches_b_max(name: str) -> None:
    game = GAMES[name]
    found = found_from(game)
    assert found.converged.all()
    pinned = pinned_leaders(game, found)
    assert pinned.any()
    left, right = slopes(game, found.prices[0], -1e-6), slopes(game, found.prices[0], 1e-6)
    assert (left[pinned] > 1e-3).all()
    assert (right[pinned] < -1e-3).all()
    assert left[~pinned] == pytest.approx(np.zeros((~pinned).sum()), abs=1e-4)


def test_both_ends_of_a_continuum_are_found() -> None:
    """Where leaders share a kink, by whether AVs at b_max count as held or as free."""
    game = GAMES["kinks-shared"]
    held, free = found_from(game), found_from(game, free_at_cap=True)
    assert held.converged.all()
    assert free.converged.all()
    ends = sorted([held.prices[0].tolist(), free.prices[0].tolist()])
    assert ends[0] == pytest.approx([4.30720, 3.19884], rel=1e-5)
    assert ends[1] == pytest.approx([4.36993, 3.19074], rel=1e-5)
    for found in (held, free):
        assert_at_rest(game, found)


@pytest.mark.parametrize("name", ["capacity-binds", "capacity-of-one", "capacity-own-costs"])
def test_a_short_rsu_asks_its_clearing_price(name: str) -> None:
    game = GAMES[name]
    found = found_from(game)
    assert found.converged.all()
    assert game.capacity is not None
    load = expected_load(Cases(stack_games([game]), found.prices).theta, found.demand)[0]
    short = load >= game.capacity * (1.0 - 1e-6)
    assert short.any()
    assert load[short] == pytest.approx(game.capacity[short], rel=1e-9)
    assert (found.prices < game.price_max).all()
    assert_at_rest(game, found)
    rest = slopes(game, found.prices[0])[~short]
    assert rest == pytest.approx(np.zeros(rest.size), abs=1e-9)


def test_capacity_that_is_never_short_changes_nothing() -> None:
    with_room = found_from(GAMES["capacity-slack"])
    assert with_room.prices == pytest.approx(found_from(base()).prices, rel=1e-12)


def test_a_hopeless_rsu_asks_p_max() -> None:
    game = GAMES["capacity-tiny"]
    found = found_from(game)
    assert (found.prices <= game.price_max).all()
    assert_at_rest(game, found)


@pytest.mark.parametrize("name", ["low-p-max", "p-max-between", "all-negative-offsets"])
def test_prices_stop_at_p_max(name: str) -> None:
    game = GAMES[name]
    found = found_from(game)
    assert found.converged.all()
    assert (found.prices <= game.price_max).all()
    assert found.prices.max() == pytest.approx(game.price_max, rel=1e-12)
    assert_at_rest(game, found)


def test_haste_costs_few_digits_and_saves_steps() -> None:
    saved = 0
    for seed in range(10):
        game = random_game(np.random.default_rng(seed), n_avs=6, n_rsus=3)
        exact, hasty = found_from(game), found_from(game, hasty=True)
        assert hasty.converged.all()
        assert hasty.prices == pytest.approx(exact.prices, rel=1e-7)
        assert hasty.iterations[0] <= exact.iterations[0]
        saved += int(exact.iterations[0] - hasty.iterations[0])
    assert saved > 0


def test_answers_may_come_from_elsewhere() -> None:
    game = GAMES["random-4x3"]
    asked = []

    def answer(prices: FloatArray) -> FloatArray:
        asked.append(len(prices))
        return follower_equilibria(game, prices).demand

    stack = stack_games([game])
    starts = np.repeat(uncoupled_start(stack), 2, axis=0) * [[1.0], [1.2]]
    found = local_prices(stack, starts, answer=answer)
    assert found.converged.all()
    assert max(asked) == 2
    assert found.prices == pytest.approx(np.repeat(found_from(game).prices, 2, axis=0), rel=1e-9)


def test_cases_on_the_way_to_a_known_equilibrium_are_given_up() -> None:
    stack = stack_games([base_case()])
    goal = found_from(base_case()).prices
    starts = np.vstack([0.6 * goal, goal, 1.6 * goal])
    for known in (goal, np.vstack([9.0 * goal, goal])):
        assert local_prices(stack, starts, known=known).met.all()
    found = local_prices(stack, starts, known=1.05 * goal)
    assert found.converged.any()
    assert found.prices[found.converged][0] == pytest.approx(goal[0], rel=1e-9)
    assert not local_prices(stack, starts).met.any()


def test_what_one_case_has_reached_is_known_to_the_others() -> None:
    stack = stack_games([base_case()])
    near = found_from(base_case()).prices * 1.001
    found = local_prices(stack, np.vstack([near, 4.0 * near]), known=np.empty((0, 2)))
    assert found.converged.tolist() == [True, False]
    assert found.met.tolist() == [False, True]


def test_nobody_on_the_way_to_a_kink_is_given_up() -> None:
    """Equilibria at a kink may be a continuum, of which others than the known one matter."""
    game = GAMES["kinks-shared"]
    goal = found_from(game).prices
    found = local_prices(stack_games([game]), np.vstack([1.01 * goal, 0.99 * goal]), known=goal)
    assert found.converged.all()


def test_no_step_is_taken_after_the_deadline() -> None:
    stack = stack_games([base_case()])
    start = uncoupled_start(stack)
    found = local_prices(stack, start, deadline=time.perf_counter())
    assert found.iterations.tolist() == [1]
    assert not found.converged.any()
    assert (found.prices == start).all()
    careful = follower_equilibria(base_case(), start).demand
    assert found.demand == pytest.approx(careful, abs=0.1)
    assert local_prices(stack, start, deadline=time.perf_counter() + 60.0).converged.all()


def test_many_games_side_by_side_are_each_solved() -> None:
    games = [random_game(np.random.default_rng(k), n_avs=4, n_rsus=3) for k in range(12)]
    stack = stack_games(games)
    found = local_prices(stack, uncoupled_start(stack))
    assert found.converged.all()
    for k, game in enumerate(games):
        assert found.prices[k] == pytest.approx(found_from(game).prices[0], rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_uncoupled_games_have_the_closed_form(seed: int) -> None:
    rng = np.random.default_rng(seed)
    game = with_changes(
        random_game(rng, n_avs=5, n_rsus=4), social=0.0, service=0.0, offset=1.0,
        cost=rng.uniform(1.0, 4.0, 4), bandwidth_max=100.0,
    )  # fmt: skip
    expected = uncoupled_prices(game)
    assert uncoupled_start(stack_games([game]))[0] == pytest.approx(expected, rel=0.02)
    found = found_from(game)
    assert found.prices[0] == pytest.approx(expected, rel=1e-9)


def test_the_uncoupled_start_keeps_within_the_bounds() -> None:
    for name in ("all-negative-offsets", "cost-near-p-max", "low-p-max", "free-leader"):
        stack = stack_games([GAMES[name]])
        start = uncoupled_start(stack)
        assert (start >= stack.price_low * (1.0 - 1e-12)).all()
        assert (start <= stack.price_high * (1.0 + 1e-12)).all()

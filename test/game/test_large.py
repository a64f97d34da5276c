"""Large games: the approximations agree with the exact way where both can be had."""

from __future__ import annotations

import time
from math import inf

import numpy as np
import pytest
from games import base_case, random_game, symmetric, with_changes

from veaat_migration.game import stack as stack_module
from veaat_migration.game.capacity import expected_load
from veaat_migration.game.equilibrium import TOLERANCE_LARGE, Status, default_tolerance, solve
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.kernel import Cases
from veaat_migration.game.large_lines import ColumnEvaluator
from veaat_migration.game.line_search import IntArray
from veaat_migration.game.price_lines import OutOfTimeError, _Evaluator, best_prices
from veaat_migration.game.quasi_newton import local_prices, uncoupled_start
from veaat_migration.game.stack import is_large, stack_games

FACTORS = np.array([0.5, 0.8, 0.97, 1.0, 1.03, 1.2, 2.0])


def middling(*, short: bool = False) -> GameInstance:
    """20 AVs and 10 RSUs, weakly coupled; ``short``: about half of the RSUs lack capacity."""
    game = random_game(np.random.default_rng(1), n_avs=20, n_rsus=10)
    if not short:
        return game
    prices, demand = at_rest(game)
    theta = Cases(stack_games([game]), prices[None]).theta[0]
    load = expected_load(theta, demand)
    return with_changes(game, capacity=load * np.tile([0.8, 1.5], 5))


def at_rest(game: GameInstance) -> tuple[FloatArray, FloatArray]:
    stack = stack_games([game])
    found = local_prices(stack, uncoupled_start(stack))
    assert found.converged.all()
    return found.prices[0], found.demand[0]


def points_around(prices: FloatArray) -> tuple[IntArray, FloatArray]:
    """Seven prices of every leader."""
    return np.repeat(np.arange(len(prices)), len(FACTORS)), (prices[:, None] * FACTORS).ravel()


@pytest.mark.parametrize("short", [False, True], ids=["ample", "short"])
def test_payoffs_of_one_column_are_close_to_exact_ones(short: bool) -> None:
    game = middling(short=short)
    prices, demand = at_rest(game)
    exact = _Evaluator(game, prices, "low", demand, inf)
    column = ColumnEvaluator(stack_games([game]), prices, demand)
    rsus, points = points_around(prices)
    right, rough = exact(rsus, points), column(rsus, points)
    value, slope = np.abs(right.value).max(), np.abs(right.slope).max()
    assert rough.value == pytest.approx(right.value, abs=1e-5 * value)
    assert rough.slope == pytest.approx(right.slope, abs=1e-5 * slope)
    here = points == prices[rsus]
    assert rough.value[here] == pytest.approx(right.value[here], rel=1e-12)


@pytest.mark.parametrize("short", [False, True], ids=["ample", "short"])
def test_slopes_of_one_column_are_those_of_its_values(short: bool) -> None:
    game = middling(short=short)
    prices, demand = at_rest(game)
    column = ColumnEvaluator(stack_games([game]), prices, demand)
    rsus, points = points_around(prices)
    now = column(rsus, points)
    after, before = column(rsus, points * (1.0 + 1e-6)), column(rsus, points * (1.0 - 1e-6))
    smooth = (after.signature == now.signature) & (before.signature == now.signature)
    smooth = smooth[:, 0]
    assert smooth.mean() > 0.8
    slope = (after.value - before.value) / (2e-6 * points)
    scale = np.abs(slope).max()
    assert now.slope[smooth] == pytest.approx(slope[smooth], rel=1e-5, abs=1e-6 * scale)
    if short:
        cases = Cases(stack_games([game]), prices[None])
        load = expected_load(cases.theta[0], demand)
        assert (load >= (1.0 - 1e-6) * game.capacity).any()
        assert len(np.unique(now.signature)) > 1


def test_columns_are_evaluated_in_parts_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    from veaat_migration.game import large_lines

    game = middling()
    prices, demand = at_rest(game)
    column = ColumnEvaluator(stack_games([game]), prices, demand)
    whole = column(*points_around(prices))
    monkeypatch.setattr(large_lines, "_CHUNK", 20 * 9)
    parts = column(*points_around(prices))
    assert parts.value == pytest.approx(whole.value, rel=1e-12)
    assert (parts.signature == whole.signature).all()


@pytest.mark.parametrize("kind", ["base", "random", "short", "substitutes"])
def test_a_game_taken_for_large_has_the_ordinary_solution(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = {
        "base": base_case(),
        "random": random_game(np.random.default_rng(2), n_avs=12, n_rsus=6),
        "short": middling(short=True),
        "substitutes": base_case(-0.02),
    }[kind]
    assert not is_large(game)
    ordinary = solve(game)
    monkeypatch.setattr(stack_module, "_LARGE", 1)
    assert is_large(game)
    assert default_tolerance(game) == TOLERANCE_LARGE
    large = solve(game)
    assert ordinary.status in {Status.CERTIFIED, Status.CERTIFIED_NOT_UNIQUE}
    assert large.prices == pytest.approx(ordinary.prices, rel=1e-3)
    assert (large.prices != ordinary.prices).any()
    careful = follower_equilibria(game, large.prices).demand[0]
    assert large.demand == pytest.approx(careful, abs=1e-8 * game.bandwidth_max)
    if kind != "base":
        assert large.status is ordinary.status
    assert large.status in {Status.CERTIFIED, Status.CERTIFIED_NOT_UNIQUE}


def test_games_with_other_couplings_are_never_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_module, "_LARGE", 1)
    rng = np.random.default_rng(0)
    assert not is_large(random_game(rng, n_avs=4, n_rsus=3, delay=True))
    assert not is_large(random_game(rng, n_avs=4, n_rsus=3, externality="multiplicative"))


def city(n_avs: int, n_rsus: int) -> GameInstance:
    """AVs that know some others, RSUs that serve neighbouring streets."""
    rng = np.random.default_rng(0)
    near = np.abs(np.subtract.outer(np.arange(n_rsus), np.arange(n_rsus))) <= 3
    few = rng.random((n_avs, n_avs)) < 20.0 / n_avs
    return GameInstance.create(
        satisfaction=rng.uniform(15.0, 35.0, n_avs), offset=rng.uniform(0.5, 1.5, n_avs),
        quality=rng.uniform(0.7, 1.3, n_rsus), cost=rng.uniform(2.0, 4.0, n_rsus),
        social=symmetric(few * rng.uniform(0.0, 0.004, (n_avs, n_avs))),
        service=symmetric(near * rng.uniform(-0.002, 0.004, (n_rsus, n_rsus))),
        price_max=30.0, bandwidth_max=25.0,
    )  # fmt: skip


def test_size_alone_decides_what_is_large() -> None:
    for game, large in ((city(300, 90), True), (city(240, 90), False), (middling(), False)):
        assert is_large(game) is large
        assert stack_games([game]).large is large


def test_the_clock_is_looked_at_in_large_games(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_module, "_LARGE", 1)
    game = middling()
    prices, demand = at_rest(game)
    with pytest.raises(OutOfTimeError):
        best_prices(game, prices, demand=demand, give_up=time.perf_counter())
    assert len(best_prices(game, prices, demand=demand)) == 10


@pytest.mark.slow
def test_a_really_large_game_is_certified_in_seconds() -> None:
    game = city(300, 90)
    assert is_large(game)
    began = time.perf_counter()
    solution = solve(game)
    assert time.perf_counter() - began < 30.0
    assert solution.status is Status.CERTIFIED
    assert solution.exploitability is not None
    assert solution.exploitability.largest <= TOLERANCE_LARGE
    stack = stack_games([game])
    rng = np.random.default_rng(1)
    rsus = rng.choice(90, 3, replace=False)
    # the exact payoffs of a few leaders, at prices near and far
    exact = _Evaluator(game, solution.prices, "low", solution.demand, inf)
    points = (solution.prices[rsus, None] * np.array([0.9, 0.999, 1.0, 1.001, 1.1])).ravel()
    samples = exact(np.repeat(rsus, 5), points)
    gain = samples.value.reshape(3, 5) / samples.value.reshape(3, 5)[:, 2:3] - 1.0
    assert gain.max() <= 1e-6
    column = ColumnEvaluator(stack, solution.prices, solution.demand)
    rough = column(np.repeat(rsus, 5), points)
    assert rough.value == pytest.approx(samples.value, rel=1e-4)

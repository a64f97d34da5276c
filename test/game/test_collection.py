"""What `solve` says about a collection of traps, against brute force."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import oracle
import pytest
from collection import CASES, GOOD, base

from veaat_migration.game.closed_form import uncoupled_prices
from veaat_migration.game.equilibrium import TOLERANCE, TOLERANCE_WITH_DELAY, solve
from veaat_migration.game.solution import Solution

BY_NAME = {case.name: case for case in CASES}
assert len(BY_NAME) == len(CASES)
ALL = [
    pytest.param(case.name, marks=[pytest.mark.slow] if case.slow else [], id=case.name)
    for case in CASES
]


@cache
def solved(name: str) -> Solution:
    case = BY_NAME[name]
    return solve(case.game, time_limit=60.0 if case.slow else 5.0)


@pytest.mark.parametrize("name", ALL)
def test_the_status_is_one_that_is_true(name: str) -> None:
    assert solved(name).status.value in BY_NAME[name].statuses


@pytest.mark.parametrize("name", ALL)
def test_nobody_gains_more_than_claimed(name: str) -> None:
    case, solution = BY_NAME[name], solved(name)
    gains = oracle.exploitability(case.game, solution.prices, solution.demand, points=case.points)
    assert solution.exploitability is not None
    claimed = solution.exploitability.largest
    rounding = 1e-11 if case.game.delay is None else 1e-9
    assert gains.largest <= 1.01 * claimed + rounding
    if solution.status.value in GOOD | {"infeasible_followers"}:
        tolerance = TOLERANCE if case.game.delay is None else TOLERANCE_WITH_DELAY
        assert max(claimed, gains.largest) <= tolerance


@pytest.mark.parametrize("name", ALL)
def test_avs_have_one_answer_where_that_is_proven(name: str) -> None:
    game, solution = BY_NAME[name].game, solved(name)
    if not solution.followers_unique:
        assert solution.status.value != "certified"
        return
    for start in ("low", "high"):
        demand = oracle.followers(game, solution.prices, start)[0]
        assert demand == pytest.approx(solution.demand, abs=1e-7 * game.bandwidth_max)


@pytest.mark.parametrize("name", [item for item in ALL if BY_NAME[str(item.id)].equilibria])
def test_every_known_equilibrium_is_reported(name: str) -> None:
    case, solution = BY_NAME[name], solved(name)
    reported = [solution.prices, *(other.prices for other in solution.other_equilibria)]
    for prices in case.equilibria:
        assert any(np.abs(np.array(prices) / p - 1.0).max() <= 1e-4 for p in reported), prices


def named(game: Any) -> tuple[int, ...]:
    """AVs, from 1, that miss their limit even with b_max at prices p_max (oracle's own sum)."""
    p = np.full((1, len(game.quality)), game.price_max)
    full = np.full((1, len(game.quality)), game.bandwidth_max)
    return tuple(
        i + 1
        for i in range(len(game.satisfaction))
        if oracle.expected_delay(game, p, full, i)[0] > game.delay.max_delay[i]
    )


@pytest.mark.parametrize("name", ["delay-infeasible-one", "delay-infeasible-all", "delay-edge"])
def test_hopeless_avs_are_named(name: str) -> None:
    """Equal base delays: whether an AV has hope does not depend on the prices."""
    expected = named(BY_NAME[name].game) if name != "delay-edge" else ()
    assert solved(name).infeasible_followers == expected


def test_equal_leaders_ask_equal_prices() -> None:
    for name in ("symmetric-2", "symmetric-4"):
        prices = solved(name).prices
        assert prices == pytest.approx(np.full(len(prices), prices[0]), rel=1e-8)


def test_the_unit_of_money_changes_nothing() -> None:
    prices = solved("base").prices
    assert solved("pennies").prices / 1e3 == pytest.approx(prices, rel=1e-8)
    assert solved("millions").prices * 1e6 == pytest.approx(prices, rel=1e-8)


def test_the_oracle_finds_what_is_there() -> None:
    """It agrees with the closed form, and sees prices and demands that are a little wrong."""
    game = base(social=0.0, service=0.0)
    prices, at_rest = oracle.equilibrium(game, [3.0, 9.0])
    assert at_rest
    assert prices == pytest.approx(uncoupled_prices(game), rel=1e-6)
    demand = oracle.followers(game, prices)[0]
    assert oracle.exploitability(game, prices, demand).largest <= 1e-11
    dear = prices * np.array([1.02, 1.0])
    gains = oracle.exploitability(game, dear, oracle.followers(game, dear)[0])
    assert gains.leaders[0] > 1e-4
    assert gains.leaders[1] > 0.0
    wrong = demand.copy()
    wrong[1, 0] *= 1.01
    assert oracle.exploitability(game, prices, wrong).followers[1] > 1e-5


def test_the_oracle_keeps_the_delay_limit_at_least_cost() -> None:
    """On the limit no exchange of one RSU's bandwidth for another's helps."""
    game = BY_NAME["delay-one"].game
    prices = np.array([[7.5, 9.2]])
    demand = oracle.followers(game, prices)
    assert oracle.expected_delay(game, prices, demand[:, 0], 0)[0] == pytest.approx(7.0, rel=1e-12)
    theta = oracle.matching(game, prices)[0]
    now = oracle.follower_worth(game, prices, demand, 0)[0]
    for step in (-0.01, 0.01):
        trial = demand.copy()
        trial[0, 0, 0] += step
        room = 7.0 - (theta * 0.2).sum() - theta[0] * 400.0 / 12.0 / trial[0, 0, 0]
        trial[0, 0, 1] = theta[1] * 400.0 / 12.0 / room
        assert oracle.follower_worth(game, prices, trial, 0)[0] < now

"""Derivatives of total demand and cost through the AVs' equilibrium."""

from __future__ import annotations

import numpy as np
import pytest
from games import base_case, random_game, with_changes

from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.kernel import Cases, equilibria
from veaat_migration.game.large_totals import approximate_totals
from veaat_migration.game.stack import GameStack, stack_games
from veaat_migration.game.totals import Totals, diagonal, exact_totals


def free(seed: int, v: int, r: int, **changes: object) -> GameInstance:
    """A game in which no AV is at a bound at ordinary prices."""
    game = random_game(np.random.default_rng(seed), n_avs=v, n_rsus=r, strength=2.0)
    return with_changes(game, offset=0.8, bandwidth_max=100.0, **changes)


GAMES = {
    "equal-costs": base_case(),
    "unequal-costs": free(1, 4, 3),
    "conjugate-gradients": free(2, 15, 3),
    "one-av": free(3, 1, 3),
    "one-rsu": free(4, 4, 1),
    "b-max-binds": with_changes(base_case(), bandwidth_max=4.7, cost=[[2, 3], [3, 2], [1, 2.0]]),
}
EVERY_GAME = pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)


def inverse_prices(game: GameInstance, number: int = 3) -> FloatArray:
    rng = np.random.default_rng(0)
    inverse: FloatArray = 1.0 / rng.uniform(4.0, 6.0, (number, game.n_rsus))
    return inverse


def at(stack: GameStack, inverse: FloatArray) -> tuple[Cases, FloatArray]:
    cases = Cases(stack, 1.0 / inverse)
    guess = np.zeros((len(inverse), stack.n_avs, stack.n_rsus))
    demand, converged = equilibria(cases, guess)
    assert converged.all()
    return cases, demand


def exact(stack: GameStack, inverse: FloatArray) -> Totals:
    return exact_totals(*at(stack, inverse))


def differences(stack: GameStack, inverse: FloatArray, name: str) -> FloatArray:
    """Central differences by y_l of some field of the totals; l is the last axis."""
    columns = []
    for step in 1e-5 * inverse.mean() * np.eye(stack.n_rsus):
        after, before = exact(stack, inverse + step), exact(stack, inverse - step)
        columns.append((getattr(after, name) - getattr(before, name)) / (2.0 * step.sum()))
    return np.stack(columns, axis=-1)


@EVERY_GAME
@pytest.mark.parametrize("name", ["quantity", "cost"])
def test_slopes_agree_with_differences(game: GameInstance, name: str) -> None:
    stack, inverse = stack_games([game]), inverse_prices(game)
    slope = getattr(exact(stack, inverse), f"{name}_slope")
    expected = differences(stack, inverse, name)
    assert slope == pytest.approx(expected, rel=1e-6, abs=1e-7 * np.abs(expected).max())


@EVERY_GAME
@pytest.mark.parametrize("name", ["quantity", "cost"])
def test_second_derivatives_agree_with_differences(game: GameInstance, name: str) -> None:
    """The bend [j, l] is d2/(dy_j dy_l): how the own slope of j changes by y_l."""
    stack, inverse = stack_games([game]), inverse_prices(game)
    bend = getattr(exact(stack, inverse), f"{name}_bend")
    rsus = np.arange(game.n_rsus)
    expected = differences(stack, inverse, f"{name}_slope")[:, rsus, rsus]
    assert bend == pytest.approx(expected, rel=1e-5, abs=1e-6 * np.abs(expected).max())


@EVERY_GAME
def test_prediction_is_right_to_first_order(game: GameInstance) -> None:
    stack, inverse = stack_games([game]), inverse_prices(game)
    change = 1e-4 * inverse * np.random.default_rng(1).normal(size=inverse.shape)
    demand, after = at(stack, inverse)[1], at(stack, inverse + change)[1]
    predicted = exact(stack, inverse).predict(change)
    assert after - demand == pytest.approx(predicted, abs=1e-2 * np.abs(predicted).max())


def held_at_cap() -> tuple[GameStack, FloatArray, Totals]:
    game = GAMES["b-max-binds"]
    stack, inverse = stack_games([game]), inverse_prices(game)
    totals = exact(stack, inverse)
    assert totals.regime.capped.any()
    assert not totals.regime.capped.all()
    return stack, inverse, totals


def test_the_pull_of_prices_reaches_avs_at_their_bound_too() -> None:
    """What an AV would buy without bounds moves though it is held."""
    stack, inverse, totals = held_at_cap()
    for j, step in enumerate(1e-6 * np.eye(stack.n_rsus)):
        after, before = exact(stack, inverse + step), exact(stack, inverse - step)
        expected = (after.regime.root - before.regime.root)[:, :, j] / 2e-6
        assert totals.own_pull[:, :, j] == pytest.approx(expected, rel=1e-5)


def test_kink_rows_tell_how_one_av_moves_with_all_prices() -> None:
    stack, inverse, totals = held_at_cap()
    r, n = stack.n_rsus, len(inverse)
    pull = np.stack(
        [
            (exact(stack, inverse + s).regime.root - exact(stack, inverse - s).regime.root) / 2e-6
            for s in 1e-6 * np.eye(r)
        ],
        axis=-1,
    )
    kink = np.random.default_rng(0).integers(0, stack.n_avs, (n, r))
    rows = totals.kink_rows(kink)
    for k in range(n):
        for j in range(r):
            expected = pull[k, kink[k, j], j] / pull[k, kink[k, j], j, j]
            assert rows[k, j] == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", ["equal-costs", "unequal-costs"])
def test_weights_tell_what_one_avs_demand_adds(name: str) -> None:
    """An AV that needs a little less from one RSU buys that much more there; others react."""
    game = GAMES[name]
    cases, demand = at(stack_games([game]), inverse_prices(game))
    totals = exact_totals(cases, demand)
    for i in range(game.n_avs):
        for j in range(game.n_rsus):
            sides = []
            for need in (-1e-5, 1e-5):
                b, offset = demand, np.repeat(cases.stack.offset, game.n_rsus, axis=2)
                offset[0, i, j] += need
                for _ in range(100):
                    b = cases.stack.satisfaction / cases.net_price(b) - offset
                sides.append(b)
            moved = (sides[0] - sides[1])[:, :, j] / 2e-5
            assert totals.weights()[0][:, i, j] == pytest.approx(moved.sum(axis=1), rel=1e-6)
            costs = (moved * game.cost[:, j]).sum(axis=1)
            assert totals.weights()[1][:, i, j] == pytest.approx(costs, rel=1e-6)


def test_the_margin_decides_who_counts_as_held() -> None:
    game = with_changes(base_case(0.0), bandwidth_max=5.0)
    stack = stack_games([game])
    x = float(game.satisfaction[0] / (5.0 * (1.0 - 1e-6) + game.offset[0]))  # AV 1 almost at b_max
    cases, demand = at(stack, np.array([[1.0 / x, 1.0 / x]]))
    assert not exact_totals(cases, demand).regime.capped[0, 0].any()
    assert exact_totals(cases, demand, 1e-5).regime.capped[0, 0].all()
    assert (
        exact_totals(cases, demand, 1e-5).quantity_slope[0, 0, 0]
        < (exact_totals(cases, demand).quantity_slope[0, 0, 0])
    )
    x = float(game.satisfaction[0] / (5.0 * (1.0 + 1e-6) + game.offset[0]))  # just beyond
    cases, demand = at(stack, np.array([[1.0 / x, 1.0 / x]]))
    assert exact_totals(cases, demand).regime.capped[0, 0].all()
    assert not exact_totals(cases, demand, -1e-5).regime.capped[0, 0].any()


def slope_errors(game: GameInstance, share: float) -> dict[str, float]:
    """Largest errors of the approximate slopes, with all couplings times ``share``."""
    game = with_changes(game, social=share * game.social, service=share * game.service)
    cases, demand = at(stack_games([game]), inverse_prices(game))
    right, rough = exact_totals(cases, demand), approximate_totals(cases, demand)
    assert (rough.quantity == right.quantity).all()
    assert (rough.cost == right.cost).all()
    return {
        name: float(
            np.abs(diagonal(getattr(rough, name)) - diagonal(getattr(right, name))).max()
            / np.abs(getattr(right, name)).max()
        )
        for name in ("quantity_slope", "cost_slope")
    }


@pytest.mark.parametrize("name", ["unequal-costs", "conjugate-gradients"])
def test_approximate_slopes_are_wrong_by_terms_of_third_order(name: str) -> None:
    whole, half = slope_errors(GAMES[name], 1.0), slope_errors(GAMES[name], 0.5)
    for field in whole:
        assert 0.0 < whole[field] <= 1e-3
        assert 5.5 <= whole[field] / half[field] <= 14.0


@EVERY_GAME
def test_approximate_totals_are_close_to_exact_ones(game: GameInstance) -> None:
    weak = with_changes(game, social=0.3 * game.social, service=0.3 * game.service)
    cases, demand = at(stack_games([weak]), inverse_prices(weak))
    right, rough = exact_totals(cases, demand), approximate_totals(cases, demand)
    for name, tolerance in (("slope", 1e-3), ("bend", 0.1)):
        for field in (f"quantity_{name}", f"cost_{name}"):
            expected = diagonal(getattr(right, field))
            assert diagonal(getattr(rough, field)) == pytest.approx(expected, rel=tolerance), field
    across = np.abs(rough.quantity_slope - right.quantity_slope).max()
    assert across <= 1e-2 * np.abs(right.quantity_slope).max()
    assert rough.own_pull == pytest.approx(right.own_pull, rel=1e-2)
    assert rough.weights()[0] == pytest.approx(right.weights()[0], rel=1e-2)
    assert rough.weights()[1] == pytest.approx(right.weights()[1], rel=0.05)
    kink = np.zeros((len(demand), weak.n_rsus), dtype=int)
    assert rough.kink_rows(kink) == pytest.approx(right.kink_rows(kink), abs=1e-2)
    change = 1e-3 / cases.prices
    assert rough.predict(change) == pytest.approx(right.predict(change), rel=0.05)


def test_without_service_coupling_the_approximation_is_exact() -> None:
    game = with_changes(GAMES["unequal-costs"], service=0.0)
    cases, demand = at(stack_games([game]), inverse_prices(game))
    right, rough = exact_totals(cases, demand), approximate_totals(cases, demand)
    for name in ("quantity_slope", "cost_slope", "quantity_bend", "own_pull"):
        expected = getattr(right, name)
        assert getattr(rough, name) == pytest.approx(
            expected, rel=1e-7, abs=1e-7 * np.abs(expected).max()
        ), name

"""The leader's demand model: exact where its form is exact, sane where data are poor."""

from __future__ import annotations

import numpy as np
import pytest

from veaat_migration.policy.best_response import best_price
from veaat_migration.policy.demand_model import DemandModel, LocalDemand


def uncoupled(prices, weights, offsets):
    return weights / prices - offsets


def test_uncoupled_demand_is_learned_exactly():
    rng = np.random.default_rng(1)
    weights, offsets, cost = np.array([75.0, 75.0]), np.array([2.9, 2.9]), 2.0
    model = DemandModel(0, 2)
    for round_ in range(1, 31):
        prices = np.array([4.7, 5.7]) * rng.uniform(0.95, 1.05, 2)
        demand = uncoupled(prices, weights, offsets)
        model.observe(round_, prices, demand, cost * demand[0])
        local = model.fit()
    assert local.quantity == pytest.approx((-2.9, 75.0), rel=1e-3)
    assert local.cost == pytest.approx((-2.0 * 2.9, 2.0 * 75.0), rel=1e-3)
    assert model.prediction_error < 1e-4


def test_long_run_slope_includes_what_followers_do_to_each_other():
    """L(n) = A y(n) + g L(n-1) answers a lasting price change 1/(1-g) times as strongly."""
    rng = np.random.default_rng(2)
    model, lagged, g = DemandModel(0, 1), 20.0, 0.2
    for round_ in range(1, 41):
        price = 5.0 * rng.uniform(0.95, 1.05)
        lagged = 80.0 / price + g * lagged - 3.0
        model.observe(round_, np.array([price]), np.array([lagged]), lagged)
        local = model.fit()
    assert local.quantity[1] == pytest.approx(80.0 / (1 - g), rel=3e-2)


def test_rivals_moving_at_the_same_time_do_not_mislead():
    """The own slope is told apart from a rival whose price rises together with the own one."""
    rng = np.random.default_rng(3)
    model = DemandModel(0, 2)
    for round_ in range(1, 41):
        common = 1.0 + 0.5 / round_
        prices = np.array([4.0, 5.0]) * common * (1.0 + 0.003 * rng.uniform(-1, 1, 2))
        demand = np.array([70.0 / prices[0] + 15.0 / prices[1], 70.0 / prices[1]])
        model.observe(round_, prices, demand, demand[0])
    assert model.fit().quantity[1] == pytest.approx(70.0, rel=2e-2)


def test_a_gap_between_rounds_is_not_taken_for_a_step():
    model = DemandModel(0, 1)
    model.observe(1, np.array([5.0]), np.array([10.0]), 20.0)
    model.observe(2, np.array([4.9]), np.array([10.3]), 20.6)
    before = len(model._samples)
    model.observe(7, np.array([4.0]), np.array([13.0]), 26.0)
    assert len(model._samples) == before
    model.observe(8, np.array([4.1]), np.array([12.7]), 25.4)
    assert len(model._samples) == before + 1


def test_one_round_is_enough_for_a_plausible_answer():
    model = DemandModel(1, 3)
    model.observe(1, np.array([4.0, 5.0, 6.0]), np.array([12.0, 10.0, 8.0]), 25.0)
    local = model.fit()
    assert 1.0 < local.elasticity < 1.5
    assert local.quantity[0] + local.quantity[1] / 5.0 == pytest.approx(10.0)
    assert local.cost[0] + local.cost[1] / 5.0 == pytest.approx(25.0)


@pytest.mark.parametrize(("quality", "rivals"), [(1.0, 0.3), (1.2, 0.05), (0.5, 0.0)])
def test_best_price_maximises_the_modelled_profit(quality, rivals):
    demand = LocalDemand(quantity=(-3.0, 75.0), cost=(-6.0, 150.0), elasticity=1.3)
    price = best_price(demand, quality, rivals)
    grid = np.linspace(2.0, 60.0, 200001)
    y = 1.0 / grid
    quantity = demand.quantity[0] + demand.quantity[1] * y
    cost = demand.cost[0] + demand.cost[1] * y
    profit = quality * y / (rivals + quality * y) * (quantity / y - cost)
    assert price == pytest.approx(grid[np.argmax(profit)], abs=1e-3)


def test_best_price_is_the_papers_equation_23_for_linear_demand():
    a, e, c, q, g = 75.0, 2.854, 2.0, 1.0, 0.21
    demand = LocalDemand(quantity=(-e, a), cost=(-c * e, c * a), elasticity=1.2)
    y = (-g + np.sqrt((g + q / c) * (g + q * e / a))) / q
    assert best_price(demand, q, g) == pytest.approx(1.0 / y, rel=1e-12)


def test_demand_that_does_not_fall_asks_for_ever_more():
    saturated = LocalDemand(quantity=(30.0, 0.0), cost=(60.0, 0.0), elasticity=0.0)
    assert best_price(saturated, 1.0, 0.2) == np.inf
    rising_profit = LocalDemand(quantity=(20.0, 10.0), cost=(1.0, 100.0), elasticity=0.1)
    assert best_price(rising_profit, 1.0, 0.01) == np.inf


def test_without_marginal_cost_profit_is_monotone():
    assert best_price(LocalDemand((-3.0, 75.0), (0.0, 0.0), 1.2), 1.0, 0.2) == 0.0
    assert best_price(LocalDemand((30.0, 5.0), (0.0, 0.0), 0.1), 1.0, 0.2) == np.inf

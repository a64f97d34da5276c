"""Scenarios from traffic: reproducible, in range, covered, with delays that can be met."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from veaat_migration.game.closed_form import uncoupled_prices
from veaat_migration.game.equilibrium import Status, solve
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import FloatArray
from veaat_migration.game.matching import matching_probability
from veaat_migration.mobility.driving import drive
from veaat_migration.mobility.roads import grid_town
from veaat_migration.mobility.traffic import Snapshot, TraceError, Traffic, Vehicle, observe
from veaat_migration.scenario import Scenario, ScenarioError, build_instance, generate
from veaat_migration.scenario.build import links, migration_delays, shortest_delays
from veaat_migration.scenario.generate import (
    AV_RANGES,
    RSU_RANGES,
    Generated,
    Recipe,
    scenario_from_traffic,
)

RECIPE = Recipe(name="test", n_avs=8, n_rsus=3, seed=4, radius=300.0)


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    network = grid_town(6, 4, 200.0, np.random.default_rng(0))
    return observe(drive(network, 80, 60.0, np.random.default_rng(1)), 60.0)


def make(traffic: Traffic, **changes: Any) -> Generated:
    return scenario_from_traffic(traffic, dataclasses.replace(RECIPE, **changes))


def test_the_same_seed_gives_the_same_scenario(traffic: Traffic) -> None:
    assert make(traffic).scenario == make(traffic).scenario
    assert make(traffic).scenario != make(traffic, seed=5).scenario


def test_players_are_as_many_as_asked_for_and_covered(traffic: Traffic) -> None:
    made = make(traffic)
    assert (len(made.scenario.avs), len(made.scenario.rsus)) == (8, 3)
    assert links(made.scenario).distance.min(axis=1).max() <= 300.1  # positions are rounded
    assert 0.5 < made.placement.coverage <= 1.0


def test_vehicles_keep_their_names_and_places(traffic: Traffic) -> None:
    at = {vehicle.id: (vehicle.x, vehicle.y) for vehicle in traffic.vehicles}
    for av in make(traffic).scenario.avs:
        assert av.position == pytest.approx(at[av.name], abs=0.051)


def test_tasks_and_servers_are_in_the_documented_ranges(traffic: Traffic) -> None:
    made = make(traffic, n_avs=40, n_rsus=6, radius=1000.0).scenario
    for players, ranges in ((made.avs, AV_RANGES), (made.rsus, RSU_RANGES)):
        for key, (low, high, _) in ranges.items():
            values = np.array([getattr(player, key) for player in players])
            assert low <= values.min() < values.max() <= high


def limits(scenario: Scenario) -> FloatArray:
    return np.array([av.max_delay for av in scenario.avs], dtype=float)


def test_the_longest_delay_is_the_slack_times_the_natural_delay(traffic: Traffic) -> None:
    made = make(traffic, slack=(2.0, 2.0), enforce_delay=False).scenario
    game = build_instance(made)
    prices = uncoupled_prices(game)
    demand = follower_equilibria(game, prices).demand[0]
    theta = matching_probability(prices, game.quality)
    natural = migration_delays(made, demand) @ theta
    np.testing.assert_allclose(limits(made), 2.0 * natural, atol=0.011)


def test_slacks_are_spread_evenly_and_dealt_out_by_the_seed(traffic: Traffic) -> None:
    one = limits(make(traffic, slack=(2.0, 2.0)).scenario)
    factors = limits(make(traffic, slack=(2.0, 3.0)).scenario) / one
    np.testing.assert_allclose(np.sort(factors), 1.0 + (np.arange(8) + 0.5) / 16, atol=0.01)
    assert not np.all(np.diff(factors) > 0)


def test_delays_can_be_met_at_any_prices_whatever_the_slack(traffic: Traffic) -> None:
    made = make(traffic, slack=(0.01, 0.01)).scenario
    np.testing.assert_allclose(limits(made), 1.05 * shortest_delays(made).max(axis=1), atol=0.011)
    for theta in np.eye(3):
        assert np.all(shortest_delays(made) @ theta <= limits(made))


def test_an_av_that_would_buy_nothing_still_has_a_finite_limit(
    traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "uncoupled_prices", lambda game: np.full(game.n_rsus, 29.9))
    made = make(traffic, slack=(1.0, 1.0)).scenario
    np.testing.assert_allclose(
        limits(made).max(), (10 * shortest_delays(made).max(axis=1)).max(), atol=0.011
    )


@pytest.mark.parametrize(("n_avs", "n_rsus"), [(3, 2), (40, 6), (1, 1)])
def test_one_players_couplings_do_not_grow_with_the_number_of_players(
    traffic: Traffic, n_avs: int, n_rsus: int
) -> None:
    game = build_instance(make(traffic, n_avs=n_avs, n_rsus=n_rsus, radius=1000.0).scenario)
    assert game.social.sum(axis=1).max() <= 0.04 + 1e-4
    assert game.service.sum(axis=1).max() <= 0.02 + 1e-4


@pytest.mark.parametrize("seed", [4, 5])
def test_the_game_with_delay_has_an_equilibrium_below_the_highest_price(
    traffic: Traffic, seed: int
) -> None:
    game = build_instance(make(traffic, seed=seed).scenario)
    solution = solve(game)
    assert solution.status in (Status.CERTIFIED, Status.CERTIFIED_NOT_UNIQUE)
    assert solution.prices.max() < 15.0
    assert game.delay is not None
    delay = migration_delays(make(traffic, seed=seed).scenario, solution.demand) @ solution.matching
    binding = delay > game.delay.max_delay * (1 - 1e-6)
    assert 1 <= binding.sum() <= 4


def test_delay_may_be_left_off_but_stays_in_the_file(traffic: Traffic) -> None:
    made = make(traffic, enforce_delay=False).scenario
    assert build_instance(made).delay is None
    assert all(av.max_delay is not None for av in made.avs)


def test_all_rsus_have_the_capacity_that_was_asked_for(traffic: Traffic) -> None:
    assert build_instance(make(traffic).scenario).capacity is None
    limited = build_instance(make(traffic, capacity=8.0).scenario).capacity
    assert limited is not None
    assert (limited == 8.0).all()


def test_roads_come_from_the_traffic_or_from_the_caller(traffic: Traffic) -> None:
    assert len(make(traffic).scenario.roads) == len(traffic.roads)
    given = scenario_from_traffic(traffic, RECIPE, roads=[((0.0, 0.0), (1.0, 2.04))])
    assert given.scenario.roads == (((0.0, 0.0), (1.0, 2.0)),)


@pytest.mark.parametrize(
    "slack", [(0.0, 2.0), (3.0, 2.0), (1.0, float("inf")), (float("nan"), 2.0)]
)
def test_a_slack_that_cannot_be_met_is_refused(
    traffic: Traffic, slack: tuple[float, float]
) -> None:
    with pytest.raises(ScenarioError, match="delay slack: must be two numbers 0 < low <= high"):
        make(traffic, slack=slack)


def test_too_little_traffic_is_an_error(traffic: Traffic) -> None:
    with pytest.raises(TraceError, match="80 vehicles are within"):
        make(traffic, n_avs=81)


def test_names_that_cannot_be_labels_are_replaced() -> None:
    awkward = Snapshot(0.0, (Vehicle("a\nb", 0.0, 0.0, 5.0), Vehicle("c", 90.0, 0.0, 5.0)))
    made = make(observe([awkward], 0), n_avs=2, n_rsus=1)
    assert made.scenario.av_names == ("av1", "av2")

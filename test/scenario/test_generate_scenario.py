"""Scenarios from traffic: reproducible, in range, covered, with delays that can be met."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from veaat_migration.mobility.driving import drive
from veaat_migration.mobility.roads import grid_town
from veaat_migration.mobility.traffic import Snapshot, TraceError, Traffic, Vehicle, observe
from veaat_migration.scenario import ScenarioError, build_instance
from veaat_migration.scenario.build import links, shortest_delays
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


def test_the_longest_delay_is_the_slack_times_the_slowest_link(traffic: Traffic) -> None:
    made = make(traffic, slack=(1.25, 1.25)).scenario
    limit = np.array([av.max_delay for av in made.avs])
    np.testing.assert_allclose(limit, 1.25 * shortest_delays(made).max(axis=1), atol=0.011)


def test_delays_can_be_met_at_any_prices_from_a_slack_of_one(traffic: Traffic) -> None:
    made = make(traffic, slack=(1.0, 1.0)).scenario
    game = build_instance(made)
    assert game.delay is not None
    for theta in np.eye(3):
        assert np.all(shortest_delays(made) @ theta <= game.delay.max_delay)


def test_delay_may_be_left_off_but_stays_in_the_file(traffic: Traffic) -> None:
    made = make(traffic, enforce_delay=False).scenario
    assert build_instance(made).delay is None
    assert all(av.max_delay is not None for av in made.avs)


def test_roads_come_from_the_traffic_or_from_the_caller(traffic: Traffic) -> None:
    assert len(make(traffic).scenario.roads) == len(traffic.roads)
    given = scenario_from_traffic(traffic, RECIPE, roads=[((0.0, 0.0), (1.0, 2.04))])
    assert given.scenario.roads == (((0.0, 0.0), (1.0, 2.0)),)


@pytest.mark.parametrize(
    "slack", [(0.5, 2.0), (3.0, 2.0), (1.0, float("inf")), (float("nan"), 2.0)]
)
def test_a_slack_that_cannot_be_met_is_refused(
    traffic: Traffic, slack: tuple[float, float]
) -> None:
    with pytest.raises(ScenarioError, match="delay slack: must be two numbers 1 <= low <= high"):
        make(traffic, slack=slack)


def test_too_little_traffic_is_an_error(traffic: Traffic) -> None:
    with pytest.raises(TraceError, match="80 vehicles are within"):
        make(traffic, n_avs=81)


def test_names_that_cannot_be_labels_are_replaced() -> None:
    awkward = Snapshot(0.0, (Vehicle("a\nb", 0.0, 0.0, 5.0), Vehicle("c", 90.0, 0.0, 5.0)))
    made = make(observe([awkward], 0), n_avs=2, n_rsus=1)
    assert made.scenario.av_names == ("av1", "av2")

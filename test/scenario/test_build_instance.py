"""From a scenario to the numbers of the game."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veaat_migration.game.equilibrium import solve
from veaat_migration.scenario import ScenarioError, build_instance, load_scenario
from veaat_migration.scenario.build import links, migration_delays, qualities, shortest_delays
from veaat_migration.scenario.load import scenario_from_mapping
from veaat_migration.scenario.schema import Scenario


def scenario(**changes: Any) -> Scenario:
    content: dict[str, Any] = {
        "price_max": 30.0,
        "bandwidth_max": 10.0,
        "channel": {"fading": "none"},
        "delay": {"enforce": True},
        "av_defaults": {"satisfaction": 20.0, "delay_sensitivity": 1.5, "max_delay": 9.0},
        "avs": [{"position": [0, 0], "data": 25.0}, {"position": [300, 400], "cycles": 20.0}],
        "rsus": [
            {"position": [300, 400], "quality": 1.0, "cost": 2.0},
            {
                "quality": 1.2,
                "cost": 2.5,
                "compute": 20.0,
                "arrival_rate": 5.0,
                "service_rate": 8.0,
            },
        ],
    }
    return scenario_from_mapping({**content, **changes})


def test_distances_come_from_positions_or_the_default() -> None:
    np.testing.assert_array_equal(links(scenario()).distance, [[500.0, 500.0], [0.0, 500.0]])


def test_a_link_of_no_length_is_as_good_as_one_of_the_least_length() -> None:
    near = links(scenario(channel={"fading": "none", "min_distance": 20.0}))
    assert np.isfinite(near.spectral_efficiency).all()
    assert near.snr_db[1, 0] - near.snr_db[0, 0] == pytest.approx(20 * math.log10(500 / 20))


def test_the_delay_constraint_has_the_numbers_of_the_model() -> None:
    delay = build_instance(scenario()).delay
    assert delay is not None
    np.testing.assert_array_equal(delay.data, [200.0, 400.0])  # 25 MB, 50 MB in Mbit
    np.testing.assert_allclose(delay.spectral_efficiency[0], [12.2, 12.2], atol=0.05)
    queue, second = 4 / (10 * 6), 5 / (8 * 3)
    np.testing.assert_allclose(
        delay.base_delay,
        [[queue + 10 / 40, second + 10 / 20], [queue + 20 / 40, second + 20 / 20]],
    )
    np.testing.assert_array_equal(delay.max_delay, [9.0, 9.0])
    np.testing.assert_allclose(
        shortest_delays(scenario()),
        delay.data[:, None] / (10 * delay.spectral_efficiency) + delay.base_delay,
    )


def test_the_delay_constraint_is_absent_unless_enforced() -> None:
    assert build_instance(scenario(delay={"enforce": False})).delay is None


def test_fading_follows_the_seed_and_scales_the_gain_only() -> None:
    plain = links(scenario())
    first = links(scenario(channel={}, seed=1))
    again = links(scenario(channel={}, seed=1))
    other = links(scenario(channel={}, seed=2))
    np.testing.assert_array_equal(first.snr, again.snr)
    assert not np.any(first.snr == other.snr)
    fading = first.snr / plain.snr
    assert len(np.unique(fading.round(12))) == fading.size
    assert not np.any(first.snr == plain.snr)
    np.testing.assert_array_equal(first.base_delay, plain.base_delay)


def test_players_added_at_the_end_leave_the_fading_of_the_others_alone() -> None:
    content = scenario(channel={}).model_dump(exclude_unset=True)
    more = {**content, "avs": [*content["avs"], {}], "rsus": [*content["rsus"], content["rsus"][0]]}
    larger = links(scenario_from_mapping(more))
    np.testing.assert_array_equal(larger.snr[:2, :2], links(scenario(channel={})).snr)


def test_measured_quality_follows_equation_4() -> None:
    measured = {"distortion": 0.1, "distortion_threshold": 0.6, "migrations": 50}
    made = scenario(
        rsus=[{"quality": measured, "cost": 1.0}, {"quality": 0.7, "cost": 1.0}],
        reputation={"newcomer": 1.0, "highest": 3.0, "half_migrations": 50.0},
    )
    np.testing.assert_allclose(qualities(made), [2.0 * math.log(0.9 / 0.4), 0.7])
    np.testing.assert_array_equal(build_instance(made).quality, qualities(made))


def test_couplings_as_number_matrix_and_by_distance() -> None:
    matrix = [[0.0, 0.3], [0.3, 0.0]]
    placed = [
        {"position": [0, 0], "quality": 1.0, "cost": 2.0},
        {"position": [60, 80], "quality": 1.0, "cost": 2.0},
    ]
    game = build_instance(
        scenario(
            social_coupling=matrix, service_coupling={"strength": -0.5, "range": 50}, rsus=placed
        )
    )
    np.testing.assert_array_equal(game.social, matrix)
    assert game.service[0, 1] == game.service[1, 0] == pytest.approx(-0.5 * math.exp(-2))
    np.testing.assert_array_equal(np.diag(game.service), [0, 0])
    np.testing.assert_array_equal(build_instance(scenario(social_coupling=0.3)).social, matrix)


def test_a_total_is_shared_out_over_the_others() -> None:
    game = build_instance(scenario(social_coupling={"total": 0.04}))
    np.testing.assert_array_equal(game.social, [[0, 0.04], [0.04, 0]])
    alone = build_instance(
        scenario(service_coupling={"total": 0.04}, rsus=[{"quality": 1.0, "cost": 2.0}])
    )
    np.testing.assert_array_equal(alone.service, [[0]])
    with pytest.raises(ScenarioError, match=r"social_coupling.range: unknown key \(known: total\)"):
        scenario(social_coupling={"total": 0.04, "range": 5.0})


def test_capacity_is_unlimited_common_or_each_its_own() -> None:
    assert build_instance(scenario()).capacity is None
    common = build_instance(scenario(rsu_defaults={"capacity": 7.0})).capacity
    np.testing.assert_array_equal(common, [7.0, 7.0])
    rsus = [{"quality": 1.0, "cost": 2.0, "capacity": None}, {"quality": 1.0, "cost": 2.0}]
    mixed = build_instance(scenario(rsus=rsus, rsu_defaults={"capacity": 7.0})).capacity
    np.testing.assert_array_equal(mixed, [2 * 10.0, 7.0])
    with pytest.raises(ScenarioError, match=r"rsu_defaults.capacity: must be > 0, got 0"):
        scenario(rsu_defaults={"capacity": 0})


def test_the_same_scenario_is_the_same_game() -> None:
    first, second = (build_instance(scenario(channel={}, seed=5)) for _ in range(2))
    assert first.delay is not None
    assert second.delay is not None
    np.testing.assert_array_equal(first.delay.spectral_efficiency, second.delay.spectral_efficiency)


def test_numbers_that_make_no_game_are_a_scenario_error() -> None:
    silent = scenario(channel={"fading": "none", "antenna_gain": 1e-320})
    with pytest.raises(ScenarioError, match=r"delay\.s: must be > 0"):
        build_instance(silent)


def test_in_the_shipped_town_every_delay_can_be_met_and_one_binds() -> None:
    scenario = load_scenario(Path(__file__).parents[2] / "config" / "town.yaml")
    game = build_instance(scenario)
    assert game.delay is not None
    solution = solve(game)
    assert solution.infeasible_followers == ()
    assert solution.prices.max() < 10.0
    delay = migration_delays(scenario, solution.demand) @ solution.matching
    binding = delay > game.delay.max_delay * (1 - 1e-6)
    assert [name for name, hurry in zip(scenario.av_names, binding, strict=True) if hurry] == [
        "veh024"
    ]

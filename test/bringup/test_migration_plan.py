"""A city with migrating twins: what is chosen of its traffic, and who runs with what."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from veaat_migration.bringup.city import City, crossings, make_city, write_town
from veaat_migration.bringup.migration_plan import (
    MigrationOptions,
    make_migration_plan,
    wall_time,
)
from veaat_migration.bringup.plan import NodeSpec, Part, Plan, PlanError
from veaat_migration.mobility.fcd import read_fcd
from veaat_migration.mobility.traffic import TraceError
from veaat_migration.nodes.inference_parameters import AV_INFERENCE
from veaat_migration.nodes.leader_parameters import LEADER
from veaat_migration.nodes.markers_parameters import MARKERS
from veaat_migration.nodes.migration_parameters import TWIN_HOST, TWIN_VEHICLE
from veaat_migration.nodes.traffic_parameters import TRAFFIC
from veaat_migration.scenario.parts import MeasuredQuality

SPECS = {
    "rsu_leader": LEADER,
    "av_inference": AV_INFERENCE,
    "twin_host": TWIN_HOST,
    "twin_vehicle": TWIN_VEHICLE,
    "traffic": TRAFFIC,
    "markers": MARKERS,
}


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("town") / "town.fcd.xml.gz"
    write_town(path, 61.0, seed=1)
    return path


def city_of(trace: Path, **changes: object) -> City:
    options = {
        "start": None, "duration": 60.0, "n_avs": 3, "n_rsus": 4, "radius": 250.0, "seed": 1,
        "name": "town",
    } | changes  # fmt: skip
    return make_city(trace, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def city(trace: Path) -> City:
    return city_of(trace)


OPTIONS = MigrationOptions(state="/state")


def test_vehicles_are_chosen_that_cross_coverages_and_stay(city: City, trace: Path):
    assert len(city.vehicles) == len(city.scenario.avs) == 3
    assert min(city.crossings) >= 1
    last = list(read_fcd(trace))[60]
    assert set(city.vehicles) <= {vehicle.id for vehicle in last.vehicles}
    assert (city.start, city.duration) == (0.0, 60.0)


def test_a_city_is_the_same_each_time(city: City, trace: Path):
    assert city_of(trace) == city
    assert city_of(trace, seed=2) != city


def test_a_city_may_begin_later(trace: Path):
    later = city_of(trace, start=20.0, duration=100.0)
    assert later.start == 20.0
    assert later.duration == 41.0  # the trace has no more


def test_too_few_vehicles_are_told(trace: Path):
    with pytest.raises(TraceError, match=r"^100 AVs are wanted, but \d+ of 80 vehicles"):
        city_of(trace, n_avs=100)


def test_crossings_follow_the_twin():
    sites = np.array([[0.0, 0.0], [300.0, 0.0]])
    way = np.array([[x, 0.0] for x in (0.0, 160.0, 240.0, 310.0, 160.0, 20.0)])
    # At 160 m the twin is still at the first, at 240 m it goes over, and back at 20 m.
    assert crossings(way, sites, 200.0) == 2
    assert crossings(way[:2], sites, 200.0) == 0
    assert crossings(np.array([[900.0, 0.0], [300.0, 0.0]]), sites, 200.0) == 0


def nodes(city: City, options: MigrationOptions = OPTIONS) -> dict[str, NodeSpec]:
    separate = replace(options, composed=False)
    return {node.name: node for node in make_migration_plan(city, separate).nodes}


def test_every_machine_has_a_player_and_its_twins(city: City):
    found = nodes(city)
    assert list(found)[:2] == ["migration_monitor", "traffic"]
    assert found["rsu_2"].executable == "rsu_leader"
    assert found["rsu_2_twins"].executable == "twin_host"
    assert found["av_3"].executable == "av_inference"
    assert found["av_3_twin"].executable == "twin_vehicle"
    assert found["traffic"].part is Part.TRAFFIC
    assert len(found) == 2 + 2 * (4 + 3)


def test_parameters_exist_and_are_in_range(city: City):
    for node in nodes(city).values():
        specs = {spec.name: spec for spec in SPECS.get(node.executable, ())}
        for name, value in node.parameters.items():
            if specs:
                specs[name].check(value)
        required = {name for name, spec in specs.items() if spec.default is None}
        assert required <= set(node.parameters)


def test_a_twin_node_knows_what_the_scenario_says(city: City):
    found, scenario = nodes(city), city.scenario
    host, rsu = found["rsu_1_twins"].parameters, scenario.rsus[0]
    assert (host["compute"], host["arrival_rate"]) == (rsu.compute, rsu.arrival_rate)
    assert isinstance(rsu.quality, MeasuredQuality)
    assert host["merit"] == rsu.quality.migrations
    twin, av = found["av_2_twin"].parameters, scenario.avs[1]
    assert twin["data"] == pytest.approx(8.0 * av.data)
    assert twin["image_size"] == int(av.data * 1e6)
    small = nodes(city, replace(OPTIONS, image_share=0.01))["av_2_twin"].parameters
    assert small["image_size"] == int(av.data * 1e4)
    assert small["data"] == twin["data"]


def test_players_hear_their_own_vehicle(city: City):
    player = nodes(city)["av_2"]
    assert player.remappings == {"odom": "av_2/odom", "twin_task": "av_2/twin_task"}
    listed = make_migration_plan(city, OPTIONS).nodes[-1]
    assert listed.name == "av_3_machine"
    parts = json.loads(str(listed.parameters["players"]))
    assert [part["name"] for part in parts] == ["av_3", "av_3_twin"]
    assert parts[0]["remappings"]["odom"] == "av_3/odom"


def test_no_two_machines_share_a_folder(city: City):
    places = [
        node.parameters.get("store") or node.parameters.get("journal")
        for node in nodes(city).values()
        if node.executable in ("twin_host", "twin_vehicle")
    ]
    assert len(set(places)) == len(places) == 7


def test_a_recording_has_odometry_and_actions(city: City):
    found = nodes(city, replace(OPTIONS, bag="/bag"))
    assert next(iter(found)) == "recorder"
    topics = str(found["recorder"].parameters["topics"]).split()
    assert "twin_status" in topics
    assert "av_3/odom=nav_msgs/msg/Odometry" in topics
    assert "av_1/twin_actions=veaat_migration/msg/TwinAction" in topics
    assert found["rsu_1"].parameters["observers"] == "recorder"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"speed": 0.0}, "^speed: must be > 0 and <= 1000, got 0$"),
        ({"image_share": 1.5}, "^image_share: must be > 0 and <= 1, got 1.5$"),
        ({"seed": -1}, "^seed: must be >= 0, got -1$"),
        ({"namespace": "9"}, "^namespace: must be names"),
    ],
)
def test_options_are_checked(city: City, change: dict[str, object], message: str):
    with pytest.raises(PlanError, match=message):
        make_migration_plan(city, replace(OPTIONS, **change))  # type: ignore[arg-type]


def test_the_wall_time_follows_the_speed(city: City):
    assert wall_time(city, replace(OPTIONS, speed=2.0)) == 30.0


def test_markers_are_drawn_when_asked_for(city: City):
    plain = make_migration_plan(city, OPTIONS)
    (node,) = set_of(make_migration_plan(city, replace(OPTIONS, markers=True))) - set_of(plain)
    assert node == ("markers", "markers", "/veaat", Part.VIEWER)


def set_of(plan: Plan) -> set[tuple[str, str, str, Part]]:
    return {(node.executable, node.name, node.namespace, node.part) for node in plan.nodes}

"""The plan: who is started with what, and that nobody learns what is not its own."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from veaat_migration.bringup.plan import (
    NodeSpec,
    Options,
    Part,
    PlanError,
    make_plan,
    player_seed,
    policies_by_player,
)
from veaat_migration.game.instance import GameInstance
from veaat_migration.nodes.follower_parameters import FOLLOWER
from veaat_migration.nodes.inference_parameters import AV_INFERENCE, RSU_INFERENCE
from veaat_migration.nodes.leader_parameters import LEADER
from veaat_migration.scenario import instance_from_mapping

BASE = GameInstance.create(
    satisfaction=[20.0, 25.0, 30.0],
    offset=[1.21, 0.92, 0.72],
    quality=[1.0, 1.2],
    cost=[2.0, 2.5],
    social=0.02,
    service=0.03,
    price_max=30.0,
    bandwidth_max=10.0,
)


def by_name(options: Options, instance: GameInstance = BASE) -> dict[str, NodeSpec]:
    return {node.name: node for node in make_plan(instance, options).nodes}


def test_each_player_is_a_node_watched_by_a_monitor():
    nodes = by_name(Options())
    assert list(nodes) == ["round_monitor", "rsu_1", "rsu_2", "av_1", "av_2", "av_3"]
    assert nodes["rsu_2"].executable == "rsu_leader"
    assert nodes["av_3"].executable == "av_follower"
    assert nodes["round_monitor"].part is Part.MONITOR


def test_a_game_with_capacity_is_refused_in_words():
    limited = replace(BASE, capacity=np.array([10.0, 10.0]))
    with pytest.raises(PlanError, match=r"^capacity: .* nodes do not ration bandwidth yet"):
        make_plan(limited, Options())


def test_a_recording_is_started_first_and_waited_for():
    nodes = by_name(Options(bag="/somewhere/bag"))
    assert next(iter(nodes)) == "recorder"
    assert nodes["recorder"].parameters["output"] == "/somewhere/bag"
    assert nodes["rsu_1"].parameters["observers"] == "round_monitor recorder"
    assert by_name(Options())["av_1"].parameters["observers"] == "round_monitor"


def test_parameters_are_known_and_within_their_ranges():
    for name, node in by_name(Options(rounds=5, leader_policy="equilibrium")).items():
        specs = {"rsu": LEADER, "av_": FOLLOWER}.get(name[:3], ())
        known = {spec.name: spec for spec in specs}
        for key, value in node.parameters.items() if specs else ():
            known[key].check(value)
        missing = [s.name for s in specs if s.default is None and s.name not in node.parameters]
        assert not missing


def test_a_player_knows_nothing_that_is_private_to_another():
    """Change one player's private data: only its own parameters (and the monitor's) change."""
    before = by_name(Options())
    changed = by_name(Options(), replace(BASE, satisfaction=np.array([21.0, 25.0, 30.0])))
    assert {n for n in before if before[n] != changed[n]} == {"av_1", "round_monitor"}
    changed = by_name(Options(), replace(BASE, cost=BASE.cost + np.array([0.0, 1.0])))
    assert {n for n in before if before[n] != changed[n]} == {"rsu_2", "round_monitor"}
    changed = by_name(Options(), replace(BASE, social=2 * BASE.social))
    assert {n for n in before if before[n] != changed[n]} == {
        "av_1", "av_2", "av_3", "round_monitor"
    }  # fmt: skip


def test_learned_players_are_inference_nodes_with_the_bundle():
    options = Options(
        leader_policy="learned", policies={"av_2": "learned"}, bundle="/somewhere/policies"
    )
    nodes = by_name(options)
    assert {name: node.executable for name, node in nodes.items()} == {
        "round_monitor": "round_monitor",
        "rsu_1": "rsu_inference",
        "rsu_2": "rsu_inference",
        "av_1": "av_follower",
        "av_2": "av_inference",
        "av_3": "av_follower",
    }
    specs = {"rsu_1": RSU_INFERENCE, "av_2": AV_INFERENCE}
    for name, known in specs.items():
        parameters = nodes[name].parameters
        assert parameters["policy_path"] == "/somewhere/policies"
        assert set(parameters) <= {spec.name for spec in known}
        missing = [s.name for s in known if s.default is None and s.name not in parameters]
        assert not missing


def test_policies_may_differ_by_player():
    options = Options(
        leader_policy="greedy", policies=policies_by_player(["rsu_2=random", "av_1=greedy"])
    )
    nodes = by_name(options)
    policies = {name: node.parameters.get("policy") for name, node in nodes.items()}
    assert policies == {
        "round_monitor": None,
        "rsu_1": "greedy",
        "rsu_2": "random",
        "av_1": "greedy",
        "av_2": "best_response",
        "av_3": "best_response",
    }


def test_equilibrium_players_get_their_own_part_of_the_solution():
    prices, demand = np.array([4.0, 5.0]), np.arange(6.0).reshape(3, 2)
    options = Options(leader_policy="equilibrium", policies={"av_2": "equilibrium"})
    plan = make_plan(BASE, options, equilibrium=(prices, demand))
    nodes = {node.name: node.parameters for node in plan.nodes}
    assert nodes["rsu_2"]["equilibrium_price"] == 5.0
    assert nodes["av_2"]["equilibrium_rsu_ids"] == [1, 2]
    assert nodes["av_2"]["equilibrium_bandwidth"] == [2.0, 3.0]
    assert "equilibrium_bandwidth" not in nodes["av_1"]


def test_equilibrium_is_solved_where_it_is_needed():
    nodes = by_name(Options(leader_policy="equilibrium"))
    assert nodes["rsu_1"].parameters["equilibrium_price"] == pytest.approx(4.273, abs=1e-3)


def test_seeds_differ_by_player_and_by_run_and_are_reproducible():
    def seeds(options: Options, instance: GameInstance = BASE) -> dict[str, object]:
        nodes = by_name(options, instance)
        return {name: node.parameters.get("seed") for name, node in nodes.items()}

    first = seeds(Options(seed=1))
    players = [seed for seed in first.values() if seed is not None]
    assert len(set(players)) == 5
    assert first == seeds(Options(seed=1))
    assert first["rsu_1"] != seeds(Options(seed=2))["rsu_1"]
    assert player_seed(1, "rsu_1") == first["rsu_1"]


def test_composed_players_are_the_same_in_one_process():
    apart, together = by_name(Options()), by_name(Options(composed=True))
    assert list(together) == ["round_monitor", "players"]
    hosted = json.loads(str(together["players"].parameters["players"]))
    assert {spec["name"]: spec["parameters"] for spec in hosted} == {
        name: node.parameters for name, node in apart.items() if node.part is Part.PLAYER
    }


def test_the_monitor_knows_the_game():
    text = str(by_name(Options())["round_monitor"].parameters["instance"])
    assert np.array_equal(instance_from_mapping(json.loads(text)).social, BASE.social)


def test_large_games_get_more_time_and_are_not_solved_live():
    large = GameInstance.create(
        satisfaction=[20.0] * 100, offset=[1.0] * 100, quality=[1.0] * 10, cost=[2.0] * 10,
        price_max=30.0, bandwidth_max=10.0,
    )  # fmt: skip
    nodes, small = by_name(Options(), large), by_name(Options())
    assert nodes["round_monitor"].parameters["equilibrium"] is False
    assert small["round_monitor"].parameters["equilibrium"] is True
    rsu, av = nodes["rsu_1"].parameters, nodes["av_1"].parameters
    assert rsu["round_timeout"] >= 2 * av["offer_timeout"]
    assert rsu["round_timeout"] > small["rsu_1"].parameters["round_timeout"]


def test_a_plan_is_plain_data():
    mapping = make_plan(BASE, Options(bag="bag")).to_mapping()
    assert yaml.safe_load(yaml.safe_dump(mapping)) == mapping
    assert json.loads(json.dumps(mapping)) == mapping


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(leader_policy="clever"), "policy of rsu_1: must be one of best_response"),
        (Options(policies={"av_4": "greedy"}), "no player 'av_4'; there are rsu_1 to rsu_2"),
        (Options(leader_policy="learned"), "policy learned: needs the folder of a bundle"),
        (Options(rounds=-1), "rounds: must be >= 0, got -1"),
        (Options(seed=-1), "seed: must be >= 0, got -1"),
        (Options(namespace="veaat"), "namespace: must be names of letters, digits and _ such"),
        (Options(namespace="/not a name"), "got '/not a name'"),
        (Options(period=-0.1), "period: must be between 0 and 3600 s"),
        (Options(period=float("nan")), "period: must be between 0 and 3600 s"),
    ],
)
def test_wishes_that_cannot_be_fulfilled_are_named(options: Options, message: str):
    with pytest.raises(PlanError, match=message):
        make_plan(BASE, options)


def test_a_policy_for_a_player_needs_a_name():
    with pytest.raises(PlanError, match=r"player av_1: must be NODE=POLICY"):
        policies_by_player(["av_1"])

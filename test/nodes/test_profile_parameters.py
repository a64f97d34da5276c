"""Profiles survive the way through parameters, and parameters that contradict are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.errors import VeaatError
from veaat_migration.game.instance import DelayConstraint, GameInstance
from veaat_migration.game.profiles import follower_profile, leader_profile
from veaat_migration.nodes.follower_parameters import FOLLOWER
from veaat_migration.nodes.leader_parameters import LEADER
from veaat_migration.nodes.profile_parameters import (
    config_from_parameters,
    equilibrium_bandwidth,
    follower_from_parameters,
    follower_to_parameters,
    leader_from_parameters,
    leader_to_parameters,
)
from veaat_migration.nodes.specification import ParameterSpec
from veaat_migration.protocol.config import FollowerConfig, LeaderConfig


def with_defaults(specs: tuple[ParameterSpec, ...], values: dict[str, Any]) -> dict[str, Any]:
    return {spec.name: spec.default for spec in specs} | values


@st.composite
def instances(draw: st.DrawFn) -> GameInstance:
    n_avs, n_rsus = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    number = st.floats(0.1, 5.0)

    def symmetric(size: int) -> list[list[float]]:
        upper = {(a, b): draw(st.floats(-0.1, 0.1)) for a in range(size) for b in range(a)}
        return [
            [0.0 if a == b else upper[max(a, b), min(a, b)] for b in range(size)]
            for a in range(size)
        ]

    def matrix() -> list[list[float]]:
        return [[draw(number) for _ in range(n_rsus)] for _ in range(n_avs)]

    delay = None
    if draw(st.booleans()):
        delay = DelayConstraint.create(
            n_avs,
            n_rsus,
            data=[draw(number) for _ in range(n_avs)],
            spectral_efficiency=matrix(),
            base_delay=matrix(),
            max_delay=[draw(number) for _ in range(n_avs)],
        )
    return GameInstance.create(
        satisfaction=[draw(st.floats(10, 30)) for _ in range(n_avs)],
        offset=[draw(st.floats(-1, 2)) for _ in range(n_avs)],
        quality=[draw(number) for _ in range(n_rsus)],
        cost=draw(st.just([[1.0] * n_rsus] * n_avs) | st.builds(matrix)),
        social=symmetric(n_avs),
        service=symmetric(n_rsus),
        price_max=30.0,
        bandwidth_max=10.0,
        delay=delay,
        externality=draw(st.sampled_from(["additive", "multiplicative"])),
    )


@given(instances())
def test_profiles_survive_the_way_through_parameters(instance: GameInstance):
    for rsu_id in range(1, instance.n_rsus + 1):
        profile = leader_profile(instance, rsu_id)
        parameters = with_defaults(LEADER, leader_to_parameters(profile))
        assert leader_from_parameters(parameters) == profile
    for av_id in range(1, instance.n_avs + 1):
        profile = follower_profile(instance, av_id)
        parameters = with_defaults(FOLLOWER, follower_to_parameters(profile))
        assert follower_from_parameters(parameters) == profile


@given(instances())
def test_parameters_are_within_their_own_ranges(instance: GameInstance):
    for specs, listed in (
        (LEADER, leader_to_parameters(leader_profile(instance, 1))),
        (FOLLOWER, follower_to_parameters(follower_profile(instance, 1))),
    ):
        by_name = {spec.name: spec for spec in specs}
        for name, value in listed.items():
            by_name[name].check(value)
            assert value != [], "ROS cannot tell the type of an empty list"


RSU = {"rsu_id": 1, "quality": 1.0, "unit_cost": 2.0, "price_max": 30.0}
AV = {"av_id": 1, "satisfaction": 20.0, "offset": 1.0, "bandwidth_max": 10.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"price_max": 2.0}, r"price_max: must be > the unit cost \(2 money/MHz\), got 2"),
        ({"unit_cost_av_ids": [1]}, r"unit_cost_by_av: must have one value for each"),
        (
            {"unit_cost_av_ids": [1, 1], "unit_cost_by_av": [1.0, 2.0]},
            r"unit_cost_av_ids: every id must appear once",
        ),
    ],
)
def test_contradictions_of_an_rsu_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(VeaatError, match=message):
        leader_from_parameters(with_defaults(LEADER, RSU | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"offset": -10.0}, r"bandwidth_max: must be > -offset \(10 MHz\), got 10"),
        ({"social_av_ids": [1], "social": [0.1]}, r"social_av_ids: must not contain the AV"),
        ({"social": [0.1]}, r"social: must have one value for each of social_av_ids \(0\), got 1"),
        ({"service": [0.1], "service_rsu_ids": [1]}, r"service_rsu_ids: must have two ids"),
        ({"service": [0.1], "service_rsu_ids": [1, 1]}, r"a pair must name two RSUs"),
        (
            {"service": [0.1, 0.2], "service_rsu_ids": [1, 2, 2, 1]},
            r"a pair must name two RSUs and appear once, got \(2, 1\)",
        ),
        (
            {
                "delay_rsu_ids": [1],
                "delay_spectral_efficiency": [10.0],
                "delay_base": [0.1],
                "delay_data": 100.0,
            },
            r"delay_max: missing",
        ),
    ],
)
def test_contradictions_of_an_av_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(VeaatError, match=message):
        follower_from_parameters(with_defaults(FOLLOWER, AV | changes))


def test_settings_are_those_of_the_machine():
    values = with_defaults(LEADER, RSU | {"rounds": 7, "peer_ids": [3, 1]})
    assert config_from_parameters(LeaderConfig, values) == LeaderConfig(rounds=7, peer_ids=(1, 3))
    assert config_from_parameters(FollowerConfig, with_defaults(FOLLOWER, AV)) == FollowerConfig()


def test_equilibrium_bandwidth_is_none_unless_given():
    assert equilibrium_bandwidth(with_defaults(FOLLOWER, AV)) is None
    given_ones = {"equilibrium_rsu_ids": [2], "equilibrium_bandwidth": [3.0]}
    assert equilibrium_bandwidth(with_defaults(FOLLOWER, AV | given_ones)) == {2: 3.0}

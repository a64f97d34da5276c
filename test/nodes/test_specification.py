"""Parameters are checked with messages that name the parameter and the rule."""

from __future__ import annotations

import math

import pytest

from veaat_migration.nodes.follower_parameters import FOLLOWER
from veaat_migration.nodes.leader_parameters import LEADER
from veaat_migration.nodes.specification import (
    Kind,
    ParameterError,
    ParameterSpec,
    unknown_parameters,
)
from veaat_migration.protocol.config import FollowerConfig, LeaderConfig

PRICE = ParameterSpec("price", Kind.DOUBLE, "a price", unit="money/MHz", above=0.0, maximum=9.0)
LIMIT = ParameterSpec("limit", Kind.DOUBLE, "a limit", math.inf, above=0.0, infinite=True)
MAYBE = ParameterSpec("maybe", Kind.DOUBLE, "optional", math.nan, minimum=0.0)
IDS = ParameterSpec("ids", Kind.INTEGER_ARRAY, "ids", [], minimum=1)
KIND = ParameterSpec("kind", Kind.STRING, "a choice", "a", choices=("a", "b"))


@pytest.mark.parametrize(
    ("spec", "value"),
    [(PRICE, 9.0), (LIMIT, math.inf), (MAYBE, math.nan), (MAYBE, 0.0), (IDS, [1, 2]), (KIND, "b")],
)
def test_values_in_range_pass(spec: ParameterSpec, value: object):
    spec.check(value)


@pytest.mark.parametrize(
    ("spec", "value", "message"),
    [
        (PRICE, 0.0, r"price: must be > 0 and <= 9 money/MHz, got 0"),
        (PRICE, 9.1, r"price: must be > 0 and <= 9 money/MHz, got 9.1"),
        (PRICE, math.nan, r"price: must be finite, got nan"),
        (PRICE, math.inf, r"price: must be finite, got inf"),
        (LIMIT, math.nan, r"limit: must be finite, got nan"),
        (MAYBE, -1.0, r"maybe: must be >= 0, got -1"),
        (IDS, [1, 0], r"ids\[1\]: must be >= 1, got 0"),
        (KIND, "c", r"kind: must be one of a, b, got 'c'"),
    ],
)
def test_values_out_of_range_are_named(spec: ParameterSpec, value: object, message: str):
    with pytest.raises(ParameterError, match=message):
        spec.check(value)


def test_a_misspelt_name_finds_the_nearest():
    assert unknown_parameters(["round_timout", "rounds"], LEADER) == [
        "round_timout: no such parameter; did you mean 'round_timeout'?"
    ]


@pytest.mark.parametrize("specs", [LEADER, FOLLOWER], ids=["leader", "follower"])
def test_every_default_is_in_its_own_range_and_described(specs: tuple[ParameterSpec, ...]):
    names = [spec.name for spec in specs]
    assert len(set(names)) == len(names)
    for spec in specs:
        assert spec.description
        if spec.default is not None:
            spec.check(spec.default)


@pytest.mark.parametrize(
    ("specs", "config"), [(LEADER, LeaderConfig), (FOLLOWER, FollowerConfig)], ids=["rsu", "av"]
)
def test_defaults_of_the_protocol_are_those_of_its_settings(specs: object, config: type):
    by_name = {spec.name: spec for spec in specs}
    for name, value in vars(config()).items():
        expected = list(value) if isinstance(value, tuple) else value
        assert by_name[name].default == expected, name

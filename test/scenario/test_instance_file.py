"""The plain game instance: exact keys, broadcasting, exact round trips, errors by path."""

import json
import math
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.game.instance import DelayConstraint, GameInstance
from veaat_migration.scenario import (
    ScenarioError,
    instance_from_mapping,
    instance_to_mapping,
)
from veaat_migration.scenario.text import parse_yaml


def smallest(**changes: Any) -> dict[str, Any]:
    content = {
        "delta": [20, 25, 30], "E": [1.2, 0.9, 0.7], "q": [1.0, 1.2], "c": [2.0, 2.5],
        "p_max": 30, "b_max": 10,
    }  # fmt: skip
    return {**content, **changes}


def with_delay(**changes: Any) -> dict[str, Any]:
    return smallest(delay={"D": [100, 200, 300], "s": 12, "T0": 0.3, "Tmax": [5, 6, 7], **changes})


def problems(content: Any) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        instance_from_mapping(content)
    return caught.value.problems


def same(first: GameInstance, second: GameInstance) -> bool:
    return instance_to_mapping(first) == instance_to_mapping(second)


def test_missing_couplings_delay_and_capacity_are_absent() -> None:
    game = instance_from_mapping(smallest())
    assert (game.n_avs, game.n_rsus) == (3, 2)
    assert not game.social.any()
    assert not game.service.any()
    assert game.delay is None
    assert same(game, instance_from_mapping(smallest(zeta=None, eta=0, delay=None, capacity=None)))


def test_the_offset_may_be_given_by_alpha_and_threshold() -> None:
    content = smallest(alpha=[1.5, 1.8, 2.0], T_th=1.0)
    del content["E"]
    np.testing.assert_allclose(
        instance_from_mapping(content).offset, math.e - np.array([1.5, 1.8, 2.0])
    )
    content["E"] = [math.e - 1.5, math.e - 1.8, math.e - 2.0]
    assert instance_from_mapping(content).offset.tolist() == content["E"]
    content["E"] = [1.0, 1.0, 1.0]
    assert problems(content) == ["E: differs from e - alpha T_th; give only one of the two"]


def test_scalar_couplings_fill_off_diagonals_and_matrices_stay() -> None:
    game = instance_from_mapping(smallest(zeta=0.02, eta=[[0, -0.1], [-0.1, 0]]))
    np.testing.assert_array_equal(game.social, 0.02 * (1 - np.eye(3)))
    np.testing.assert_array_equal(game.service, [[0, -0.1], [-0.1, 0]])


def test_couplings_may_differ_by_rounding_only() -> None:
    nearly = [[0, 0.1, 0], [0.1 + 1e-16, 0, 0], [0, 0, 0]]
    game = instance_from_mapping(smallest(zeta=nearly))
    np.testing.assert_array_equal(game.social, game.social.T)


def test_capacity_is_for_all_for_each_or_for_some() -> None:
    for value, expected in (
        (7, [7.0, 7.0]),
        ([7, 8.5], [7.0, 8.5]),
        # An unlimited RSU gets what it can never be asked for: 3 AVs of at most 10 MHz.
        ([None, 8.5], [30.0, 8.5]),
    ):
        limits = instance_from_mapping(smallest(capacity=value)).capacity
        np.testing.assert_array_equal(limits, expected)
    assert instance_from_mapping(smallest(capacity=[None, None])).capacity is None


def test_cost_is_per_rsu_or_per_pair() -> None:
    np.testing.assert_array_equal(instance_from_mapping(smallest()).cost, [[2.0, 2.5]] * 3)
    pairs = [[1, 2], [3, 4], [5, 6]]
    np.testing.assert_array_equal(instance_from_mapping(smallest(c=pairs)).cost, pairs)


def test_lists_of_as_many_avs_as_rsus_keep_their_meaning() -> None:
    content = {
        "delta": [1, 1], "E": [1, 1], "q": [1, 1], "c": [2, 3], "p_max": 9, "b_max": 9,
        "delay": {"D": [1, 1], "s": [5, 6], "T0": [7, 8], "Tmax": 99},
    }  # fmt: skip
    game = instance_from_mapping(content)
    np.testing.assert_array_equal(game.cost, [[2, 3], [2, 3]])
    assert game.delay is not None
    np.testing.assert_array_equal(game.delay.spectral_efficiency, [[5, 5], [6, 6]])
    np.testing.assert_array_equal(game.delay.base_delay, [[7, 7], [8, 8]])


@pytest.mark.parametrize(
    ("s", "expected"),
    [
        (12, [[12, 12]] * 3),
        ([1, 2, 3], [[1, 1], [2, 2], [3, 3]]),
        ([[1, 2], [3, 4], [5, 6]], [[1, 2], [3, 4], [5, 6]]),
    ],
)
def test_spectral_efficiency_broadcasts(s: Any, expected: Any) -> None:
    delay = instance_from_mapping(with_delay(s=s, T0=s)).delay
    assert delay is not None
    np.testing.assert_array_equal(delay.spectral_efficiency, expected)
    np.testing.assert_array_equal(delay.base_delay, expected)


def test_numbers_of_players_are_checked_and_make_scalars_possible() -> None:
    game = instance_from_mapping(smallest(V=4, R=2, delta=20, E=1, c=[2, 3]))
    assert game.n_avs == 4
    assert problems(smallest(V=4))[0] == "delta: must be a list of 4, got a list of 3"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (smallest(delta=[1, -2, 3]), "delta[1]: must be > 0, got -2"),
        (smallest(delta=[1, "x", 3]), "delta[1]: must be a number, got 'x'"),
        (smallest(delta=[1, True, 3]), "delta[1]: must be a number, got true"),
        (smallest(delta=[1, math.nan, 3]), "delta[1]: must be finite, got nan"),
        (smallest(q=[1, math.inf]), "q[1]: must be finite, got inf"),
        (smallest(p_max=10**400), "p_max: must be finite, got 1" + "0" * 56 + "..."),
        (smallest(c=[1, 2, 3]), "c: must be a list of 2 or 3 x 2 numbers, got a list of 3"),
        (
            smallest(c=[[1, 2], [3, 4]]),
            "c: must be a list of 2 or 3 x 2 numbers, got 2 x 2 numbers",
        ),
        (smallest(c=[[1, 2], [3]]), "c: all rows must have the same length"),
        (smallest(c=[[[1]]]), "c[0][0]: must be a number, got [1]"),
        (smallest(c=[2, -1]), "c[1]: must be >= 0, got -1"),
        (smallest(c=[2, 40]), "p_max: must be > every unit cost (40), got 30"),
        (smallest(b_max=0), "b_max: must be > 0, got 0"),
        (smallest(p_max=[1]), "p_max: must be a number, got a list of 1"),
        (smallest(delta=None), "delta: must be a list with a number per player; got null"),
        (smallest(q=[]), "q: must be a list with a number per player; got []"),
        (smallest(V=2.0), "V: must be a whole number from 1 to 5000, got 2.0"),
        (smallest(R=0), "R: must be a whole number from 1 to 1000, got 0"),
        (smallest(V=True), "V: must be a whole number from 1 to 5000, got true"),
        (smallest(zeta=[[0, 1], [1, 0]]), "zeta: must have 3 rows, got 2"),
        (
            smallest(zeta=[0, 1, 2]),
            "zeta: must be a number, 3 x 3 numbers, or a mapping with pairs or total, "
            "got a list of 3",
        ),
        (smallest(eta=[[0, 1], [2, 0]]), "eta[1][0]: must equal eta[0][1] (1), got 2"),
        (smallest(eta=[[1, 0], [0, 0]]), "eta[0][0]: must be 0 (diagonal), got 1"),
        (smallest(eta=[["x", 0], [0, 0]]), "eta[0][0]: must be a number, got 'x'"),
        (smallest(capacity=[1, 2, 3]), "capacity: must be a list of 2, got a list of 3"),
        (smallest(capacity=[1, 0]), "capacity[1]: must be > 0, got 0"),
        (smallest(capacity=[None, "x"]), "capacity[1]: must be a number, got 'x'"),
        (smallest(capacity=[None]), "capacity: must be a list of 2, got a list of 1"),
        (smallest(externality="add"), "externality: must be additive or multiplicative, got 'add'"),
        (smallest(externality=[1]), "externality: must be additive or multiplicative, got [1]"),
        (smallest(satisfaction=1), "satisfaction: unknown key (did you mean delta?)"),
        (smallest(etta=1), "etta: unknown key (did you mean eta?)"),
        (smallest(delay=[1]), "delay: must be null or a mapping with D, s, T0 and Tmax, got [1]"),
        (with_delay(d=1), "delay.d: unknown key (did you mean D?)"),
        (with_delay(s=[1, 2]), "delay.s: must be a list of 3 or 3 x 2 numbers, got a list of 2"),
        (with_delay(s=0), "delay.s: must be > 0, got 0"),
        (with_delay(Tmax=[1, 2, 0]), "delay.Tmax[2]: must be > 0, got 0"),
        (with_delay(D=-1), "delay.D: must be >= 0, got -1"),
        ([1], "a game instance must be a mapping, got [1]"),
        (None, "a game instance must be a mapping, got null"),
        ({"q": [1]}, "delta: must be a list with a number per player; it is missing"),
    ],
)  # fmt: skip
def test_each_fault_is_one_line_with_its_path(content: Any, problem: str) -> None:
    assert problem in problems(content)


@pytest.mark.parametrize("key", ["q", "c", "p_max", "b_max"])
def test_missing_keys_are_named(key: str) -> None:
    content = smallest()
    del content[key]
    assert any(line.startswith(f"{key}: ") and "missing" in line for line in problems(content))


def test_a_missing_offset_names_both_ways_to_give_it() -> None:
    content = smallest()
    del content["E"]
    assert problems(content) == ["E: missing (or give alpha and T_th)"]
    content["alpha"] = [1e308] * 3
    assert problems(content) == ["T_th: missing"]
    content["T_th"] = 1e308
    assert "alpha: times T_th must be finite" in problems(content)


def test_a_key_that_is_like_no_other_is_answered_with_all_keys() -> None:
    (problem,) = problems({**smallest(), 5: 1})
    assert problem.startswith("5: unknown key (known: E, R, T_th, V, alpha, b_max, c, ")


def test_all_faults_come_at_once() -> None:
    content = smallest(delta=[1, -1, 1], q=[0, 1], b_max=-1, foo=1, delay={"D": -1})
    assert len(problems(content)) == 8


def test_garbage_of_any_length_gives_a_bounded_message() -> None:
    assert len(problems(smallest(V=5000, delta=[None] * 5000))) < 200


def test_numpy_arrays_are_accepted() -> None:
    content = {
        key: np.array(value) if isinstance(value, list) else value
        for key, value in smallest().items()
    }
    assert same(instance_from_mapping(content), instance_from_mapping(smallest()))
    content["p_max"] = np.float64(30)
    assert instance_from_mapping(content).price_max == 30.0


FINITE = st.floats(-1e6, 1e6)
POSITIVE = st.floats(1e-6, 1e6)


@st.composite
def games(draw: st.DrawFn) -> GameInstance:
    v, r = draw(st.integers(1, 4)), draw(st.integers(1, 3))

    def numbers(values: st.SearchStrategy[float], *shape: int) -> np.ndarray:
        size = int(np.prod(shape))
        return np.array(draw(st.lists(values, min_size=size, max_size=size))).reshape(shape)

    def coupling(size: int) -> np.ndarray:
        upper = np.triu(numbers(FINITE, size, size), 1)
        return upper + upper.T

    delay = None
    if draw(st.booleans()):
        delay = DelayConstraint.create(
            v, r, data=numbers(POSITIVE, v), spectral_efficiency=numbers(POSITIVE, v, r),
            base_delay=numbers(POSITIVE, v, r), max_delay=numbers(POSITIVE, v),
        )  # fmt: skip
    return GameInstance.create(
        satisfaction=numbers(POSITIVE, v), offset=numbers(st.floats(-1, 3), v),
        quality=numbers(POSITIVE, r), cost=numbers(st.floats(0, 10), v, r),
        social=coupling(v), service=coupling(r), price_max=draw(st.floats(11, 1e6)),
        bandwidth_max=draw(st.floats(1.5, 1e6)), delay=delay,
        capacity=numbers(POSITIVE, r) if draw(st.booleans()) else None,
        externality=draw(st.sampled_from(["additive", "multiplicative"])),
    )  # fmt: skip


@settings(deadline=None)
@given(games())
def test_round_trips_are_exact_also_through_json_and_yaml(game: GameInstance) -> None:
    mapping = instance_to_mapping(game)
    assert instance_to_mapping(instance_from_mapping(mapping)) == mapping
    assert instance_to_mapping(instance_from_mapping(json.loads(json.dumps(mapping)))) == mapping
    written = yaml.safe_dump(mapping)
    assert instance_to_mapping(instance_from_mapping(parse_yaml(written))) == mapping


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)  # fmt: skip
KEYS = st.sampled_from(
    sorted([*with_delay(), "V", "R", "zeta", "eta", "alpha", "T_th", "capacity"])
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, ANYTHING, max_size=4), st.booleans())
def test_any_mapping_loads_or_is_a_scenario_error(changes: dict[str, Any], alone: bool) -> None:
    content = changes if alone else {**with_delay(), **changes}
    faults = []
    try:
        assert np.all(np.isfinite(instance_from_mapping(content).offset))
    except ScenarioError as error:
        faults = error.problems
    assert all("\n" not in line for line in faults)

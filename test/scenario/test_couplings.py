"""Couplings of a plain instance as pairs and totals, and how they are written."""

import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.scenario import ScenarioError, instance_from_mapping, instance_to_mapping
from veaat_migration.scenario.couplings import coupling_to_plain, read_coupling
from veaat_migration.scenario.numbers import NumberReader


def game(n_avs: int = 3, **changes: Any) -> dict[str, Any]:
    content = {
        "delta": [20] * n_avs, "E": [1.0] * n_avs, "q": [1.0, 1.2], "c": [2.0, 2.5],
        "p_max": 30, "b_max": 10,
    }  # fmt: skip
    return {**content, **changes}


def problems(**changes: Any) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        instance_from_mapping(game(**changes))
    return caught.value.problems


def test_pairs_are_symmetric_and_everything_else_is_zero() -> None:
    made = instance_from_mapping(game(zeta={"pairs": [[1, 3, 0.5], [3, 2, -1]]}))
    np.testing.assert_array_equal(made.social, [[0, 0, 0.5], [0, 0, -1], [0.5, -1, 0]])
    assert not instance_from_mapping(game(zeta={"pairs": []})).social.any()


def test_a_total_is_shared_out_over_the_others() -> None:
    made = instance_from_mapping(game(zeta={"total": 0.04}, eta={"total": 0.02}))
    np.testing.assert_array_equal(made.social, 0.02 * (1 - np.eye(3)))
    np.testing.assert_array_equal(made.service, 0.02 * (1 - np.eye(2)))


@pytest.mark.parametrize(
    ("zeta", "problem"),
    [
        ({"pairs": 1}, "zeta.pairs: must be a list of [i, k, value], got 1"),
        ({"pairs": [1]}, "zeta.pairs[0]: must be [i, k, value], got 1"),
        ({"pairs": [[1, 2]]}, "zeta.pairs[0]: must be [i, k, value], got [1, 2]"),
        ({"pairs": [[0, 2, 1]]}, "zeta.pairs[0][0]: must be a whole number from 1 to 3, got 0"),
        ({"pairs": [[1, 4, 1]]}, "zeta.pairs[0][1]: must be a whole number from 1 to 3, got 4"),
        ({"pairs": [[1.0, 2, 1]]}, "zeta.pairs[0][0]: must be a whole number from 1 to 3, got 1.0"),
        ({"pairs": [[1, True, 1]]},
         "zeta.pairs[0][1]: must be a whole number from 1 to 3, got true"),
        ({"pairs": [[2, 2, 1]]}, "zeta.pairs[0]: must be two different players, got 2 twice"),
        ({"pairs": [[1, 2, "x"]]}, "zeta.pairs[0][2]: must be a number, got 'x'"),
        ({"pairs": [[1, 2, [1]]]}, "zeta.pairs[0][2]: must be a number"),
        ({"pairs": [[1, 2, float("nan")]]}, "zeta.pairs[0][2]: must be finite, got nan"),
        ({"pairs": [[1, 2, 1], [1, 3, 1], [2, 1, 1]]},
         "zeta.pairs[2]: the pair 1, 2 is already given by zeta.pairs[0]"),
        ({"pairs": [], "total": 1}, "zeta: must have either pairs or total"),
        ({}, "zeta: must have either pairs or total"),
        ({"pair": []}, "zeta.pair: unknown key (did you mean pairs?)"),
        ({"total": "x"}, "zeta.total: must be a number, got 'x'"),
        ({"total": [1, 2]}, "zeta.total: must be a number, got a list of 2"),
    ],
)  # fmt: skip
def test_each_fault_is_one_line_with_its_path(zeta: Any, problem: str) -> None:
    assert problems(zeta=zeta) == [problem]


def test_garbage_of_any_length_gives_a_bounded_list() -> None:
    assert len(problems(zeta={"pairs": [[0, 0, 0]] * 10_000})) <= 100


@settings(deadline=None)
@given(st.integers(20, 40), st.data())
def test_few_pairs_are_written_as_pairs_and_read_again_exactly(size: int, data: Any) -> None:
    index = st.integers(0, size - 1)
    entries = data.draw(
        st.dictionaries(st.tuples(index, index), st.floats(-1e6, 1e6), max_size=size)
    )
    matrix = np.zeros((size, size))
    for (i, k), value in entries.items():
        if i != k:
            matrix[i, k] = matrix[k, i] = value
    written = json.loads(json.dumps({"zeta": coupling_to_plain(matrix)}))
    reader = NumberReader()
    np.testing.assert_array_equal(read_coupling(reader, written, "zeta", size), matrix)
    assert reader.problems == []


def test_small_and_dense_couplings_are_written_in_full() -> None:
    assert instance_to_mapping(instance_from_mapping(game()))["zeta"] == [[0.0] * 3] * 3
    dense = 0.1 * (1 - np.eye(30))
    assert coupling_to_plain(dense) == dense.tolist()
    assert coupling_to_plain(np.zeros((30, 30))) == {"pairs": []}


def test_a_large_game_with_a_full_matrix_is_read_without_a_wait() -> None:
    size = 1000
    content = game(size, zeta=(1e-5 * (1 - np.eye(size))).tolist(), c=[[2.0] * 2] * size)
    began = time.perf_counter()
    assert instance_from_mapping(content).n_avs == size
    assert time.perf_counter() - began < 0.6  # checked number by number it takes over a second

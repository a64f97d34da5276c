"""Which round a leader opens next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.protocol.rounds import joining_round, next_round, supported_round

from .builders import repeatable

rounds = st.lists(st.integers(0, 200), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("heard", "supported"),
    [([], 0), ([5], 5), ([5, 9], 9), ([5, 5, 9], 5), ([4, 5, 9, 9], 9), ([1, 9, 9], 9)],
)
def test_half_of_the_followers_support_a_round(heard, supported):
    assert supported_round(heard) == supported


@pytest.mark.parametrize(
    ("current", "heard", "expected"),
    [
        (7, [], 8),
        (7, [7, 7, 7], 8),
        (7, [7, 6, 7], 8),
        (7, [8, 8, 7], 8),  # the straggler can still answer round 8
        (7, [8, 8, 8], 9),  # nobody can answer round 8 any more
        (7, [50, 50, 7], 51),  # a straggler that is far behind does not hold us
        (7, [50, 7, 7], 8),  # a runaway does not pull us
        (7, [50, 49, 49], 50),
        (7, [2, 3, 1], 8),
    ],
)
def test_next_round_is_the_earliest_that_the_group_can_answer(current, heard, expected):
    assert next_round(current, heard) == expected


@repeatable
@given(st.integers(0, 200), rounds)
def test_next_round_advances_and_somebody_can_answer_it(current, heard):
    result = next_round(current, heard)
    assert result > current
    assert any(r < result for r in heard)
    # Nobody is passed over: whoever is in the group of the majority can still answer.
    assert result == current + 1 or result <= supported_round(heard) + 1


@repeatable
@given(st.integers(0, 200), rounds)
def test_a_leader_without_history_joins_behind_everybody(current, heard):
    result = joining_round(current, heard, max_lead=200)
    assert result == max([current, *heard]) + 1


def test_a_corrupt_round_does_not_lead_a_joining_leader_astray():
    assert joining_round(0, [7, 8, 10**9], max_lead=64) == 9
    assert joining_round(0, [], max_lead=64) == 1

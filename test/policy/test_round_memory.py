"""The record of a round memory: what actors rely on without checking it again."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from artifacts import make_artifact, make_schema
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.policy.round_memory import RoundMemory
from veaat_migration.policy.runtime import NotFiniteError, NumpyActor

numbers = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1e308])


def vector(size: int) -> st.SearchStrategy[np.ndarray]:
    return st.lists(numbers, min_size=size, max_size=size).map(np.array)


steps = st.lists(
    st.tuples(st.just("add"), vector(2), vector(6))
    | st.tuples(st.just("set_prices"), vector(2), st.none())
    | st.tuples(st.just("set_rates"), vector(2), vector(2)),
    max_size=12,
)


@settings(deadline=None)
@given(steps, st.sampled_from(["geometric", "linear"]))
@pytest.mark.filterwarnings("ignore:overflow")  # of huge numbers on their way to be clipped
def test_whatever_comes_in_no_entry_is_infinite_and_the_one_stays(steps: list, price_scale: str):
    artifact = make_artifact("leader", 1, price_scale=price_scale)
    memory = RoundMemory(artifact.schema, hold=2)
    actor = NumpyActor(artifact)

    for number, (name, first, second) in enumerate(steps):
        if name == "add":
            memory.add(number, first, second.reshape(3, 2))
        elif name == "set_prices":
            memory.set_prices(first)
        else:
            memory.set_rates(first, second)

        assert not np.isinf(memory.record).any()
        assert memory.record[-1] == 1.0
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                (price,) = actor.act_on_record(memory.record)
            except NotFiniteError:
                assert np.isnan(memory.record).any()
            else:
                assert 2.0 <= price <= 30.0


def test_rates_that_are_not_finite_are_not_known():
    memory = RoundMemory(make_schema(), hold=2)
    layout = make_schema().layout
    names = layout.names()

    memory.set_rates(np.array([5.0, math.inf]), np.array([math.nan, 20.0]))

    rates = dict(zip(names, memory.record, strict=False))
    assert rates["arrival_rate[t][rsu 1]"] == 0.5
    assert math.isnan(rates["arrival_rate[t][rsu 2]"])
    assert math.isnan(rates["service_rate[t][rsu 1]"])
    assert rates["service_rate[t][rsu 2]"] == 2.0

"""What policies observe: the paper's entries, each once, at the place that the layout says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.policy.observation import ObservationLayout, as_input

layouts = st.builds(
    ObservationLayout, st.integers(1, 6), st.integers(1, 5), st.integers(1, 6), st.booleans()
)


def test_the_base_case_in_full():
    layout = ObservationLayout(n_avs=3, n_rsus=2, history=1)

    assert layout.names() == [
        "price[t-1][rsu 1]",
        "price[t-1][rsu 2]",
        "demand[t-1][av 1][rsu 1]",
        "demand[t-1][av 1][rsu 2]",
        "demand[t-1][av 2][rsu 1]",
        "demand[t-1][av 2][rsu 2]",
        "demand[t-1][av 3][rsu 1]",
        "demand[t-1][av 3][rsu 2]",
        "arrival_rate[t][rsu 1]",
        "arrival_rate[t][rsu 2]",
        "service_rate[t][rsu 1]",
        "service_rate[t][rsu 2]",
        "price[t][rsu 1]",
        "price[t][rsu 2]",
    ]
    assert layout.leader_columns(1) == [0, 1, 2, 3, 4, 5, 6, 7, 9, 11]
    assert layout.follower_columns(1) == [0, 1, 2, 3, 6, 7, 12, 13]


@given(layouts)
def test_sizes_are_those_of_the_columns_and_names(layout: ObservationLayout):
    assert len(layout.names()) == len(set(layout.names())) == layout.record_size
    for rsu in range(layout.n_rsus):
        columns = layout.leader_columns(rsu)
        assert len(columns) == layout.leader_size
        assert columns == sorted(set(columns))
        assert columns[-1] < layout.record_size
    for av in range(layout.n_avs):
        columns = layout.follower_columns(av)
        assert len(columns) == layout.follower_size
        assert columns == sorted(set(columns))
        assert all(column < layout.record_size for column in columns)


@given(layouts, st.data())
def test_players_see_what_the_paper_gives_them_and_nothing_else(
    layout: ObservationLayout, data: st.DataObject
):
    names = layout.names()
    rsu = data.draw(st.integers(0, layout.n_rsus - 1))
    av = data.draw(st.integers(0, layout.n_avs - 1))
    past = {name for name in names if "[t-" in name}

    leader = {names[column] for column in layout.leader_columns(rsu)}
    follower = {names[column] for column in layout.follower_columns(av)}

    assert leader == past | {f"{rate}_rate[t][rsu {rsu + 1}]" for rate in ("arrival", "service")}
    current = {f"price[t][rsu {j + 1}]" for j in range(layout.n_rsus)}
    assert follower == {name for name in past if f"[av {av + 1}]" not in name} | (
        current if layout.observe_current_price else set()
    )


@given(layouts)
def test_the_oldest_round_comes_first(layout: ObservationLayout):
    names = layout.names()
    ages = [int(name.split("[t-")[1].split("]")[0]) for name in names if "[t-" in name]

    assert ages == sorted(ages, reverse=True)
    assert ages[0] == layout.history
    assert ages.count(1) == layout.round_size


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_avs", 0),
        ("n_rsus", -1),
        ("history", 1.5),
        ("history", True),
        ("history", 0),
        ("observe_current_price", 1),
    ],
)
def test_a_layout_without_meaning_is_refused(field: str, value: object):
    fields = {"n_avs": 3, "n_rsus": 2, "history": 4, "observe_current_price": True}

    with pytest.raises(ValueError, match=field):
        ObservationLayout(**{**fields, field: value})  # type: ignore[arg-type]


def test_shares_are_seen_between_minus_one_and_one():
    assert as_input(np.array([0.0, 0.25, 1.0])).tolist() == [-1.0, -0.5, 1.0]

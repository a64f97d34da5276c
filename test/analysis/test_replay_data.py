"""The replay format: what is recorded is read again, and what is wrong is named."""

import contextlib
import copy
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.analysis.replay_data import (
    NOBODY,
    Phase,
    Place,
    ReplayError,
    ReplayRecorder,
    rsu_colours,
    to_json,
    write_replay,
)
from veaat_migration.analysis.replay_reading import (
    check_replay,
    load_replay,
    positions_of,
    road_points,
    step_times,
    twins_at,
)

RSUS = [Place("west", 0.0, 0.0, 300.0), Place("east", 500.0, 0.0, 300.0)]


def recorder() -> ReplayRecorder:
    return ReplayRecorder("a run", RSUS, roads=[[(0.0, 0.0), (500.0, 0.0)]])


def replay() -> dict[str, Any]:
    made = recorder()
    made.step(10.0, ["a", "b"], [(0.0, 1.0), (5.0, 5.0)])
    made.step(11.0, ["a"], [(12.34, 1.0)])
    made.step(12.5, ["a", "b"], [(20.0, 1.0), (9.0, 9.0)])
    made.twin(12.0, "a", Phase.CONNECTED, 1)
    made.twin(10.0, "a", Phase.CONNECTED, 0)
    made.twin(11.0, "a", Phase.TRANSFERRING, 0, 1)
    made.event(11.5, "migration", "a moves", vehicle="a", rsu=1)
    made.event(10.5, "note", "first")
    made.value(10.0, "Price", "west", 4.0, unit="money/MHz", rsu=0)
    made.value(11.0, "Price", "west", 4.0, unit="money/MHz", rsu=0)
    made.value(12.0, "Price", "west", float("nan"), unit="money/MHz", rsu=0)
    made.value(12.0, "Price", "west", 5.0, unit="money/MHz", rsu=0)
    return made.finish()


def test_positions_come_back_to_the_resolution() -> None:
    made = replay()
    check_replay(made)
    assert step_times(made).tolist() == [10.0, 11.0, 12.5]
    np.testing.assert_allclose(positions_of(made, 0), [[0.0, 1.0], [12.3, 1.0], [20.0, 1.0]])
    b = positions_of(made, 1)
    assert np.isnan(b[1]).all()
    np.testing.assert_allclose(b[[0, 2]], [[5.0, 5.0], [9.0, 9.0]])
    np.testing.assert_allclose(road_points(made)[0], [[0.0, 0.0], [500.0, 0.0]])


def test_twins_events_and_values_are_in_order() -> None:
    made = replay()
    assert twins_at(made, np.array([9.0, 10.0, 11.9, 12.0]))[:, 0].tolist() == [NOBODY, 0, 0, 1]
    assert [event[4] for event in made["events"]] == ["first", "a moves"]
    (line,) = made["charts"][0]["lines"]
    assert (line["times"], line["values"]) == ([10_000, 2_000], [4.0, 5.0])


@settings(deadline=None)
@given(
    path=st.lists(st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)), min_size=1, max_size=30),
    resolution=st.sampled_from([0.01, 0.1, 1.0]),
)
def test_rounding_does_not_add_up(path: list[tuple[float, float]], resolution: float) -> None:
    made = ReplayRecorder("x", RSUS, resolution=resolution)
    for second, place in enumerate(path):
        made.step(float(second), ["a"], [place])
    places = positions_of(made.finish(), 0)
    assert np.abs(places - np.array(path)).max() <= 0.5 * resolution + 1e-6


@pytest.mark.parametrize("name", ["replay.json", "replay.json.gz"])
def test_files_are_read_again(tmp_path: Path, name: str) -> None:
    write_replay(tmp_path / name, replay())
    assert load_replay(tmp_path / name) == replay()
    assert ((tmp_path / name).read_bytes()[:2] == b"\x1f\x8b") == name.endswith("gz")


def test_what_cannot_be_recorded() -> None:
    made = recorder()
    with pytest.raises(ReplayError, match="there is no step"):
        made.finish()
    made.step(1.0, ["a"], [(0.0, 0.0)])
    with pytest.raises(ReplayError, match="does not come after"):
        made.step(1.0, ["a"], [(0.0, 0.0)])
    with pytest.raises(ReplayError, match="out of range"):
        made.step(2.0, ["a"], [(float("nan"), 0.0)])
    with pytest.raises(ReplayError, match="there is no RSU 2"):
        made.twin(1.0, "a", Phase.IDLE, 2)
    with pytest.raises(ReplayError, match="a time is out of range"):
        made.event(float("inf"), "x", "y")
    with pytest.raises(ReplayError, match="not finite"):
        ReplayRecorder("x", [Place("r", float("nan"), 0.0, 1.0)])


DAMAGES: list[tuple[list[Any], Any, str]] = [
    (["format"], "x", "is no replay"),
    (["version"], 2, "version 2"),
    (["title"], 3, "title: must be text"),
    (["resolution"], 0, "resolution: must be a number > 0"),
    (["speed"], float("nan"), "speed: must be a number > 0"),
    (["times"], [0, 0], "times: must increase"),
    (["times"], [], "times: must be integers"),
    (["rsus"], {}, "rsus: must be a list"),
    (["rsus", 1, "x"], "left", r"rsus\[1\]: needs name"),
    (["roads", 0], [[1], [1, 2]], r"roads\[0\]: must be two lists"),
    (["vehicles", 0], 5, r"vehicles\[0\]: must be a mapping"),
    (["vehicles", 0, "spans", 0, 0], 1, r"vehicles\[0\]\.spans\[0\]: does not fit"),
    (["vehicles", 1, "spans", 1, 0], 0, r"vehicles\[1\]\.spans\[1\]: does not fit"),
    (["vehicles", 0, "spans", 0, 1, 0], 0.5, r"spans\[0\]: must be \[first step"),
    (["vehicles", 0, "twin", 0, 1], 9, r"vehicles\[0\]\.twin\[0\]"),
    (["vehicles", 0, "twin", 0, 2], 2, r"vehicles\[0\]\.twin\[0\]"),
    (["events", 0, 2], 7, r"events\[0\]: names an unknown vehicle"),
    (["events", 0], [1], r"events\[0\]: must be"),
    (["charts", 0, "unit"], None, r"charts\[0\]\.unit: must be text"),
    (["charts", 0, "lines", 0, "values"], [1.0], r"charts\[0\]\.lines\[0\]: needs"),
]


@pytest.mark.parametrize(("where", "value", "message"), DAMAGES)
def test_each_wrong_part_is_named(where: list[Any], value: Any, message: str) -> None:
    damaged = copy.deepcopy(replay())
    part: Any = damaged
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    with pytest.raises(ReplayError, match=message):
        check_replay(damaged)


def test_files_that_are_no_replays(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(ReplayError, match=r"x\.json: no such file"):
        load_replay(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ReplayError, match=r"x\.json: is no JSON"):
        load_replay(path)
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(ReplayError, match="is no JSON"):
        load_replay(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(ReplayError, match=r"x\.json: is no replay"):
        load_replay(path)
    path.write_bytes(gzip.compress(to_json(replay()).encode())[:-20])
    with pytest.raises(ReplayError, match="truncated or damaged"):
        load_replay(path)
    with pytest.raises(ReplayError, match="cannot be written"):
        write_replay(tmp_path / "none" / "x.json", replay())


@settings(deadline=None)
@given(
    junk=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["name", "spans", "twin", "lines"]), inner, max_size=3
            )
        ),
    ),
    key=st.sampled_from(["times", "rsus", "roads", "vehicles", "events", "charts"]),
)
def test_junk_is_refused_and_never_breaks_the_check(junk: Any, key: str) -> None:
    damaged = {**replay(), key: junk}
    with contextlib.suppress(ReplayError):
        check_replay(damaged)


def test_colours_differ() -> None:
    assert len(set(rsu_colours(60))) == 60
    assert all(len(colour) == 7 for colour in rsu_colours(60))

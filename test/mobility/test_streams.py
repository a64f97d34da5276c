"""Cutting, thinning and looking ahead in a stream; traffic that reports itself."""

from collections.abc import Iterator

import numpy as np
import pytest

from veaat_migration.mobility.position_watch import PositionState
from veaat_migration.mobility.streams import LiveTraffic, between, every, limited, look_ahead
from veaat_migration.mobility.traffic import Snapshot, TraceError, Vehicle


def stream(*ids: str) -> Iterator[Snapshot]:
    """Step k holds the vehicles named by the letters of the k-th text, at x = k."""
    for k, names in enumerate(ids):
        yield Snapshot(float(k), tuple(Vehicle(name, float(k), 0.0) for name in names))


def test_a_part_of_a_stream_is_read_no_further_than_needed() -> None:
    source = stream("a", "a", "a", "a", "a", "a")
    assert [snapshot.time for snapshot in between(source, 1.0, 3.0)] == [1.0, 2.0, 3.0]
    assert next(source).time == 5.0
    with pytest.raises(TraceError, match="no timestep from 10 s to 20 s"):
        list(between(stream("a"), 10.0, 20.0))


def test_thinning_keeps_the_distance() -> None:
    kept = [snapshot.time for snapshot in every(stream(*"aaaaaaa"), 2.5)]
    assert kept == [0.0, 3.0, 6.0]
    tenths = (Snapshot(0.1 * k, ()) for k in range(31))
    assert len(list(every(tenths, 0.3))) == 11


def test_at_most_so_many_vehicles_and_who_is_in_stays() -> None:
    kept = [
        "".join(vehicle.id for vehicle in snapshot.vehicles)
        for snapshot in limited(stream("abc", "xabc", "xb", "xbc"), 2)
    ]
    assert kept == ["ab", "ab", "xb", "xb"]


def test_looking_ahead_knows_each_path_until_it_ends() -> None:
    views = list(look_ahead(stream("ab", "a", "ab", "a"), 2.0))
    assert [view.now.time for view in views] == [0.0, 1.0, 2.0, 3.0]
    assert views[0].times.tolist() == [0.0, 1.0, 2.0]
    np.testing.assert_array_equal(views[0].paths["a"][:, 0], [0.0, 1.0, 2.0])
    assert len(views[0].paths["b"]) == 1
    assert views[3].paths["a"].tolist() == [[3.0, 0.0]]


def test_looking_ahead_reads_no_further_than_the_horizon() -> None:
    source = stream(*"aaaaaaaa")
    next(look_ahead(source, 2.0))
    assert next(source).time == 4.0


def test_looking_too_far_ahead_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veaat_migration.mobility.streams.MAX_AHEAD", 5)
    with pytest.raises(TraceError, match="look less far"):
        list(look_ahead(stream(*"aaaaaaaa"), 100.0))


def test_vehicles_that_report_themselves() -> None:
    live = LiveTraffic(timeout=1.0)
    assert live.observe("b", (1.0, 2.0), 10.0, 10.0, speed=3.0) is PositionState.FRESH
    live.observe("a", (5.0, 6.0), 10.1, 10.1)
    assert live.observe("a", (np.nan, 0.0), 10.2, 10.2) is PositionState.NOT_FINITE
    assert live.observe("c", (np.nan, 0.0), 10.2, 10.2) is PositionState.NOT_FINITE
    snapshot = live.snapshot(10.5)
    assert [(vehicle.id, vehicle.x) for vehicle in snapshot.vehicles] == [("a", 5.0), ("b", 1.0)]
    assert [vehicle.id for vehicle in live.snapshot(11.05).vehicles] == ["a"]
    assert live.snapshot(99.0).vehicles == ()


@pytest.mark.parametrize(
    "make", [lambda s: every(s, 0.0), lambda s: limited(s, 0), lambda s: look_ahead(s, -1.0)]
)
def test_numbers_out_of_range(make: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        list(make(stream("a")))  # type: ignore[operator]

"""What is kept of a stream of snapshots."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from veaat_migration.mobility.traffic import (
    CELL_SIZE,
    MAX_CELLS,
    Snapshot,
    TraceError,
    Vehicle,
    observe,
)


def driving(start: float, end: float, step: float = 1.0) -> Iterator[Snapshot]:
    """Two cars on two roads, 10 m/s east and north."""
    for k in itertools.count():
        time = start + k * step
        if time > end:
            return
        s = 10.0 * (time - start)
        yield Snapshot(
            time,
            (
                Vehicle("b", 0.0, s, 10.0, 0.0, "north_0", s),
                Vehicle("a", s, 500.0, 10.0, 90.0, "east_1", s),
            ),
        )


def test_the_scene_is_the_last_snapshot_at_or_before_the_time() -> None:
    assert observe(driving(0, 100), 50).time == 50.0
    assert observe(driving(0, 100), 50.7).time == 50.0
    assert [vehicle.id for vehicle in observe(driving(0, 100), 50).vehicles] == ["a", "b"]


def test_nothing_after_the_time_is_read() -> None:
    def endless() -> Iterator[Snapshot]:
        yield from driving(0, 50)
        raise AssertionError("read on after the time")

    assert observe(endless(), 50).time == 50.0


@pytest.mark.parametrize(
    ("time", "message"),
    [
        (101, r"time 101 s is after the end: the trace holds 20 s to 100 s"),
        (5, r"time 5 s is before the beginning: the trace starts at 20 s"),
    ],
)
def test_times_outside_the_trace_say_which_exist(time: float, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        observe(driving(20, 100), time)


def test_a_trace_without_timesteps_or_vehicles_is_refused() -> None:
    with pytest.raises(TraceError, match="no timestep"):
        observe([], 1)
    with pytest.raises(TraceError, match=r"no vehicle is on the road at 1 s"):
        observe([Snapshot(1.0, ())], 1)


def test_degrees_instead_of_metres_are_noticed() -> None:
    geo = Snapshot(0.0, (Vehicle("a", 11.30, 44.49), Vehicle("b", 11.34, 44.50)))
    with pytest.raises(TraceError, match="seem to be degrees"):
        observe([geo], 0)


def test_density_counts_the_window_only() -> None:
    whole = observe(driving(0, 100), 100, window=100)
    last = observe(driving(0, 100), 100, window=9)
    assert whole.weights.sum() == 2 * 101
    assert last.weights.sum() == 2 * 10
    assert last.places[:, 0].max() <= 1000.0
    eastbound = last.places[np.abs(last.places[:, 1] - 500.0) < 1.0]
    assert eastbound[:, 0].min() >= 910.0


def test_places_are_means_within_cells() -> None:
    pair = Snapshot(0.0, (Vehicle("a", 1.0, 2.0), Vehicle("b", 3.0, 6.0), Vehicle("c", 999.0, 0.0)))
    traffic = observe([pair], 0)
    np.testing.assert_allclose(traffic.places, [[2.0, 4.0], [999.0, 0.0]])
    np.testing.assert_array_equal(traffic.weights, [2, 1])


def test_cells_grow_when_there_are_too_many() -> None:
    side = int(np.sqrt(4 * MAX_CELLS))
    grid = Snapshot(
        0.0,
        tuple(
            Vehicle(f"{x},{y}", CELL_SIZE * (x + 0.5), CELL_SIZE * (y + 0.5))
            for x in range(side)
            for y in range(side)
        ),
    )
    traffic = observe([grid], 0)
    assert len(traffic.weights) <= MAX_CELLS
    assert traffic.weights.sum() == side**2
    np.testing.assert_allclose(
        traffic.weights @ traffic.places / side**2, [CELL_SIZE * side / 2] * 2
    )


def test_roads_are_the_lines_that_vehicles_drove() -> None:
    north, east = sorted(observe(driving(0, 101), 101).roads)
    assert north == ((0.0, 0.0), (0.0, pytest.approx(1000.0, abs=20.0)))
    assert east == ((0.0, 500.0), (pytest.approx(1000.0, abs=20.0), 500.0))


def test_bends_stay_in_roads() -> None:
    corner = [(0.0, 0.0), (50.0, 0.0), (100.0, 0.0), (100.0, 50.0), (100.0, 100.0)]
    snapshots = [
        Snapshot(
            float(k), (Vehicle("a", x, y, 5.0, 0.0, "e_0", 50.0 * k), Vehicle("b", 0.0, -90.0))
        )
        for k, (x, y) in enumerate(corner)
    ]
    assert observe(snapshots, 4).roads == (((0.0, 0.0), (100.0, 0.0), (100.0, 100.0)),)


def test_a_loop_road_keeps_its_shape() -> None:
    square = [(0.0, 0.0), (90.0, 0.0), (90.0, 90.0), (0.0, 90.0), (0.0, 0.0)]
    snapshots = [
        Snapshot(
            float(k), (Vehicle("a", x, y, 5.0, 0.0, "e_0", 90.0 * k), Vehicle("b", 0.0, -90.0))
        )
        for k, (x, y) in enumerate(square)
    ]
    assert observe(snapshots, 4).roads == (tuple(square),)

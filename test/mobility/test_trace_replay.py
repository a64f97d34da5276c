"""Vehicles between the steps of a trace: who moves, who appears, who leaps."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.mobility.replay import Replay
from veaat_migration.mobility.scene import scene_of
from veaat_migration.mobility.traffic import Snapshot, TraceError, Vehicle


def step(time: float, **places: tuple[float, float]) -> Snapshot:
    return Snapshot(time, tuple(Vehicle(name, x, y) for name, (x, y) in places.items()))


def test_vehicles_move_straight_between_two_steps() -> None:
    replay = Replay([step(0.0, a=(0.0, 0.0)), step(2.0, a=(10.0, 4.0))])
    scene = replay.at(0.5)
    assert scene is not None
    np.testing.assert_allclose(scene.positions, [[2.5, 1.0]])
    np.testing.assert_allclose(scene.velocities, [[5.0, 2.0]])


def test_who_leaves_stays_until_the_next_step_and_who_comes_comes_with_it() -> None:
    replay = Replay([step(0.0, a=(1.0, 1.0)), step(1.0, b=(2.0, 2.0)), step(2.0)])
    for time, ids in ((0.0, ("a",)), (0.9, ("a",)), (1.0, ("b",)), (1.9, ("b",)), (2.0, ())):
        scene = replay.at(time)
        assert scene is not None
        assert scene.ids == ids
    assert replay.at(2.1) is None


def test_who_comes_back_starts_where_it_comes_back() -> None:
    replay = Replay([step(0.0, a=(0.0, 0.0)), step(1.0), step(2.0, a=(50.0, 0.0))])
    replay.at(1.5)
    scene = replay.at(2.0)
    assert scene is not None
    np.testing.assert_array_equal(scene.positions, [[50.0, 0.0]])


def test_a_vehicle_that_was_moved_by_the_simulator_leaps() -> None:
    replay = Replay([step(0.0, a=(0.0, 0.0)), step(1.0, a=(900.0, 0.0))])
    scene = replay.at(0.9)
    assert scene is not None
    np.testing.assert_array_equal(scene.positions, [[0.0, 0.0]])
    np.testing.assert_array_equal(scene.velocities, [[0.0, 0.0]])


def test_nobody_is_there_before_the_trace_begins() -> None:
    replay = Replay([step(5.0, a=(0.0, 0.0))])
    scene = replay.at(1.0)
    assert scene is not None
    assert scene.ids == ()
    assert scene.positions.shape == (0, 2)


def test_a_stream_cannot_go_back() -> None:
    replay = Replay([step(0.0), step(1.0)])
    replay.at(0.7)
    with pytest.raises(ValueError, match=r"is before 0\.7 s"):
        replay.at(0.6)
    with pytest.raises(ValueError, match="time nan s"):
        replay.at(float("nan"))


def test_an_empty_trace_is_an_error() -> None:
    with pytest.raises(TraceError, match="no timestep"):
        Replay([])


def test_only_two_steps_are_read_ahead() -> None:
    taken = []

    def stream() -> Iterator[Snapshot]:
        for second in range(100):
            taken.append(second)
            yield step(float(second))

    replay = Replay(stream())
    assert replay.next_step == 1.0
    replay.at(3.5)
    assert taken[-1] == 4


def test_velocity_from_speed_and_heading() -> None:
    scene = scene_of(
        Snapshot(
            0.0,
            (
                Vehicle("north", 0, 0, 2.0, 0.0),
                Vehicle("east", 0, 0, 3.0, 90.0),
                Vehicle("standing", 0, 0, 0.0),
                Vehicle("unknown", 0, 0, 5.0),
            ),
        )
    )
    np.testing.assert_allclose(scene.velocities[:3], [[0, 2], [3, 0], [0, 0]], atol=1e-12)
    assert np.isnan(scene.velocities[3]).all()


@settings(deadline=None)
@given(
    places=st.lists(st.tuples(st.floats(0.0, 40.0), st.floats(0.0, 40.0)), min_size=2, max_size=8),
    moments=st.lists(st.floats(0.0, 7.0), min_size=1, max_size=20).map(sorted),
)
def test_interpolation_meets_the_steps_and_stays_between_them(
    places: list[tuple[float, float]], moments: list[float]
) -> None:
    steps = [step(float(k), a=place) for k, place in enumerate(places)]
    replay = Replay(steps)
    for time in moments:
        scene = replay.at(time)
        if time > len(places) - 1:
            assert scene is None
            continue
        assert scene is not None
        low = int(time)
        ends = np.array(places[low : low + 2])
        assert (scene.positions[0] >= ends.min(axis=0) - 1e-9).all()
        assert (scene.positions[0] <= ends.max(axis=0) + 1e-9).all()
        if time == low:
            np.testing.assert_allclose(scene.positions[0], places[low], atol=1e-9)

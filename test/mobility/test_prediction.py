"""Time until a coverage is left or entered, against driving there."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from veaat_migration.mobility.prediction import (
    path_time_to_enter,
    path_time_to_exit,
    time_to_enter,
    time_to_exit,
)

coordinate = st.floats(-300.0, 300.0)
speed = st.floats(-40.0, 40.0)
radius = st.floats(1.0, 250.0)


def one(function: object, place: object, velocity: object, site: object, r: object) -> float:
    result = function([place], [velocity], [site], r)  # type: ignore[operator]
    assert result.shape == (1, 1)
    return float(result[0, 0])


def test_straight_through_the_middle() -> None:
    assert one(time_to_exit, [-100.0, 0.0], [10.0, 0.0], [0.0, 0.0], 200.0) == 30.0
    assert one(time_to_enter, [-300.0, 0.0], [10.0, 0.0], [0.0, 0.0], 200.0) == 10.0


def test_who_stands_never_leaves_and_never_comes() -> None:
    assert one(time_to_exit, [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], 1.0) == np.inf
    assert one(time_to_exit, [0.0, 0.0], [np.nan, np.nan], [0.0, 0.0], 1.0) == np.inf
    assert one(time_to_enter, [5.0, 0.0], [0.0, 0.0], [0.0, 0.0], 1.0) == np.inf


def test_who_is_outside_has_left_and_who_is_inside_has_entered() -> None:
    assert one(time_to_exit, [5.0, 0.0], [-1.0, 0.0], [0.0, 0.0], 1.0) == 0.0
    assert one(time_to_enter, [0.5, 0.0], [1.0, 0.0], [0.0, 0.0], 1.0) == 0.0


def test_paths_that_miss_or_lead_away_never_enter() -> None:
    assert one(time_to_enter, [-10.0, 5.0], [1.0, 0.0], [0.0, 0.0], 4.0) == np.inf
    assert one(time_to_enter, [10.0, 0.0], [1.0, 0.0], [0.0, 0.0], 4.0) == np.inf


def test_shapes_of_many() -> None:
    result = time_to_exit(np.zeros((3, 2)), np.ones((3, 2)), np.zeros((2, 2)), [10.0, 20.0])
    assert result.shape == (3, 2)
    np.testing.assert_allclose(result, np.tile([10.0, 20.0], (3, 1)) / np.sqrt(2.0))
    assert time_to_exit(np.zeros((0, 2)), np.zeros((0, 2)), [[0.0, 0.0]], 1.0).shape == (0, 1)


@settings(deadline=None)
@given(place=st.tuples(coordinate, coordinate), v=st.tuples(speed, speed), r=radius)
def test_at_the_exit_the_vehicle_is_on_the_edge_and_before_it_inside(
    place: tuple[float, float], v: tuple[float, float], r: float
) -> None:
    assume(np.hypot(*v) > 0.01)
    inside = np.hypot(*place) <= r
    t = one(time_to_exit, place, v, [0.0, 0.0], r)
    if not inside:
        assert t == 0.0
        return
    assert 0.0 <= t < np.inf
    edge = np.array(place) + t * np.array(v)
    assert np.hypot(*edge) == pytest.approx(r, abs=1e-4)
    for share in (0.25, 0.5, 0.75):
        assert np.hypot(*(np.array(place) + share * t * np.array(v))) <= r + 1e-4


@settings(deadline=None)
@given(place=st.tuples(coordinate, coordinate), v=st.tuples(speed, speed), r=radius)
def test_entering_agrees_with_driving(
    place: tuple[float, float], v: tuple[float, float], r: float
) -> None:
    assume(np.hypot(*v) > 0.01)
    t = one(time_to_enter, place, v, [0.0, 0.0], r)
    moments = np.linspace(0.0, 100.0, 2001)
    driven = np.hypot(*(np.array(place)[:, None] + np.array(v)[:, None] * moments))
    if np.isinf(t):
        assert (driven > r - 1e-4).all()
    else:
        edge = np.array(place) + t * np.array(v)
        assert np.hypot(*edge) <= r + 1e-4
        assert (driven[moments < t - 1e-6] > r - 1e-4).all()


@settings(deadline=None)
@given(
    place=st.tuples(coordinate, coordinate),
    v=st.tuples(speed, speed),
    r=radius,
    shift=st.tuples(coordinate, coordinate),
    angle=st.floats(0.0, 6.28),
)
def test_moving_or_turning_the_map_changes_nothing(
    place: tuple[float, float],
    v: tuple[float, float],
    r: float,
    shift: tuple[float, float],
    angle: float,
) -> None:
    assume(abs(np.hypot(*place) - r) > 0.01)
    assume(np.hypot(*v) > 0.01)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    before = one(time_to_exit, place, v, [0.0, 0.0], r)
    after = one(time_to_exit, turn @ place + shift, turn @ v, shift, r)
    assert after == pytest.approx(before, rel=1e-5, abs=1e-5)


@settings(deadline=None)
@given(points=st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=10), r=radius)
def test_along_a_path_as_if_driven_in_small_steps(
    points: list[tuple[float, float]], r: float
) -> None:
    times = np.arange(len(points), dtype=float) + 7.0
    path = np.array(points)
    fine = np.linspace(0.0, len(points) - 1.0, 400)
    x, y = (np.interp(fine, times - 7.0, path[:, k]) for k in range(2))
    distance = np.hypot(x, y)
    left = path_time_to_exit(times, path, [0.0, 0.0], r)
    entered = path_time_to_enter(times, path, [0.0, 0.0], r)
    assert (distance[fine < left - 1e-9] <= r + 1e-6).all()
    assert (distance[fine < entered - 1e-9] >= r - 1e-6).all()
    for moment, limit in ((left, distance > r + 1e-6), (entered, distance < r - 1e-6)):
        if np.isinf(moment):
            assert not limit.any()
        else:
            at = np.array([np.interp(moment, times - 7.0, path[:, k]) for k in range(2)])
            if moment > 0.0:
                assert np.hypot(*at) == pytest.approx(r, abs=1e-4)


def test_a_straight_path_and_constant_velocity_agree() -> None:
    times = np.arange(60.0)
    path = np.column_stack([-100.0 + 12.0 * times, np.full(60, 30.0)])
    straight = one(time_to_exit, path[0], [12.0, 0.0], [0.0, 0.0], 150.0)
    assert path_time_to_exit(times, path, [0.0, 0.0], 150.0) == pytest.approx(straight)


def test_paths_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="path: must be"):
        path_time_to_exit([0.0], np.zeros((2, 2)), [0.0, 0.0], 1.0)
    with pytest.raises(ValueError, match="path: must be"):
        path_time_to_exit([0.0], np.zeros((0, 2)), [0.0, 0.0], 1.0)

"""Odometry goes stale, comes late, jumps and breaks; the watch says which."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.mobility.position_watch import TAKEN, PositionState, PositionWatch

HERE = (10.0, 20.0)


def watch_after(*samples: tuple[float, float]) -> PositionWatch:
    """A watch after samples of (stamp, received)."""
    watch = PositionWatch(timeout=1.0)
    for stamp, received in samples:
        assert watch.observe(HERE, stamp, received) is PositionState.FRESH
    return watch


def test_without_a_sample_there_is_no_position():
    watch = PositionWatch()

    assert watch.state(0.0) is PositionState.NEVER
    assert watch.position is None


def test_a_position_is_fresh_until_it_is_stale():
    watch = watch_after((100.0, 5.0))

    assert watch.state(5.0) is PositionState.FRESH
    assert watch.state(6.0) is PositionState.FRESH
    assert watch.state(6.001) is PositionState.STALE
    assert watch.observe(HERE, 102.0, 7.0) is PositionState.FRESH
    assert watch.state(7.0) is PositionState.FRESH


def test_a_sample_that_is_old_on_arrival_is_left_out():
    watch = PositionWatch(timeout=1.0)

    assert watch.observe(HERE, 100.0, 5.0, 101.5) is PositionState.STALE
    assert watch.state(5.0) is PositionState.NEVER
    assert watch.observe(HERE, 101.0, 5.0, 101.5) is PositionState.FRESH


def test_late_samples_are_left_out():
    watch = watch_after((100.0, 5.0))

    assert watch.observe((11.0, 20.0), 99.8, 5.1) is PositionState.LATE
    assert watch.position == HERE


def test_a_sender_that_repeats_itself_goes_stale():
    watch = watch_after((100.0, 5.0))
    for k in range(20):
        assert watch.observe(HERE, 100.0, 5.1 + 0.1 * k) is PositionState.LATE

    assert watch.state(7.0) is PositionState.STALE


def test_a_clock_set_back_begins_anew():
    """As when a recording is played again from its beginning."""
    watch = watch_after((100.0, 5.0))

    assert watch.observe((9000.0, 0.0), 3.0, 5.1) is PositionState.JUMPED_BACK
    assert watch.position == (9000.0, 0.0)
    assert watch.observe((9001.0, 0.0), 3.1, 5.2) is PositionState.FRESH


def test_a_leap_is_noticed_once():
    watch = watch_after((100.0, 5.0))

    assert watch.observe((900.0, 20.0), 100.1, 5.1) is PositionState.LEAPED
    assert watch.observe((901.0, 20.0), 100.2, 5.2) is PositionState.FRESH


def test_a_long_way_after_a_long_time_is_no_leap():
    watch = watch_after((100.0, 5.0))

    assert watch.observe((900.0, 20.0), 130.0, 35.0) is PositionState.FRESH


@pytest.mark.parametrize(
    ("position", "stamp"),
    [((math.nan, 0.0), 101.0), ((0.0, math.inf), 101.0), (HERE, math.nan), (HERE, math.inf)],
)
def test_what_is_not_finite_is_left_out(position: tuple[float, float], stamp: float):
    watch = watch_after((100.0, 5.0))

    assert watch.observe(position, stamp, 5.1) is PositionState.NOT_FINITE
    assert watch.position == HERE
    assert watch.verdicts[PositionState.NOT_FINITE] == 1


def test_samples_without_a_stamp_count_by_their_arrival():
    watch = watch_after((0.0, 5.0), (0.0, 5.1))

    assert watch.observe(HERE, 0.0, 5.2, 1e9) is PositionState.FRESH
    assert watch.state(6.3) is PositionState.STALE


@pytest.mark.parametrize("options", [{"timeout": 0.0}, {"reordering": -1.0}, {"max_speed": 0.0}])
def test_limits_without_meaning_are_refused(options: dict[str, float]):
    with pytest.raises(ValueError, match="must be"):
        PositionWatch(**options)


numbers = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(st.tuples(numbers, numbers), numbers, numbers), max_size=20))
def test_whatever_comes_the_position_is_finite(
    samples: list[tuple[tuple[float, float], float, float]],
):
    watch = PositionWatch()
    for position, stamp, received in samples:
        verdict = watch.observe(position, stamp, received)
        assert (verdict in TAKEN) <= (watch.position == position)
        assert watch.position is None or all(map(math.isfinite, watch.position))
    assert sum(watch.verdicts.values()) == len(samples)

"""Trace time: speed, pause, single steps, and clocks that go back."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.mobility.clock import ReplayClock


def test_trace_time_runs_with_the_speed_factor() -> None:
    clock = ReplayClock(420.0, speed=4.0)
    assert clock.time(1000.0) == 420.0
    assert clock.time(1002.5) == 430.0


def test_changing_the_speed_does_not_jump() -> None:
    clock = ReplayClock(0.0)
    clock.time(0.0)
    clock.set_speed(10.0, 5.0)
    assert clock.time(5.0) == 5.0
    assert clock.time(6.0) == 15.0


def test_a_pause_does_not_count() -> None:
    clock = ReplayClock(0.0)
    clock.time(0.0)
    clock.pause(3.0)
    assert clock.time(100.0) == 3.0
    assert clock.wait(4.0, 100.0) == math.inf
    clock.resume(200.0)
    assert clock.time(201.0) == 4.0


def test_single_steps_in_pause() -> None:
    clock = ReplayClock(10.0, paused=True)
    assert clock.step(1.0, 0.0) == 11.0
    assert clock.time(50.0) == 11.0


def test_how_long_to_wait() -> None:
    clock = ReplayClock(0.0, speed=2.0)
    assert clock.wait(10.0, 100.0) == 5.0
    assert clock.wait(-1.0, 100.0) == 0.0


def test_a_clock_that_goes_back_stands_still_until_it_has_caught_up() -> None:
    clock = ReplayClock(0.0)
    clock.time(10.0)
    assert clock.time(12.0) == 2.0
    assert clock.time(11.0) == 2.0
    assert clock.time(13.0) == 3.0


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_numbers_out_of_range_change_nothing(value: float) -> None:
    clock = ReplayClock(0.0)
    clock.time(0.0)
    with pytest.raises(ValueError, match="must be a number > 0"):
        clock.set_speed(value, 1.0)
    with pytest.raises(ValueError, match="must be a number > 0"):
        clock.step(value, 1.0)
    with pytest.raises(ValueError, match="speed: must be"):
        ReplayClock(0.0, speed=value)
    assert clock.time(1.0) == 1.0


@settings(deadline=None)
@given(
    actions=st.lists(
        st.tuples(
            st.sampled_from(["time", "pause", "resume", "faster", "step"]),
            st.floats(-5.0, 50.0),
        ),
        max_size=30,
    )
)
def test_trace_time_never_goes_back(actions: list[tuple[str, float]]) -> None:
    clock = ReplayClock(0.0)
    now = last = 0.0
    for name, passed in actions:
        now += passed
        if name == "pause":
            clock.pause(now)
        elif name == "resume":
            clock.resume(now)
        elif name == "faster":
            clock.set_speed(1.0 + abs(passed), now)
        elif name == "step":
            clock.step(1.0, now)
        assert clock.time(now) >= last
        last = clock.time(now)

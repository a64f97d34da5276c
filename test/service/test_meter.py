"""Age and downtime of a twin's actions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.service.meter import ServiceMeter


def steady(meter: ServiceMeter, begin: float, count: int, first: int = 1) -> None:
    """Telemetry every 0.1 s, answered after 0.02 s."""
    for n in range(count):
        meter.sent(first + n, begin + 0.1 * n)
        assert meter.acted(first + n, begin + 0.1 * n + 0.02)


def test_the_age_counts_from_what_was_sensed():
    meter = ServiceMeter(0.5)
    assert math.isnan(meter.age(3.0))
    steady(meter, 0.0, 10)
    assert meter.age(0.92) == pytest.approx(0.02)
    assert meter.age(1.0) == pytest.approx(0.1)
    assert meter.take_peak(1.0) == pytest.approx(0.12)
    assert meter.total_downtime(1.0) == 0.0


def test_a_gap_is_downtime_beyond_the_timeout():
    meter = ServiceMeter(0.5)
    steady(meter, 0.0, 10)
    assert meter.total_downtime(2.42) == pytest.approx(1.0)
    meter.sent(11, 2.9)
    meter.acted(11, 2.92)
    assert meter.total_downtime(3.0) == pytest.approx(1.5)


def test_a_watch_sees_the_gap_and_age_of_a_handover():
    meter = ServiceMeter(0.5)
    steady(meter, 0.0, 10)
    meter.watch(0.95)
    meter.sent(11, 1.0)
    meter.sent(12, 1.3)
    assert meter.acted(12, 1.35)
    age, gap = meter.watched(1.36)
    assert gap == pytest.approx(1.35 - 0.92)
    assert age == pytest.approx(1.35 - 0.9)


def test_late_and_unknown_actions_do_not_count():
    meter = ServiceMeter(0.5)
    steady(meter, 0.0, 3)
    meter.sent(4, 0.3)
    meter.sent(5, 0.4)
    assert meter.acted(5, 0.45)
    assert not meter.acted(4, 0.46)
    assert not meter.acted(99, 0.47)
    assert (meter.actions, meter.late) == (4, 2)


@given(st.lists(st.tuples(st.floats(0.0, 2.0), st.booleans()), max_size=60))
def test_downtime_is_what_the_gaps_have_beyond_the_timeout(steps: list[tuple[float, bool]]):
    meter, now, came, expected = ServiceMeter(0.3), 0.0, math.nan, 0.0
    for number, (pause, answered) in enumerate(steps, start=1):
        meter.sent(number, now)
        now += pause
        if answered:
            assert meter.acted(number, now)
            if not math.isnan(came):
                expected += max(now - came - 0.3, 0.0)
            came = now
        assert meter.age(now) >= 0.0 or math.isnan(meter.age(now))
    open_gap = 0.0 if math.isnan(came) else max(now - came - 0.3, 0.0)
    assert meter.total_downtime(now) == pytest.approx(expected + open_gap)

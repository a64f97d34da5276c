"""Against rliable, against brute force, and properties that any such number has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from veaat_migration.experiments.statistics import (
    curve,
    difference,
    estimate,
    interquartile_mean,
    probability_smaller,
    settled_from,
)

_GENERATOR = np.random.default_rng(0)
LEFT = _GENERATOR.normal(1.0, 0.2, (5, 4))
RIGHT = _GENERATOR.normal(0.8, 0.2, (5, 4))
runs = arrays(float, st.integers(2, 7), elements=st.floats(-100.0, 100.0))


def tasks(scores: np.ndarray) -> list[np.ndarray]:
    return list(scores.T)


@pytest.mark.parametrize(
    ("scores", "value", "low", "high"),
    # rliable 1.2.0: get_interval_estimates of aggregate_iqm, 50,000 resamples
    [(LEFT, 0.96526304, 0.89711952, 1.03348577), (RIGHT, 0.80302949, 0.74120195, 0.8711788)],
)
def test_interquartile_means_are_those_of_rliable(scores, value, low, high) -> None:
    found = estimate(tasks(scores))
    assert found.value == pytest.approx(value, abs=1e-8)
    assert found.low == pytest.approx(low, abs=4e-3)
    assert found.high == pytest.approx(high, abs=4e-3)


def test_probabilities_of_improvement_are_those_of_rliable() -> None:
    # rliable 1.2.0: get_interval_estimates of probability_of_improvement, 10,000 resamples
    found = probability_smaller(tasks(RIGHT), tasks(LEFT))
    assert found.value == pytest.approx(0.75)
    assert (found.low, found.high) == (pytest.approx(0.58, abs=0.02), pytest.approx(0.9, abs=0.02))


def test_of_five_runs_the_middle_three_count() -> None:
    assert interquartile_mean([1e9, 1.0, 2.0, 3.0, -1e9]) == 2.0


@given(runs)
def test_the_interval_holds_the_value(sample: np.ndarray) -> None:
    found = estimate([sample])
    slack = 1e-9 * (1.0 + np.abs(sample).max())
    assert found.low - slack <= found.value <= found.high + slack
    assert sample.min() - slack <= found.low
    assert found.high <= sample.max() + slack


@given(runs, runs)
def test_chances_of_both_sides_sum_to_one(left: np.ndarray, right: np.ndarray) -> None:
    first, second = probability_smaller([left], [right]), probability_smaller([right], [left])
    assert first.value + second.value == pytest.approx(1.0)


@given(runs, st.floats(300.0, 1000.0))
def test_a_shift_beyond_all_spread_is_seen(sample: np.ndarray, shift: float) -> None:
    found = difference([sample], [sample + shift])
    assert found.below_zero
    assert found.value == pytest.approx(-shift)
    assert not difference([sample], [sample]).above_zero


def test_one_run_has_no_interval() -> None:
    found = estimate([np.array([3.0])])
    assert (found.value, found.low, found.high) == (3.0, 3.0, 3.0)


def test_runs_that_are_all_alike_have_no_spread_and_no_warning(recwarn) -> None:
    found = estimate([np.full(5, 0.5)])
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    assert not recwarn.list


@given(arrays(float, st.tuples(st.integers(1, 6), st.integers(1, 8)),
              elements=st.floats(-10.0, 10.0)))  # fmt: skip
def test_curves_lie_within_their_bands(values: np.ndarray) -> None:
    middle, low, high = curve(values)
    assert (low <= high).all()
    assert (low >= values.min(0) - 1e-9).all()
    assert (high <= values.max(0) + 1e-9).all()
    assert ((values.min(0) - 1e-9 <= middle) & (middle <= values.max(0) + 1e-9)).all()


@given(arrays(float, st.integers(1, 12), elements=st.floats(-2.0, 2.0)), st.floats(0.0, 2.0))
def test_settling_is_for_good(distances: np.ndarray, threshold: float) -> None:
    found = settled_from(distances, threshold)
    within = [bool((np.abs(distances[k:]) <= threshold).all()) for k in range(len(distances))]
    assert found == (within.index(True) if any(within) else None)


def test_what_is_not_a_number_has_not_settled() -> None:
    assert settled_from(np.array([0.0, np.nan, 0.0]), 0.1) == 2
    assert settled_from(np.array([0.0, np.nan]), 0.1) is None

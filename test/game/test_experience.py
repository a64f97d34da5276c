"""Quality of experience (Eq. 4, corrected) and reputation."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.game.experience import QUALITY_MIN, Reputation, quality_of_experience
from veaat_migration.game.instance import InstanceError


def test_quality_is_the_log_of_the_similarity_ratio() -> None:
    assert quality_of_experience(0.1, 0.6, 1.5) == pytest.approx(1.5 * math.log(0.9 / 0.4))


def test_better_images_give_better_quality() -> None:
    assert quality_of_experience(0.05, 0.6) > quality_of_experience(0.2, 0.6)


@pytest.mark.parametrize("distortion", [0.6, 0.7, 1.0])
def test_images_at_or_beyond_the_threshold_keep_the_least_quality(distortion: float) -> None:
    assert quality_of_experience(distortion, 0.6) == QUALITY_MIN == 1e-3


def test_reputation_reaches_half_of_its_gain_at_half_migrations() -> None:
    law = Reputation(newcomer=1.0, highest=3.0, half_migrations=20.0)
    assert law.after(0) == 1.0
    assert law.after(20) == pytest.approx(2.0)
    assert law.after(math.inf) == 3.0


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_reputation_grows_and_stays_bounded(first: float, second: float) -> None:
    law = Reputation()
    low, high = sorted((first, second))
    assert law.newcomer <= law.after(low) <= law.after(high) <= law.highest


@given(st.floats(0, 1), st.floats(0, 1, exclude_max=True), st.floats(1e-6, 1e6))
def test_quality_is_always_positive_and_finite(d: float, threshold: float, k: float) -> None:
    assert QUALITY_MIN <= quality_of_experience(d, threshold, k) < math.inf


@pytest.mark.parametrize(
    "call",
    [
        lambda: quality_of_experience(-0.1, 0.5),
        lambda: quality_of_experience(math.nan, 0.5),
        lambda: quality_of_experience(0.1, 1.0),
        lambda: quality_of_experience(0.1, 0.5, 0.0),
        lambda: Reputation(newcomer=2.0, highest=1.0),
        lambda: Reputation(newcomer=0.0),
        lambda: Reputation(half_migrations=0.0),
        lambda: Reputation().after(-1),
    ],
)
def test_values_out_of_range_are_refused(call) -> None:
    with pytest.raises(InstanceError, match="must"):
        call()

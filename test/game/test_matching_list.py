"""The quick form of the matching probability agrees with the general one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.game.matching import matching_list, matching_probability

POSITIVE = st.floats(1e-9, 1e12)


@given(st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1, max_size=6))
def test_plain_numbers_give_the_same(offers: list[tuple[float, float]]):
    prices, qualities = zip(*offers, strict=True)
    expected = matching_probability(prices, qualities)
    assert matching_list(prices, qualities) == pytest.approx(expected, rel=1e-12)
    assert sum(matching_list(prices, qualities)) == pytest.approx(1.0)

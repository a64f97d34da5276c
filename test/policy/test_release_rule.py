"""What counts as better: the gap first, then exploitability, and no noise."""

from __future__ import annotations

from math import inf, nan

import pytest

from veaat_migration.policy.release import Figures
from veaat_migration.policy.release_rule import ReleaseRule

RULE = ReleaseRule(relative=0.1, absolute=0.001, worst=0.1)


@pytest.mark.parametrize(
    ("new", "released", "expected"),
    [
        # The first one, if it is good enough.
        ((0.09, 0.5), None, True),
        ((0.11, 0.0), None, False),
        ((inf, 0.0), None, False),
        ((nan, nan), None, False),
        ((nan, 0.05), None, True),
        ((nan, 0.2), None, False),
        # The gap decides.
        ((0.05, 0.9), (0.06, 0.0), True),
        ((0.06, 0.0), (0.05, 0.9), False),
        # By more than a tenth of what it was, and than a thousandth.
        ((0.0551, 0.0), (0.06, 0.0), False),
        ((0.0539, 0.0), (0.06, 0.0), True),
        ((0.0001, 0.0), (0.001, 0.0), False),
        # Gaps alike: exploitability decides, by the same rule.
        ((0.0595, 0.01), (0.06, 0.02), True),
        ((0.0605, 0.01), (0.06, 0.02), True),
        ((0.06, 0.0195), (0.06, 0.02), False),
        ((0.06, 0.03), (0.06, 0.02), False),
        # What is not known is not compared.
        ((nan, 0.01), (nan, 0.02), True),
        ((0.05, nan), (0.06, nan), True),
        ((0.06, nan), (0.06, nan), False),
        # Never above the limit.
        ((0.2, 0.0), (0.9, 0.0), False),
    ],
)
def test_better_policies_are_released(
    new: tuple[float, float], released: tuple[float, float] | None, expected: bool
):
    before = None if released is None else Figures(*released)
    assert RULE.better(Figures(*new), before) is expected


def test_small_steps_count_together():
    gap = released = 0.08
    releases = 0
    while gap > 0.01:
        gap *= 0.98
        if RULE.better(Figures(gap, 0.0), Figures(released, 0.0)):
            released, releases = gap, releases + 1
    assert 10 <= releases <= 20  # of a hundred steps

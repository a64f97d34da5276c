"""The global search of one variable finds what lies between its first points."""

from __future__ import annotations

import numpy as np
import pytest

from veaat_migration.game.instance import FloatArray
from veaat_migration.game.line_search import Samples, global_maxima, global_maximum

GRID = np.linspace(0.0, 1.0, 5)


def tent(x: FloatArray, top: float = 0.37, height: float = 1.0) -> Samples:
    """A tent with its top between two points of the grid, and a plateau higher than its feet."""
    left, plateau = x < top, x >= 0.7
    value = np.where(plateau, 0.5, height - 10.0 * np.abs(x - top))
    slope = np.where(plateau, 0.0, np.where(left, 10.0, -10.0))
    piece = np.where(plateau, 2, np.where(left, 0, 1))
    return Samples(x, value, slope, piece[:, None])


def test_a_top_between_two_pieces_is_found() -> None:
    assert tent(GRID).value.max() == 0.5
    found = global_maximum(tent, GRID, scale=1e-9)
    assert found.complete
    assert found.x == pytest.approx(0.37, abs=1e-9)
    assert found.value == pytest.approx(1.0, abs=1e-9)
    assert found.kink() == (0, 1)
    assert found.rival is None
    low = global_maximum(lambda x: tent(x, height=0.4), GRID, scale=1e-9)
    assert low.value == 0.5


def test_a_smooth_top_is_found_to_the_last_digits() -> None:
    def hills(x: FloatArray) -> Samples:
        value = np.sin(20.0 * x) - 0.3 * x
        return Samples(x, value, 20.0 * np.cos(20.0 * x) - 0.3, np.zeros((len(x), 1), dtype=int))

    found = global_maximum(hills, np.linspace(0.0, 0.9, 33), scale=1e-9)
    best = hills(np.linspace(0.0, 0.9, 200_001)).value.max()
    assert found.value >= best
    assert found.value == pytest.approx(best, rel=1e-8)
    assert len(found.peaks(share=1.0)) == 2


def test_a_jump_is_followed_to_its_edge() -> None:
    def cliff(x: FloatArray) -> Samples:
        """Rises to an edge, beyond which it is lower; the edge itself is on the high side."""
        high = x <= 0.61
        piece = high.astype(np.int64)
        return Samples(x, np.where(high, x, x - 0.5), np.ones_like(x), piece[:, None])

    found = global_maximum(cliff, GRID, scale=1e-9)
    assert found.x == pytest.approx(0.61, abs=1e-9)


def test_several_lines_do_not_disturb_each_other() -> None:
    tops = np.array([0.1, 0.37, 0.62])

    def evaluate(lines: FloatArray, x: FloatArray) -> Samples:
        parts = [tent(x[k : k + 1], top=float(tops[line])) for k, line in enumerate(lines)]
        return Samples(
            x, *(np.concatenate([getattr(part, name) for part in parts])
                 for name in ("value", "slope", "signature")),
        )  # fmt: skip

    together = global_maxima(evaluate, [GRID] * 3, scale=1e-9)
    alone = [global_maximum(lambda x, t=top: tent(x, t), GRID, scale=1e-9) for top in tops]
    assert [line.x for line in together] == [line.x for line in alone]
    assert [line.x for line in together] == pytest.approx(tops, abs=1e-9)


def test_two_equal_tops_are_rivals() -> None:
    def twins(x: FloatArray) -> Samples:
        left = x < 0.5
        centre = np.where(left, 0.25, 0.75)
        value = 1.0 - (x - centre) ** 2
        return Samples(x, value, -2.0 * (x - centre), left.astype(np.int64)[:, None])

    found = global_maximum(twins, GRID, scale=1e-9)
    assert found.rival is not None
    assert {found.x, found.rival} == {0.25, 0.75}

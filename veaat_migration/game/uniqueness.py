"""A quick proof that the AVs' equilibrium is the only one, for many cases (see :mod:`kernel`).

Replies move monotonically with the net prices, so bounds on demand give bounds on replies;
repeated, they close in on every point that answers itself. If, with D at the upper bounds, the
spectral radius of D |K| is below one, the AVs' potential is strictly concave between the bounds:
the equilibrium is unique, and every AV's reply in it is its global best response, because that
answers itself too. The radius is bounded by Collatz and Wielandt: max (M v) / v for any v > 0.
"""

from __future__ import annotations

import numpy as np

from veaat_migration.game.arrays import Array, count, functions
from veaat_migration.game.kernel import Cases

_SWEEPS = 8
"""Contractions; a proof is tried before the first and after every second one."""
_POWERS = 2
_MARGIN = 0.999


def provably_unique(cases: Cases) -> Array:
    """Whether the equilibrium of each case is proven unique, [n]; False proves nothing."""
    stack, prices = cases.stack, cases.prices
    low = 0.0 * prices[:, None, :] + 0.0 * stack.offset
    high = low + stack.cap
    proven = prices[:, 0] < 0.0
    todo, now = count(prices, len(cases)), cases
    parts = _Parts(now)
    for sweep in range(_SWEEPS + 1):
        # First the whole box, which does for most cases of weakly coupled games.
        if sweep:
            low, high = parts.contract(low, high)
        if sweep % 2 == 0:
            done = parts.radius(low, high) < _MARGIN
            proven[todo[done]] = True
            if bool(done.all()):
                break
            if bool(done.any()):
                keep = ~done
                todo, low, high = todo[keep], low[keep], high[keep]
                now = now.take(keep)
                parts = _Parts(now)
    return proven


class _Parts:
    """The couplings of some cases, positive and negative ones apart."""

    def __init__(self, cases: Cases) -> None:
        self.cases = cases
        stack = cases.stack
        self.mixed = bool((cases.pair < 0.0).any()) or _any_negative(stack.social)
        if self.mixed:
            self.plus = cases.of_sign(1.0)
            self.minus = cases.of_sign(-1.0)

    def contract(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Bounds on the replies to demand between bounds, [n, V, R] each."""
        cases = self.cases
        if not self.mixed:
            return cases.answer(cases.couple(low)), cases.answer(cases.couple(high))
        most = self.plus.couple(high) - self.minus.couple(low)
        least = self.plus.couple(low) - self.minus.couple(high)
        return cases.answer(least), cases.answer(most)

    def radius(self, low: Array, high: Array) -> Array:
        """An upper bound of the spectral radius of D |K|, [n]."""
        xp = functions(low)
        stack = self.cases.stack
        usable = high + stack.offset
        fixed = (high <= 0.0) | (low >= stack.cap)
        bent = xp.where(fixed, 0.0 * usable, usable * usable / stack.satisfaction)
        vector = 1.0 + 0.0 * bent
        bound = np.inf + 0.0 * bent[:, 0, 0]
        for _ in range(_POWERS):
            image = self.plus.couple(vector) + self.minus.couple(vector) if self.mixed else None
            image = bent * (self.cases.couple(vector) if image is None else image)
            ratio = xp.amax((image / vector).reshape(len(image), -1), -1)
            bound = xp.minimum(bound, ratio)
            vector = (
                image + 1e-3 * xp.amax(image.reshape(len(image), -1), -1)[:, None, None] + 1e-300
            )
        return bound


def _any_negative(couplings: Array) -> bool:
    values = couplings.data if hasattr(couplings, "tocsr") else couplings
    return bool((values < 0.0).any())

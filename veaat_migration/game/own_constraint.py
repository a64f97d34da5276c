"""The delay constraint of P1 (Eq. 11) by its multiplier.

The expected transmission delay of the best answer to a multiplier falls as the multiplier
rises, so one root search finds the multiplier at which the constraint just holds; the answer
there is the constrained optimum (Lagrangian sufficiency). Where a non-concave utility makes
the delay jump over the limit there is a duality gap: then both sides of the jump are followed
by local ascent to the limit and the better one is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite

import numpy as np

from veaat_migration.game.own_optimum import climb, maximise, slopes
from veaat_migration.game.own_problem import OwnProblem, Vector

Ascent = Callable[[float, Vector], Vector]
_CLOSE = 1e-14


def maximise_within(problem: OwnProblem, limit: float) -> tuple[Vector, float, bool]:
    """Maximise the utility subject to problem.strain(b) <= ``limit`` [s].

    Returns:
        b, the multiplier (0 where the constraint does not bind), and whether it can be met;
        if not, b is the largest demand.
    """
    top = list(problem.upper)
    quickest = problem.strain(top)
    if quickest > limit:
        return top, 0.0, quickest <= limit * (1.0 + 1e-12)
    free = maximise(problem)
    if problem.strain(free) <= limit:
        return free, 0.0, True
    globally = _meet(problem, limit, lambda m, b: maximise(problem, m, b), free)
    if globally.gap <= 1e-10:
        return globally.inside, globally.multiplier, True

    def locally(multiplier: float, b: Vector) -> Vector:
        return climb(problem, problem.lower, problem.upper, multiplier, b)

    sides = [
        _meet(problem, limit, locally, side, globally.multiplier)
        for side in (globally.inside, globally.outside)
    ]
    sides.append(globally)
    best = max(sides, key=lambda side: problem.value(side.inside))
    return best.inside, best.multiplier, True


class _Meeting:
    """Both sides of the multiplier at which the delay passes the limit."""

    __slots__ = ("gap", "inside", "multiplier", "outside")

    def __init__(self, multiplier: float, inside: Vector, outside: Vector, gap: float) -> None:
        self.multiplier = multiplier
        self.inside = inside
        self.outside = outside
        self.gap = gap


def _meet(
    problem: OwnProblem, limit: float, ascent: Ascent, start: Vector, guess: float = 0.0
) -> _Meeting:
    """Newton on 1 / strain^2 (nearly linear in the multiplier), inside a bracket."""
    low, high = 0.0, inf
    outside, inside = start, list(problem.upper)
    multiplier = guess or _first_guess(problem, limit)
    b = start
    for _ in range(200):
        b = ascent(multiplier, b)
        strain = problem.strain(b)
        if strain > limit:
            low, outside = multiplier, b
        else:
            high, inside = multiplier, b
        if abs(strain - limit) <= _CLOSE * limit:
            return _Meeting(multiplier, b, b, 0.0)
        if isfinite(high) and high - low <= 4e-16 * high:
            break
        slope = _strain_slope(problem, b, multiplier)
        new = -1.0
        if slope < 0.0 and strain < inf:
            ratio = strain / limit
            new = multiplier + strain * (1.0 - ratio * ratio) / (2.0 * slope)
        if not low < new < high or not isfinite(new):
            new = 8.0 * multiplier if high == inf else _between(low, high)
        multiplier = new
    # Ill-conditioned but continuous ends within rounding; a jump keeps a finite distance.
    gap = max(abs(a - b) / (1.0 + a) for a, b in zip(inside, outside, strict=True))
    return _Meeting(high if isfinite(high) else multiplier, inside, outside, gap)


def _between(low: float, high: float) -> float:
    """The middle, in ratio where the bracket spans more than a factor of four."""
    return float((low * high) ** 0.5) if low > 0.0 and high > 4.0 * low else 0.5 * (low + high)


def _first_guess(problem: OwnProblem, limit: float) -> float:
    """The multiplier at which price alone would be balanced if all demands were equal."""
    weight = sum(t * w for t, w in zip(problem.theta, problem.weight, strict=True))
    price = sum(t * abs(p) for t, p in zip(problem.theta, problem.price, strict=True))
    return max(price, 1e-9) * weight / (limit * limit)


def _strain_slope(problem: OwnProblem, b: Vector, multiplier: float) -> float:
    """D strain / d multiplier with the demands re-optimised (implicit differentiation)."""
    free = [j for j in range(problem.size) if problem.lower[j] < b[j] < problem.upper[j]]
    if not free:
        return 0.0
    matrix = slopes(problem, b, multiplier)[1][np.ix_(free, free)]
    pull = np.array([problem.weight[j] / b[j] ** 2 for j in free])
    theta = np.array([problem.theta[j] for j in free])
    try:
        moved = np.linalg.solve(matrix, -pull)
    except np.linalg.LinAlgError:
        return 0.0
    return -float((theta * pull * moved).sum())

"""Prices of leaders who sit at kinks of their payoffs, where some AV changes regime.

On the curve along which certain kinks hold, the other leaders' slopes jump too: a small change
of their own price moves all those AVs off their kinks. Such a leader rests where its payoff rises
on one side and falls on the other, which may be so in a whole interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from veaat_migration.game.followers import Start
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.leader import Payoffs, payoffs, price_bounds

BoolArray = npt.NDArray[np.bool_]
Kinks = list[tuple[int, int] | None]
"""Per leader the regime change it sits at (see `LineMaximum.kink`), or None."""
_STEP = 1e-6
_ALONG = 1e-4
_ASIDE = 1e-8
_FLAT = 100.0 * _ASIDE
_STEPS, _PINNING_STEPS = 12, 12


def margins(result: Payoffs, kink: tuple[int, int] | None) -> FloatArray:
    """How far the regime of ``kink`` is from changing at each price vector, [n]."""
    assert kink is not None
    followers = result.followers
    return followers.batch.margin(followers.demand, followers.multiplier, *kink)


def solve_system(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Least squares, because several leaders may sit at the same kink."""
    row = np.maximum(np.abs(matrix).max(axis=1, keepdims=True), 1e-300)
    return np.asarray(np.linalg.lstsq(matrix / row, right[:, None] / row, rcond=1e-7)[0][:, 0])


def one_sided_slopes(
    instance: GameInstance, prices: FloatArray, start: Start, guess: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Elasticities of the profits just below and just above each leader's price, [R] each."""
    step = np.diag(_ASIDE * prices)
    points = np.vstack([prices - step, prices + step])
    result = payoffs(instance, points, start, thorough=False, guess=guess)
    n = instance.n_rsus
    worth = np.maximum(np.abs(np.diag(result.profit[:n])), 1e-9 * instance.satisfaction.sum())
    below: FloatArray = np.diag(result.slope[:n]) * prices / worth
    above: FloatArray = np.diag(result.slope[n:]) * prices / worth
    return below, above


def resting(
    instance: GameInstance, prices: FloatArray, below: FloatArray, above: FloatArray
) -> BoolArray:
    """Which payoffs rise just below the leader's price and fall just above it, [R]."""
    low, high = price_bounds(instance)
    rests: BoolArray = ((below >= -_FLAT) | (prices <= low)) & ((above <= _FLAT) | (prices >= high))
    return rests


def stationary(instance: GameInstance, prices: FloatArray, start: Start, guess: FloatArray) -> bool:
    """Whether every leader rests at these prices."""
    below, above = one_sided_slopes(instance, prices, start, guess)
    return bool(resting(instance, prices, below, above).all())


@dataclass(frozen=True)
class Rest:
    """Prices along kinks."""

    prices: FloatArray
    exact: bool
    """False: some payoff has an edge between two hills there, and its leader gains on either."""


def along_kinks(
    instance: GameInstance, prices: FloatArray, start: Start, kinks: Kinks, guess: FloatArray
) -> Rest | None:
    """Stationary prices at which the given kinks hold, or None where none are found.

    Newton in the prices of the leaders without a kink; the others' prices follow so that the
    kinks hold. The kinks may be an edge between two hills of a loose leader's payoff: as long as
    it is on either hill, the others move the edge towards it. No equilibrium lies there; the
    prices at which both hills are equally steep leave it the least to gain.
    """
    loose = np.array([kink is None for kink in kinks])
    low, high = price_bounds(instance)

    def slopes(p: FloatArray, side: FloatArray | None) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Condition of every leader that should be zero, its side, and who rests."""
        below, above = one_sided_slopes(instance, p, start, guess)
        if side is None:
            side = np.where(above > below + _FLAT, 0.5, np.where(above > 0.0, 1.0, 0.0))
        return side * above + (1.0 - side) * below, side, resting(instance, p, below, above)

    p = _pin(instance, prices, start, kinks, guess)
    for _ in range(_STEPS):
        if p is None:
            return None
        target, side, rests = slopes(p, None)
        moving = np.nonzero(loose & ~rests & (np.abs(target) > _FLAT))[0]
        if not moving.size:
            edges = ~rests & (side == 0.5)
            return Rest(p, bool(rests.all())) if (rests | (edges & loose)).all() else None
        matrix = np.empty((moving.size, moving.size))
        for column, j in enumerate(moving):
            step = _ALONG if p[j] * (1.0 + _ALONG) <= high[j] else -_ALONG
            near = p.copy()
            near[j] *= 1.0 + step
            pinned = _pin(instance, near, start, kinks, guess)
            if pinned is None:
                return None
            changed = slopes(pinned, side)[0]
            matrix[:, column] = (changed - target)[moving] / step
        move = np.clip(solve_system(matrix, -target[moving]), -0.05, 0.05)
        p = p.copy()
        p[moving] = np.clip(p[moving] * (1.0 + move), low[moving], high[moving])
        p = _pin(instance, p, start, kinks, guess)
    return None


def _pin(
    instance: GameInstance, prices: FloatArray, start: Start, kinks: Kinks, guess: FloatArray
) -> FloatArray | None:
    """Move the prices of the leaders with a kink so that all kinks hold; None: cannot."""
    held = np.array([j for j, kink in enumerate(kinks) if kink is not None])
    low, high = price_bounds(instance)
    p, best, smallest = prices.copy(), prices, np.inf
    for _ in range(_PINNING_STEPS):
        steps = np.where(p * (1.0 + _STEP) <= high, _STEP, -_STEP) * p
        points = np.vstack([p, p + np.diag(steps)[held]])
        result = payoffs(instance, points, start, thorough=False, guess=guess)
        values = np.array([margins(result, kinks[j]) for j in held])
        size = float((np.abs(values[:, 0]) / p[held]).max())
        if size >= 0.5 * smallest and smallest <= 1e-11:
            break
        if size < smallest:
            best, smallest = p, size
        if size <= 1e-15:
            break
        matrix = (values[:, 1:] - values[:, :1]) / steps[held]
        p = p.copy()
        p[held] += np.clip(solve_system(matrix, -values[:, 0]), -0.1 * p[held], 0.1 * p[held])
        p = np.clip(p, low, high)
    return best if smallest <= 1e-11 else None

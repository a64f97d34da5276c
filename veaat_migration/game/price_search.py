"""Prices from which no leader gains by a small change: the fast, local half of the solver.

Newton on the leaders' first-order conditions dU_j/dp_j = 0 (or the bound that holds), AVs
re-equilibrated; and, where a leader sits at a kink of its payoff so that no derivative
vanishes, an accelerated iteration of local best prices.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf

import numpy as np

from veaat_migration.game.followers import Start
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.leader import best_price, payoffs, price_bounds

_STEP = 1e-6
_NEWTON_STEPS = 30
_ITERATIONS = 40
_LARGEST_MOVE = 0.3
_NEIGHBOURHOOD = 0.1


@dataclass(frozen=True)
class LocalPrices:
    """Where the local search came to rest."""

    prices: FloatArray
    converged: bool
    iterations: int


def local_equilibrium(
    instance: GameInstance, prices: FloatArray, start: Start = "low", deadline: float = inf
) -> LocalPrices:
    """From ``prices`` [R] to prices at which no leader gains by a small change.

    Stops early, not converged, after ``deadline`` [s of time.perf_counter].
    """
    found = _newton(instance, prices, start)
    if found.converged:
        return found
    accelerated = _replies_in_turn(instance, found.prices, start, deadline)
    return LocalPrices(
        accelerated.prices, accelerated.converged, found.iterations + accelerated.iterations
    )


def _newton(instance: GameInstance, prices: FloatArray, start: Start) -> LocalPrices:
    low, high = price_bounds(instance)
    p = np.clip(prices, low, high)
    best, best_size, since = p, np.inf, 0
    for iteration in range(1, _NEWTON_STEPS + 1):
        steps = np.where(p * (1.0 + _STEP) <= high, _STEP, -_STEP) * p
        result = payoffs(instance, np.vstack([p, p + np.diag(steps)]), start, thorough=False)
        slope = result.slope[0]
        held = ((p <= low) & (slope <= 0.0)) | ((p >= high) & (slope >= 0.0))
        # slopes as elasticities of the profit, so that leaders are comparable
        floor = 1e-9 * float(instance.satisfaction.sum())
        size = np.abs(slope) * p / np.maximum(np.abs(result.profit[0]), floor)
        worst = float(np.where(held, 0.0, size).max())
        if worst < 0.7 * best_size:
            best, best_size, since = p, worst, 0
        else:
            since += 1
        if worst <= 1e-10:
            return LocalPrices(p, True, iteration)
        if since > 3:
            break
        curvature = ((result.slope[1:] - slope) / steps[:, None]).T
        p = np.clip(p + _newton_move(p, slope, curvature, ~held), low, high)
    return LocalPrices(best, bool(best_size <= 1e-7), iteration)


def _newton_move(
    p: FloatArray, slope: FloatArray, curvature: FloatArray, free: FloatArray
) -> FloatArray:
    """Newton's step for the free leaders; uphill where a payoff is not concave."""
    index = np.nonzero(free)[0]
    move = np.zeros_like(p)
    matrix = curvature[np.ix_(index, index)]
    try:
        move[index] = -np.linalg.solve(matrix, slope[index])
    except np.linalg.LinAlgError:
        move[index] = np.sign(slope[index]) * 0.1 * p[index]
    convex = index[np.diag(matrix) >= 0.0]
    move[convex] = np.sign(slope[convex]) * 0.1 * p[convex]
    largest = _LARGEST_MOVE * p
    return np.clip(move, -largest, largest)


def _replies_in_turn(
    instance: GameInstance, prices: FloatArray, start: Start, deadline: float
) -> LocalPrices:
    """Leaders take turns in moving to their locally best price, which also converges at kinks."""
    p = prices.copy()
    radius = np.full(instance.n_rsus, _NEIGHBOURHOOD)
    best, best_gain, since = p, np.inf, 0
    for iteration in range(1, _ITERATIONS + 1):
        before, gains = p.copy(), np.zeros(instance.n_rsus)
        for j in range(instance.n_rsus):
            found = best_price(
                instance, p, j, start=start, around=radius[j], thorough=False, tolerance=1e-12
            )
            worth = max(abs(found.value), 1e-9 * float(instance.satisfaction.sum()))
            gains[j] = (found.value - found.value_at(p[j])) / worth
            moved = abs(found.x / p[j] - 1.0)
            at_edge = moved >= 0.99 * radius[j]
            radius[j] = min(4.0 * radius[j], 0.5) if at_edge else np.clip(8.0 * moved, 1e-6, 0.2)
            p[j] = found.x
        largest = float(gains.max())
        if largest <= 1e-12:
            return LocalPrices(before, True, iteration)
        if largest < 0.5 * best_gain:
            best, best_gain, since = before, largest, 0
        else:
            since += 1
        if since >= 6 or time.perf_counter() > deadline:
            break
    return LocalPrices(best, False, iteration)

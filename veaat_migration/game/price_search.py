"""Prices from which no leader gains by a small change: the fast, local half of the solver.

At such prices a leader is at a bound, or its slope dU_j/dp_j vanishes, or it sits at a kink of
its payoff, where some AV changes regime (reaches b_max, leaves, meets its delay limit). Newton
solves for all leaders at once when it knows who is where; otherwise leaders take turns in moving
to their locally best price, which tells.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import inf

import numpy as np
import numpy.typing as npt

from veaat_migration.game.followers import Start, follower_equilibria
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.kinks import Kinks, along_kinks, margins, solve_system, stationary
from veaat_migration.game.leader import best_price, payoffs, price_bounds

BoolArray = npt.NDArray[np.bool_]
_STEP = 1e-6
_NEWTON_STEPS = 30
_PATIENCE = 4
_ITERATIONS = 40
_LARGEST_MOVE = 0.3
_NEIGHBOURHOOD = 0.1
_NEAR = 0.02
_TRAVELLING, _TRAVELS = 0.05, 15


@dataclass(frozen=True)
class LocalPrices:
    """Where the local search came to rest."""

    prices: FloatArray
    converged: bool
    iterations: int
    edge: bool = False
    """No equilibrium lies near: some leader has a better price on either side of an edge of its
    payoff, and these prices leave it the least to gain."""


def local_equilibrium(
    instance: GameInstance, prices: FloatArray, start: Start = "low", deadline: float = inf
) -> LocalPrices:
    """From ``prices`` [R] to prices at which no leader gains by a small change.

    Stops early, not converged, after ``deadline`` [s of time.perf_counter].
    """
    smooth: Kinks = [None] * instance.n_rsus
    found = _newton(instance, prices, start, smooth)
    if found.converged:
        return found
    turns = _replies_in_turn(instance, found.prices, start, deadline)
    return replace(turns, iterations=found.iterations + turns.iterations)


def _newton(instance: GameInstance, prices: FloatArray, start: Start, kinks: Kinks) -> LocalPrices:
    """All leaders' conditions at once: slope zero, a bound, or the margin of the kink zero."""
    low, high = price_bounds(instance)
    p = np.clip(prices, low, high)
    best, best_size, since, guess = p, np.inf, 0, None
    pinned = np.array([kink is not None for kink in kinks])
    for iteration in range(1, _NEWTON_STEPS + 1):
        steps = np.where(p * (1.0 + _STEP) <= high, _STEP, -_STEP) * p
        result = payoffs(
            instance, np.vstack([p, p + np.diag(steps)]), start, thorough=False, guess=guess
        )
        guess = result.followers.demand[0]
        slope, profit = result.slope[0], np.abs(result.profit[0])
        held = ((p <= low) & (slope <= 0.0)) | ((p >= high) & (slope >= 0.0))
        held &= ~pinned
        # slopes as elasticities of the profit, so that leaders are comparable
        size = np.abs(slope) * p / np.maximum(profit, 1e-9 * float(instance.satisfaction.sum()))
        target = result.slope.copy()
        for j in np.nonzero(pinned)[0]:
            target[:, j] = margins(result, kinks[j])
            size[j] = abs(target[0, j]) / p[j]
        worst = float(np.where(held, 0.0, size).max())
        if worst <= 1e-10 and not (pinned.any() and worst > 1e-12 and since == 0):
            return LocalPrices(p, True, iteration)
        if worst < 0.7 * best_size:
            best, best_size, since = p, worst, 0
        else:
            since += 1
        if since >= _PATIENCE:
            break
        jacobian = ((target[1:] - target[0]) / steps[:, None]).T
        p = np.clip(p + _newton_move(p, target[0], jacobian, ~held, pinned), low, high)
    return LocalPrices(best, bool(best_size <= (1e-10 if pinned.any() else 1e-7)), iteration)


def _newton_move(
    p: FloatArray, target: FloatArray, jacobian: FloatArray, free: BoolArray, pinned: BoolArray
) -> FloatArray:
    """Newton's step for the free leaders; uphill where a payoff is not concave."""
    index = np.nonzero(free)[0]
    move = np.zeros_like(p)
    matrix = jacobian[np.ix_(index, index)]
    move[index] = solve_system(matrix, -target[index])
    convex = index[(np.diag(matrix) >= 0.0) & ~pinned[index]]
    move[convex] = np.sign(target[convex]) * 0.1 * p[convex]
    largest = _LARGEST_MOVE * p
    return np.clip(move, -largest, largest)


def _replies_in_turn(
    instance: GameInstance, prices: FloatArray, start: Start, deadline: float
) -> LocalPrices:
    """Leaders take turns in moving to their locally best price, until Newton can take over."""
    p = prices.copy()
    n_rsus = instance.n_rsus
    radius = np.full(n_rsus, _NEIGHBOURHOOD)
    best, best_gain, since = p, np.inf, 0
    tolerance, tried = 1e-6, None
    guess = follower_equilibria(instance, p, start, thorough=False).demand[0]
    worth = 1e-9 * float(instance.satisfaction.sum())
    for iteration in range(1, _ITERATIONS + 1):
        before, gains, moves = p.copy(), np.zeros(n_rsus), np.zeros(n_rsus)
        kinks: Kinks = [None] * n_rsus
        for j in range(n_rsus):
            if time.perf_counter() > deadline:  # one leader of a rugged game may take a second
                return LocalPrices(best, False, iteration)
            found = best_price(
                instance, p, j, start=start, around=float(radius[j]), thorough=False,
                guess=guess, tolerance=tolerance,
            )  # fmt: skip
            gains[j] = (found.value - found.value_at(p[j])) / max(abs(found.value), worth)
            moves[j] = abs(found.x / p[j] - 1.0)
            at_edge = moves[j] >= 0.99 * radius[j]
            kinks[j] = found.kink()
            p[j] = found.x
            radius[j] = min(4.0 * radius[j], 0.5) if at_edge else np.clip(8.0 * moves[j], 1e-5, 0.2)
        largest = float(gains.max())
        if largest <= 1e-12 and tolerance <= 1e-12:
            return LocalPrices(before, True, iteration)
        if largest < 0.5 * best_gain:
            best, best_gain, since = before, largest, 0
        elif moves.max() <= _TRAVELLING or iteration > _TRAVELS:
            since += 1
        if since >= _PATIENCE or time.perf_counter() > deadline:
            break
        if moves.max() <= _NEAR and kinks != tried:
            tried = kinks
            joint = _newton(instance, p, start, kinks)
            if float(np.abs(joint.prices / p - 1.0).max()) <= 5.0 * _NEAR:
                if stationary(instance, joint.prices, start, guess):
                    return LocalPrices(joint.prices, True, iteration + joint.iterations)
                pinned = [kink is not None for kink in kinks]
                if any(pinned) and not all(pinned):
                    along = along_kinks(instance, joint.prices, start, kinks, guess)
                    if along is not None:
                        done = iteration + joint.iterations
                        return LocalPrices(along.prices, along.exact, done, not along.exact)
                if joint.converged:
                    p = joint.prices.copy()
                    radius[:] = 1e-4
        if largest <= 1e3 * tolerance:
            tolerance = 1e-12
    return LocalPrices(best, False, iteration)

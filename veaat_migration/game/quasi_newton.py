"""All leaders' first-order conditions at once, for many cases: the fast half of the solver.

With y_j = 1 / p_j, total demand Q_j, cost K_j = sum_i c_ij b_ij and G_j = sum_{l != j} q_l y_l a
leader earns U_j = q_j (Q_j - y_j K_j) / (G_j + q_j y_j). Without couplings Q_j and K_j are linear
in y_j, which gives the corrected closed form of Eq. (23). With them the exact first-order
condition uses the total derivatives through the AVs' equilibrium, and the Jacobian of all
conditions takes Q_j and K_j for linear in all y near the present prices: a quasi-Newton method
whose error shrinks by the curvature that couplings cause, usually a hundredfold or more a step.

A leader may also be held by a bound of its price or by its capacity (the clearing price).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np

from veaat_migration.game.arrays import Array, count, functions, gather, solve_equations
from veaat_migration.game.kernel import Cases, equilibria
from veaat_migration.game.large_totals import approximate_totals
from veaat_migration.game.stack import GameStack
from veaat_migration.game.totals import Totals, diagonal, exact_totals

_MAX_STEPS = 40
_MAX_RATIO = 3.0
"""Prices change by at most this factor in a step."""
_START_STEPS = 5
_NEAR = 0.3
"""Relative moves from which leaders move on their own, since Newton's steps may go astray."""
_PATIENCE, _JUMPY = 12, 1e-4
"""Steps after which moves above this relative size are halved, as they may be a cycle."""
_UPHILL = 0.1
"""Relative step where a payoff is not concave."""
_LEAST_PRECISION = 1e-3
AT_CAP, _WIDEST_CAP = 1e-10, 1e-3
"""Relative distances from b_max at which an AV counts as having just reached it."""
_CLOSE, _CLOSE_HASTY = 1e-6, 1e-4
"""Relative move from which one more step leads to the last digits."""
_CLOSE_LARGE = 1e-5
"""For large games, whose slopes are approximate; payoffs then differ by about its square."""
_MEET = 0.1
"""A smooth move that ends this much nearer to a known equilibrium than it began leads there."""


@dataclass(frozen=True)
class Found:
    """Where the iteration came to rest, for n cases."""

    prices: Array
    """[n, R]"""
    demand: Array
    """[n, V, R]"""
    converged: Array
    """[n]"""
    iterations: Array
    """[n]"""
    met: Array
    """Whether the case was given up because it was on its way to a known equilibrium, [n]"""


def local_prices(
    stack: GameStack,
    prices: Array,
    *,
    hasty: bool = False,
    free_at_cap: bool = False,
    known: Array | None = None,
    answer: Callable[[Array], Array] | None = None,
    deadline: float = inf,
) -> Found:
    """Prices from which no leader gains by a small change, near ``prices`` [n, R].

    Where leaders sit at kinks, other leaders' one-sided derivatives differ and equilibria may be
    a continuum; of it, one end is found if AVs at b_max count as held, another one if as free.

    Args:
        stack: the games.
        prices: where to start.
        hasty: stop at smooth equilibria with prices right to about eight digits.
        free_at_cap: see above.
        known: smooth equilibria of the one game of all cases, [m, R]; cases on the way to one of
            them or to one that another case has reached are given up. None: follow all cases.
        answer: the AVs' equilibrium [n, V, R] at prices [n, R], where it is not unique; without it
            whichever equilibrium is nearest to the one before.
        deadline: time [s of time.perf_counter] after which no further step is taken.
    """
    xp = functions(prices)
    y_low, y_high = 1.0 / stack.price_high, 1.0 / stack.price_low
    n = len(prices)
    todo, now = count(prices, n), stack
    totals_of = approximate_totals if stack.large else exact_totals
    p = xp.minimum(xp.maximum(prices, stack.price_low), stack.price_high)
    b = 0.0 * (p[:, None, :] + stack.offset)
    result, demand = p + 0.0, b + 0.0
    converged, iterations = p[:, 0] < 0.0, count(prices, n) * 0 + _MAX_STEPS
    met = converged & False
    precision, margin = _LEAST_PRECISION, AT_CAP
    for step in range(1, _MAX_STEPS + 1):
        cases = Cases(now, p)
        b = equilibria(cases, b, precision)[0] if answer is None else answer(p)
        result[todo], demand[todo] = p, b
        totals = totals_of(cases, b, -margin if free_at_cap else margin)
        move, size, pinned = _move(cases, totals, y_low, y_high)
        if step >= _PATIENCE:
            move = move * xp.where(size > _JUMPY, 0.5, 1.0)[:, None]
        y = xp.minimum(xp.maximum(1.0 / p + move, y_low), y_high)
        p = 1.0 / y
        b = xp.minimum(xp.clip(b + totals.predict(move), 0.0, None), now.cap)
        # The error of a step is about its square; there is no use in answers more precise.
        precision = min(0.1 * float(xp.amin(size)) ** 2, _LEAST_PRECISION)
        margin = min(max(10.0 * float(xp.amax(size)) ** 2, AT_CAP), _WIDEST_CAP)
        limit = _CLOSE_LARGE if stack.large else _CLOSE
        if hasty:
            limit = xp.where(pinned, limit, _CLOSE_HASTY + 0.0 * size)
        # The first move rests on a rough answer of the AVs.
        done = (size <= limit) & (step > 1)
        if bool(done.any()):
            end = todo[done]
            last = Cases(now.take(done), p[done])
            result[end], converged[end], iterations[end] = p[done], True, step
            demand[end] = equilibria(last, b[done])[0] if answer is None else answer(p[done])
        gone = done
        if known is not None:
            known = xp.concatenate([known, p[done & ~pinned]])
            near = ~done & ~pinned & (size < _NEAR) & (_distance(p, known) < _MEET * size)
            met[todo[near]], iterations[todo[near]] = True, step
            gone = done | near
        if bool(gone.any()):
            keep = ~gone
            todo, now, p, b = todo[keep], now.take(keep), p[keep], b[keep]
            if not len(todo):
                break
            if not stack.shared:  # not now.shared: one game may be left of many
                y_low, y_high = y_low[keep], y_high[keep]
        if time.perf_counter() > deadline:
            iterations[todo] = step
            break
    return Found(result, demand, converged, iterations, met)


def _distance(prices: Array, known: Array) -> Array:
    """Relative distance of prices [n, R] from the nearest of the ``known`` [m, R], [n]."""
    xp = functions(prices)
    if not len(known):
        return xp.full_like(prices[:, 0], inf)
    return xp.amin(xp.amax(abs(prices[:, None] / known - 1.0), -1), -1)


def uncoupled_start(stack: GameStack) -> Array:
    """Prices near the equilibrium of the uncoupled games (corrected Eq. 23), [g, R]."""
    xp = functions(stack.cost)
    total, offset = stack.satisfaction.sum(1), stack.offset.sum(1)
    q, low, high = stack.quality, stack.price_low, stack.price_high
    cost = xp.maximum(stack.cost.mean(1), low)
    y = 1.0 / xp.sqrt(low * high)
    for _ in range(_START_STEPS):
        weight = q * y
        rivals = weight.sum(-1)[:, None] - weight
        radicand = (rivals + q / cost) * (rivals + q * offset / total)
        y = (xp.sqrt(xp.clip(radicand, 0.0, None)) - rivals) / q
        y = xp.minimum(xp.maximum(y, 1.0 / high), 1.0 / low)
    return 1.0 / y


def _move(cases: Cases, totals: Totals, low: Array, high: Array) -> tuple[Array, Array, Array]:
    """Change of y in this step, the largest relative change wished for, and who is at a kink.

    Of shapes [n, R], [n] and [n]; the last says whether any leader is at a kink or its capacity.

    Leader j wants to move to where its first-order condition holds, or to a kink on the way
    there, or to its clearing price, whichever comes first, inside its bounds; Newton's step makes
    all these wishes vanish at once.
    """
    stack, xp = cases.stack, functions(cases.prices)
    y, q = 1.0 / cases.prices, stack.quality
    rsus = count(y, y.shape[1])
    total = (q * y).sum(-1)[:, None]
    own_q, own_k = diagonal(totals.quantity_slope), diagonal(totals.cost_slope)
    margin = own_q - totals.cost - y * own_k
    condition = margin * total - q * (totals.quantity - y * totals.cost)
    change = (
        (totals.quantity_bend - totals.cost_slope - y[..., None] * totals.cost_bend)
        * total[..., None]
        + margin[..., None] * q[:, None, :]
        - q[..., None] * (totals.quantity_slope - y[..., None] * totals.cost_slope)
    )
    change[:, rsus, rsus] += q * totals.cost - own_k * total
    bend = -diagonal(change)
    concave = bend > 0.0
    bend = xp.where(concave, bend, abs(condition) / (_UPHILL * y) + 1e-300)
    want, kink = _walk(cases, totals, condition, bend)
    jacobian = change / -bend[..., None]
    pinned = xp.amax(kink, -1) >= 0
    if bool((kink >= 0).any()):
        jacobian = xp.where((kink >= 0)[..., None], totals.kink_rows(kink), jacobian)
    alone = ~concave & (kink < 0)
    if stack.capacity is not None:
        share = q * y / total
        load = share * totals.quantity
        slope = share * own_q + (1.0 - share) * load / y
        slope = xp.where(slope > 0.0, slope, 1.0)
        room = (stack.capacity - load) / slope
        full = room < want
        load_change = share[..., None] * totals.quantity_slope
        load_change = load_change - (load / total)[..., None] * q[:, None, :]
        want = xp.where(full, room, want)
        jacobian = xp.where(full[..., None], load_change / slope[..., None], jacobian)
        alone = alone & ~full
        pinned = pinned | full.any(-1)
    idle = totals.quantity <= 0.0
    want = xp.where(idle, (_MAX_RATIO - 1.0) * y, want)
    held = (y + want <= low) | (y + want >= high) | idle
    want = xp.minimum(xp.maximum(want, low - y), high - y)
    unit = xp.zeros_like(jacobian)
    jacobian = xp.where((held | alone)[..., None], unit, jacobian)
    jacobian[:, rsus, rsus] = 1.0
    step = solve_equations(jacobian, want[..., None])[..., 0]
    together = (step == step) & (xp.amax(abs(want) / y, -1) < _NEAR)[:, None]
    step = xp.where(together, step, want)
    step = xp.minimum(xp.maximum(step, (1.0 / _MAX_RATIO - 1.0) * y), (_MAX_RATIO - 1.0) * y)
    return step, xp.amax(abs(want) / y, -1), pinned


def _walk(cases: Cases, totals: Totals, condition: Array, bend: Array) -> tuple[Array, Array]:
    """Where each leader's condition changes sign if the others stay: change of y and the kink.

    The condition falls with slope ``bend``, drops where an AV reaches b_max (going up) or leaves
    it (going down), and rises where one reaches zero or leaves it, since an AV at a bound does
    not react. Returns [n, R] each; the kink is the index of the AV at which the condition drops
    through zero, -1 where it vanishes smoothly.
    """
    xp, stack = functions(condition), cases.stack
    size = abs(condition)
    smooth = condition / bend
    none = 0 * xp.argmax(totals.regime.root, 1) - 1
    root = totals.regime.root
    reach = abs(smooth)[:, None, :] * totals.own_pull
    if bool(((root - reach > 0.0) & (root + reach < stack.cap)).all()):
        return smooth, none
    up = (condition > 0.0)[:, None, :]
    capped, dropped = totals.regime.capped, totals.regime.dropped
    free = ~(capped | dropped)
    to_cap = xp.where(free, up + 0 * free, capped + 0) > 0
    relevant = (free | (dropped & up) | (capped & ~up)) & (totals.own_pull > 0.0)
    bound = xp.where(to_cap, stack.cap, 0.0 * stack.cap)
    pull = xp.where(relevant, totals.own_pull, 1.0)
    away = (bound - root) / pull
    # An AV counted as held or free a little beyond its bound is met at once, but lies behind.
    distance = xp.where(up, away, -away)
    distance = xp.where(relevant, xp.clip(distance, 0.0, None), np.inf)
    if not bool((distance < abs(smooth)[:, None, :]).any()):
        return smooth, none
    y = 1.0 / cases.prices
    total = (stack.quality * y).sum(-1)[:, None, None]
    quantity, cost = totals.weights()
    gain = quantity - y[:, None, :] * cost
    jump = xp.where(to_cap, -1.0, 1.0) * relevant * total * totals.own_pull * gain
    # An AV that comes free is also answered by the others, one that is held is so no longer.
    echo = xp.clip(1.0 - cases.echo(totals.regime.bent), 0.05, None)
    jump = jump * xp.where(free, echo, 1.0 / echo)
    order = xp.argsort(distance, 1)
    distance, jump = gather(distance, order, 1), gather(jump, order, 1)
    after = size[:, None, :] - distance * bend[:, None, :] + xp.cumsum(jump, 1)
    before = after - jump
    sudden = (before > 0.0) & (after <= 0.0)
    hit = sudden | (before <= 0.0)
    first = xp.argmax(hit + 0, 1)[:, None, :]
    found = gather(hit, first, 1)[:, 0]
    pinned = found & gather(sudden, first, 1)[:, 0]
    passed = xp.where(found, gather(xp.cumsum(jump, 1) - jump, first, 1)[:, 0], jump.sum(1))
    sign = xp.where(condition > 0.0, 1.0, -1.0)
    smooth = sign * xp.maximum(size + passed, 0.0 * size) / bend
    kink = xp.where(pinned, gather(order, first, 1)[:, 0], none)
    chosen = gather(away, xp.clip(kink, 0, None)[:, None, :], 1)[:, 0]
    return xp.where(pinned, chosen, smooth), kink

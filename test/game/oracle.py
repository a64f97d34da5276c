"""Brute-force exploitability, independent of the solver, for small games.

Nothing of ``veaat_migration.game`` is used but the arrays of an instance. AVs reach their
equilibrium by plain best responses in turn, one demand at a time, from every corner of their box
where their problem may have several peaks; leaders compare thousands of prices, each with the AVs
re-equilibrated from scratch, and zoom in on the best ones. Slow and simple on purpose.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

Array = np.ndarray
_SWEEPS = 400
_STILL = 4e-15


@dataclass(frozen=True)
class Gains:
    """What each player gains by its best unilateral deviation."""

    leaders: Array
    """[money], [R]; negative where the demand given is not what the AVs answer here"""
    followers: Array
    """[money], [V]"""
    largest: float
    """Greatest gain relative to the player's utility (an AV's: to at least delta_i)"""
    best_prices: Array
    """[R]"""


def matching(game: Any, prices: Array) -> Array:
    """Eq. (1), [n, R]."""
    pull = game.quality / prices
    return np.asarray(pull / pull.sum(axis=-1, keepdims=True))


def leader_profit(game: Any, prices: Array, demand: Array) -> Array:
    """Eq. (10) after rationing, [n, R]."""
    theta = matching(game, prices)
    profit = theta * (demand * (prices[:, None, :] - game.cost)).sum(axis=1)
    if game.capacity is not None:
        load = theta * demand.sum(axis=1)
        over = load > game.capacity
        profit = np.where(over, profit * game.capacity / np.where(over, load, 1.0), profit)
    return np.asarray(profit)


def follower_worth(game: Any, prices: Array, demand: Array, i: int) -> Array:
    """Eq. (9) of AV ``i`` as it reckons, that is with full delivery, [n]."""
    theta, own = matching(game, prices), demand[:, i]
    ties = np.einsum("k,nkj->nj", game.social[i], demand) + own @ game.service
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(own + game.offset[i])
    if game.externality.value == "multiplicative":
        gross = game.satisfaction[i] * (1.0 + ties) * logs
    else:
        gross = game.satisfaction[i] * logs + ties * own
    worth = (theta * (gross - prices * own)).sum(axis=1)
    return np.where(np.isnan(worth), -np.inf, worth)


def expected_delay(game: Any, prices: Array, own: Array, i: int) -> Array:
    """sum_j theta_j T_ij of AV ``i`` that buys ``own`` [n, R], [n]."""
    limit = game.delay
    with np.errstate(divide="ignore"):
        each = limit.data[i] / (own * limit.spectral_efficiency[i]) + limit.base_delay[i]
    return np.asarray((matching(game, prices) * each).sum(axis=1))


def best_reply(game: Any, prices: Array, demand: Array, i: int) -> Array:
    """The best demand of AV ``i`` against ``demand`` [n, V, R] at ``prices`` [n, R], [n, R]."""
    free = _free_reply(game, prices, demand, i)
    if game.delay is None:
        return free
    full = np.full_like(free, game.bandwidth_max)
    limit = float(game.delay.max_delay[i])
    late = expected_delay(game, prices, free, i) > limit
    hopeless = expected_delay(game, prices, full, i) > limit
    reply = np.where(hopeless[:, None], full, free)
    rows = np.nonzero(late & ~hopeless)[0]
    if len(rows):
        reply[rows] = _punctual_reply(game, prices[rows], demand[rows], i)
    return reply


def _lowest(game: Any, i: int) -> float:
    e = float(game.offset[i])
    return 0.0 if e > 0.0 else -e + 1e-9 * (game.bandwidth_max + e)


def _one_demand(weight: Array, charge: Array, offset: float, low: float, high: float) -> Array:
    """Maximise weight ln(b + offset) - charge b over [low, high]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.where(charge > 0.0, weight / charge - offset, np.inf)
        ends = np.array([low, high])
        values = weight[:, None] * np.log(ends + offset) - charge[:, None] * ends
    corner = np.where(values[:, 0] >= values[:, 1], low, high)
    return np.where(weight > 0.0, np.clip(inside, low, high), corner)


def _climb(game: Any, prices: Array, demand: Array, i: int, passes: int) -> Array:
    """One demand of AV ``i`` after the other at its best, ``passes`` times or until at rest."""
    theta, delta, e = matching(game, prices), game.satisfaction[i], float(game.offset[i])
    net = np.einsum("k,nkj->nj", game.social[i], demand)
    own, low, high = demand[:, i].copy(), _lowest(game, i), float(game.bandwidth_max)
    for _ in range(passes):
        before = own.copy()
        for j in range(own.shape[1]):
            ties = game.service[j]
            if game.externality.value == "multiplicative":
                weight = theta[:, j] * delta * (1.0 + net[:, j] + own @ ties)
                logs = np.where(ties == 0.0, 0.0, np.log(np.maximum(own + e, 1e-300)))
                charge = theta[:, j] * prices[:, j] - (theta * delta * ties * logs).sum(axis=1)
            else:
                weight = theta[:, j] * delta
                pull = ((theta + theta[:, [j]]) * ties * own).sum(axis=1)
                charge = theta[:, j] * (prices[:, j] - net[:, j]) - pull
            own[:, j] = _one_demand(weight, charge, e, low, high)
        if np.abs(own - before).max() <= _STILL * high:
            break
    return own


def _free_reply(game: Any, prices: Array, demand: Array, i: int) -> Array:
    r = prices.shape[1]
    if r == 1 or not game.service.any():
        return _climb(game, prices, demand, i, 1)
    reply = _climb(game, prices, demand, i, 4)
    rugged = ~_surely_concave(game, prices, i)
    if rugged.any():
        reply[rugged] = _highest_peak(game, prices[rugged], demand[rugged], i)
    return reply


def _highest_peak(game: Any, prices: Array, demand: Array, i: int) -> Array:
    """Climb from where AV ``i`` is and from every corner of its box; stay where there is a tie."""
    low, high, r = _lowest(game, i), float(game.bandwidth_max), prices.shape[1]
    corners = [np.array(c) for c in itertools.product([low, high], repeat=r)]
    answers, worths = [], []
    for own in [demand[:, i], *corners]:
        trial = demand.copy()
        trial[:, i] = own
        trial[:, i] = _climb(game, prices, trial, i, 40)
        answers.append(trial[:, i])
        worths.append(follower_worth(game, prices, trial, i))
    worth = np.array(worths)
    choice = np.argmax(worth >= worth.max(axis=0) - 1e-13 * np.abs(worth.max(axis=0)), axis=0)
    return np.array(answers)[choice, np.arange(len(prices))]


def _surely_concave(game: Any, prices: Array, i: int) -> Array:
    """Whether AV ``i``'s own problem is concave on its whole box (in units of sqrt(theta)), [n]."""
    if game.externality.value == "multiplicative":
        return np.zeros(len(prices), dtype=bool)
    root = np.sqrt(matching(game, prices))
    ratio = root[:, :, None] / root[:, None, :]
    curvature = game.service * (ratio + 1.0 / ratio)
    least = game.satisfaction[i] / (game.bandwidth_max + game.offset[i]) ** 2
    return np.asarray(np.linalg.eigvalsh(curvature).max(axis=1) < least)


def _punctual_reply(game: Any, prices: Array, demand: Array, i: int) -> Array:
    """Best demand on the surface where the delay limit holds: all but the last by zooming."""
    n, r = prices.shape
    theta, limit, high = matching(game, prices), game.delay, float(game.bandwidth_max)
    weight = theta * limit.data[i] / limit.spectral_efficiency[i]
    room = limit.max_delay[i] - (theta * limit.base_delay[i]).sum(axis=1)
    least = weight / (room[:, None] - (weight.sum(axis=1, keepdims=True) - weight) / high)
    least = np.maximum(least, _lowest(game, i))
    if r == 1:
        return np.clip(least, 0.0, high)
    points = 33 if r == 2 else 13
    unit = np.array(list(itertools.product(np.linspace(0.0, 1.0, points), repeat=r - 1)))
    low, top = least[:, :-1].copy(), np.full((n, r - 1), high)
    best = np.empty((n, r))
    for _ in range(4 if r == 2 else 7):
        first = low[:, None] + unit * (top - low)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            rest = room[:, None] - (weight[:, None, :-1] / first).sum(axis=2)
            last = np.where(rest > 0.0, weight[:, [-1]] / rest, np.inf)
        allowed = last <= high * (1.0 + 1e-14)
        last = np.clip(np.where(allowed, last, high), _lowest(game, i), high)
        trial = np.repeat(demand[:, None], len(unit), axis=1)
        trial[:, :, i] = np.concatenate([first, last[..., None]], axis=2)
        flat = trial.reshape(-1, *demand.shape[1:])
        worth = follower_worth(game, np.repeat(prices, len(unit), axis=0), flat, i)
        worth = np.where(allowed, worth.reshape(n, -1), -np.inf)
        pick = np.argmax(worth, axis=1)
        best = trial[np.arange(n), pick, i]
        step = (top - low) / (points - 1) * 1.5
        low = np.maximum(best[:, :-1] - step, least[:, :-1])
        top = np.minimum(best[:, :-1] + step, high)
    trial = demand.copy()
    pairs = [(0, 1)] if r == 2 else [(0, 2), (1, 2), (0, 1)] * 8
    width = float((top - low).max())
    for j, k in pairs:
        trial[:, i] = best
        best = _slide(game, prices, trial, i, j, k, weight, width)
    return best


def _slide(
    game: Any, prices: Array, demand: Array, i: int, j: int, k: int, weight: Array, width: float
) -> Array:
    """Exchange a little b_ij for b_ik along the delay limit until utility no longer rises."""
    high, floor, base = float(game.bandwidth_max), _lowest(game, i), demand[:, i].copy()
    share = weight[:, j] / base[:, j] + weight[:, k] / base[:, k]
    least = np.maximum(weight[:, j] / (share - weight[:, k] / high), floor)
    left = np.maximum(base[:, j] - width, least)
    right = np.minimum(base[:, j] + width, high)

    def at(x: Array) -> Array:
        own = base.copy()
        own[:, j] = x
        own[:, k] = np.clip(weight[:, k] / (share - weight[:, j] / x), floor, high)
        return own

    for _ in range(50):
        middle = 0.5 * (left + right)
        own = at(middle)
        slope = _gradient(game, prices, demand, own, i)
        exchange = weight[:, j] / middle**2 * own[:, k] ** 2 / weight[:, k]
        rises = slope[:, j] - slope[:, k] * exchange > 0.0
        left, right = np.where(rises, middle, left), np.where(rises, right, middle)
    return at(0.5 * (left + right))


def _gradient(game: Any, prices: Array, demand: Array, own: Array, i: int) -> Array:
    """dU_i/db_ij at ``own`` [n, R], the others' demand as in ``demand``, [n, R]."""
    theta, delta = matching(game, prices), game.satisfaction[i]
    net, usable = np.einsum("k,nkj->nj", game.social[i], demand), own + game.offset[i]
    if game.externality.value == "multiplicative":
        scale = 1.0 + net + own @ game.service
        cross = (theta * delta * np.log(usable)) @ game.service
        return np.asarray(theta * (delta * scale / usable - prices) + cross)
    cross = theta * (own @ game.service) + (theta * own) @ game.service
    return np.asarray(theta * (delta / usable + net - prices) + cross)


def followers(game: Any, prices: Array, start: str = "low") -> Array:
    """The AVs' equilibrium at each price vector [n, R] by best responses in turn, [n, V, R]."""
    prices = np.atleast_2d(prices)
    n, v, r = len(prices), len(game.satisfaction), prices.shape[1]
    result = np.empty((n, v, r))
    first = [game.bandwidth_max if start == "high" else _lowest(game, i) for i in range(v)]
    todo = np.arange(n)
    b = np.repeat(np.repeat(np.array(first)[:, None], r, axis=1)[None], n, axis=0)
    still = _STILL if game.delay is None else 1e-13
    for _ in range(_SWEEPS):
        before = b.copy()
        for i in range(v):
            b[:, i] = best_reply(game, prices[todo], b, i)
        moved = np.abs(b - before).max(axis=(1, 2)) > still * game.bandwidth_max
        result[todo] = b
        if not moved.any():
            break
        todo, b = todo[moved], b[moved]
    return result


def price_interval(game: Any, j: int) -> tuple[float, float]:
    """Lowest and highest price that leader ``j`` considers."""
    return max(float(game.cost[:, j].min()), 1e-6 * game.price_max), float(game.price_max)


def best_price(
    game: Any, prices: Array, j: int, *, start: str = "low", points: int = 1201
) -> tuple[float, float]:
    """Best price of leader ``j`` and its profit there, the other prices held fixed."""

    def profit(candidates: Array) -> Array:
        vectors = np.repeat(np.asarray(prices)[None], len(candidates), axis=0)
        vectors[:, j] = candidates
        return leader_profit(game, vectors, followers(game, vectors, start))[:, j]

    low, high = price_interval(game, j)
    half = points // 2
    grid = np.unique(np.concatenate([np.linspace(low, high, half), np.geomspace(low, high, half)]))
    grid[-1] = high
    values = profit(grid)
    padded = np.concatenate([[-np.inf], values, [-np.inf]])
    peaks = np.nonzero((values >= padded[:-2]) & (values >= padded[2:]))[0]
    peaks = peaks[np.argsort(-values[peaks], kind="stable")][:6]
    x, best = grid[peaks], values[peaks]
    left, right = grid[np.maximum(peaks - 1, 0)], grid[np.minimum(peaks + 1, len(grid) - 1)]
    for _ in range(8):
        fine = left[:, None] + np.linspace(0.0, 1.0, 33) * (right - left)[:, None]
        found = profit(fine.ravel()).reshape(fine.shape)
        pick = np.argmax(found, axis=1)
        rows = np.arange(len(x))
        better = found[rows, pick] > best
        x = np.where(better, fine[rows, pick], x)
        best = np.where(better, found[rows, pick], best)
        step = (right - left) / 16.0
        left, right = np.maximum(x - step, low), np.minimum(x + step, high)
    winner = int(np.argmax(best))
    return float(x[winner]), float(best[winner])


def exploitability(
    game: Any, prices: Any, demand: Any, *, start: str = "low", points: int = 1201
) -> Gains:
    """Gains of all players at prices [R] and demand [V, R] by brute force."""
    p, b = np.asarray(prices, dtype=float), np.asarray(demand, dtype=float)
    now = leader_profit(game, p[None], b[None])[0]
    found = [best_price(game, p, j, start=start, points=points) for j in range(len(p))]
    leaders = np.array([value for _, value in found]) - now
    own = np.array([follower_worth(game, p[None], b[None], i)[0] for i in range(len(b))])
    gains = np.array([_follower_gain(game, p, b, i) for i in range(len(b))])
    floor = 1e-6 * float(game.satisfaction.sum())
    worth = np.maximum(np.where(np.isfinite(own), np.abs(own), 0.0), game.satisfaction)
    largest = max(
        float((leaders / np.maximum(np.abs(now), floor)).max()), float((gains / worth).max())
    )
    return Gains(leaders, gains, largest, np.array([price for price, _ in found]))


def _follower_gain(game: Any, p: Array, b: Array, i: int) -> float:
    """Best of our own reply and of a generic optimiser on the bare utility, less what it has."""
    r, low, high = len(p), _lowest(game, i), float(game.bandwidth_max)

    def worth(own: Array) -> float:
        trial = b.copy()
        trial[i] = own
        return float(follower_worth(game, p[None], trial[None], i)[0])

    here, reply = worth(b[i]), best_reply(game, p[None], b[None], i)[0]
    if game.delay is not None:
        limit = float(game.delay.max_delay[i])
        if expected_delay(game, p[None], np.full((1, r), high), i)[0] > limit:
            return float(np.abs(b[i] - high).max())  # hopeless: it should have taken all
        if expected_delay(game, p[None], b[[i]], i)[0] > limit * (1.0 + 1e-7):
            return np.inf  # breaks its limit
    best = worth(reply)
    starts = [b[i], reply, np.full(r, 0.5 * (low + high)), np.full(r, 0.9 * high)]
    inner = low + 1e-7 * high
    for start in starts:
        first = np.clip(start, inner, high)
        if game.delay is None:
            found = minimize(
                lambda x: -worth(x), first, bounds=[(inner, high)] * r, method="L-BFGS-B"
            )
        else:
            found = minimize(
                lambda x: -worth(x), first, bounds=[(inner, high)] * r, method="SLSQP",
                constraints={
                    "type": "ineq",
                    "fun": lambda x: limit - expected_delay(game, p[None], x[None], i)[0],
                },
            )  # fmt: skip
            if expected_delay(game, p[None], found.x[None], i)[0] > limit:
                continue
        if np.isfinite(found.fun):
            best = max(best, -float(found.fun))
    return best - here


def equilibrium(
    game: Any, first: Any, *, start: str = "low", turns: int = 60, points: int = 301
) -> tuple[Array, bool]:
    """Leaders in turn at their best price from ``first`` [R]: where, and whether at rest."""
    p = np.asarray(first, dtype=float).copy()
    for _ in range(turns):
        before = p.copy()
        for j in range(len(p)):
            p[j] = best_price(game, p, j, start=start, points=points)[0]
        if np.abs(p / before - 1.0).max() <= 1e-6:
            return p, True
    return p, False

"""Stackelberg equilibrium of a market: prices from which no RSU gains.

All RSUs move at once towards their best responses, each found on a few prices around its own with
the AVs' equilibrium anew for every one of them: no derivative, no trouble with AVs that drop out or
reach b_max. The neighbourhood shrinks with the moves. At last every RSU's whole price interval is
searched; where somebody gains, the search goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from veaat_migration.fleet.market import Market
from veaat_migration.game.instance import FloatArray

GAIN = 1e-6
"""Largest relative gain by another price that counts as none."""
_POINTS = np.linspace(-1.0, 1.0, 5)
_GRID = 33
_WIDE, _SMOOTH = 0.3, 1e-3
"""Half-widths of the neighbourhood in ln p: at the start, and where a parabola is as good as the
payoff; only around kinks it becomes smaller."""
_EXACT = 1e-12
"""Accuracy of the AVs' replies, relative to b_max: differences of payoffs must be right."""
_ROUGH = 1e-8
"""The same where prices are far apart."""
_STEPS, _RESTARTS = 60, 4
_PATIENCE = 12


@dataclass(frozen=True)
class Equilibrium:
    """Prices, and how certain they are."""

    prices: FloatArray
    """p* [money/MHz], shape [R]"""
    demand: FloatArray
    """B*(p*) [MHz], shape [V, R]"""
    gain: float
    """Largest relative gain of any RSU on a grid over its whole price interval."""


def equilibrium(
    market: Market, start: FloatArray | None = None, *, accuracy: float = 1e-7
) -> Equilibrium:
    """Solve a market.

    Args:
        market: to be solved.
        start: prices to begin with [R], NaN where unknown; None: nothing is known.
        accuracy: last move in ln p. Payoffs are flat at their best: a price that is off by this
            much costs about its square.
    """
    low, high = market.price_min, market.price_max
    guess = np.sqrt(low * high) if start is None else start
    prices = np.clip(np.where(np.isfinite(guess), guess, np.sqrt(low * high)), low, high)
    groups = _groups(market)
    if len(groups) == 1:
        return _solve(market, prices, accuracy)
    demand, gain = np.zeros(market.reach.shape), 0.0
    for avs in groups:
        part, rsus = market.take(avs)
        found = _solve(part, prices[rsus], accuracy)
        prices[rsus], gain = found.prices, max(gain, found.gain)
        demand[np.ix_(avs, rsus)] = found.demand
    return Equilibrium(prices, demand, gain)


def _groups(market: Market) -> list[npt.NDArray[np.intp]]:
    """AVs that share RSUs, directly or through others: groups play games of their own."""
    root = list(range(market.n_rsus))

    def find(j: int) -> int:
        while root[j] != j:
            root[j] = root[root[j]]
            j = root[j]
        return j

    first = [int(row.argmax()) for row in market.reach]
    for i, row in enumerate(market.reach):
        for j in np.flatnonzero(row).tolist():
            root[find(j)] = find(first[i])
    names = np.array([find(j) for j in first])
    return [np.flatnonzero(names == name) for name in np.unique(names)]


def _solve(market: Market, prices: FloatArray, accuracy: float) -> Equilibrium:
    """Solve one group."""
    width = _WIDE
    for _ in range(_RESTARTS):
        prices = _settle(market, prices, width, accuracy)
        better, gain = best_elsewhere(market, prices)
        if gain <= GAIN:
            break
        prices, width = better, _WIDE / 3.0
    return Equilibrium(prices, market.demand(prices[None])[0], gain)


def best_elsewhere(
    market: Market, prices: FloatArray, points: int = _GRID
) -> tuple[FloatArray, float]:
    """Each RSU's best price on a grid over its interval if it is better; largest relative gain."""
    low, high = np.log(market.price_min), np.log(market.price_max)
    grid = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, points)
    grid = np.concatenate([np.log(prices)[:, None], grid], axis=1)
    worth = _payoffs(market, prices, np.exp(grid), accuracy=_ROUGH)
    best = worth.argmax(axis=1)
    rows = np.arange(len(prices))
    scale = np.maximum(np.abs(worth[:, 0]), 1e-9 * float(market.satisfaction.sum()))
    gains = (worth[rows, best] - worth[:, 0]) / scale
    found = np.where(gains > GAIN, np.exp(grid[rows, best]), prices)
    return found, float(gains.max(initial=0.0))


def _settle(market: Market, prices: FloatArray, width: float, accuracy: float) -> FloatArray:
    """Move all RSUs to where no small change of a price pays."""
    demand: FloatArray | None = None
    low, high = np.log(market.price_min), np.log(market.price_max)
    place = np.log(prices)
    rows = np.arange(len(place))
    for step in range(_STEPS):
        grid = np.clip(place[:, None] + width * _POINTS, low[:, None], high)
        demand = market.demand(np.exp(place)[None], accuracy=_EXACT, guess=demand)[0]
        worth = _payoffs(market, np.exp(place), np.exp(grid), demand)
        best = worth.argmax(axis=1)
        inner = np.clip(best, 1, len(_POINTS) - 2)
        target = np.where(best == inner, _peak(grid, worth, rows, inner), grid[rows, best])
        move = target - place
        if step >= _PATIENCE:
            move *= 0.5
        place = place + move
        largest = float(np.abs(move).max(initial=0.0))
        if width <= _SMOOTH and largest < accuracy:
            break
        least = _SMOOTH if step < _PATIENCE else 0.5 * width
        width = min(max(2.0 * largest, least), _WIDE)
    return np.exp(place)


def _peak(grid: FloatArray, worth: FloatArray, rows: np.ndarray, middle: np.ndarray) -> FloatArray:
    """Top of the parabola through three points of each row, within them."""
    x0, x1, x2 = (grid[rows, middle + k] for k in (-1, 0, 1))
    f0, f1, f2 = (worth[rows, middle + k] for k in (-1, 0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        top = (x1 - x0) ** 2 * (f1 - f2) - (x1 - x2) ** 2 * (f1 - f0)
        bottom = (x1 - x0) * (f1 - f2) - (x1 - x2) * (f1 - f0)
        peak = x1 - 0.5 * top / bottom
    inside = np.clip(peak, np.minimum(x0, x2), np.maximum(x0, x2))
    return np.asarray(np.where(np.isfinite(peak), inside, x1))


def _payoffs(
    market: Market,
    prices: FloatArray,
    own: FloatArray,
    guess: FloatArray | None = None,
    accuracy: float = _EXACT,
) -> FloatArray:
    """U_j of each RSU at other prices of its own [R, K], the others' held; shape [R, K]."""
    r, k = own.shape
    vectors = np.broadcast_to(prices, (r, k, r)).copy()
    rows = np.arange(r)
    vectors[rows, :, rows] = own
    flat = vectors.reshape(r * k, r)
    demand = market.demand(flat, accuracy=accuracy, guess=guess)
    profit = market.profits(flat, demand).reshape(r, k, r)
    return np.asarray(profit[rows, :, rows])

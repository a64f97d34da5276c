"""An RSU's payoff with the AVs in equilibrium, and its globally best price (problem P2, Eq. 12)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from veaat_migration.game.followers import FollowerEquilibria, Start, follower_equilibria
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.line_search import LineMaximum, Samples, global_maximum
from veaat_migration.game.payoff import payoff

_GRID = 33
PRICE_FLOOR = 1e-6
"""Prices below this share of p_max are not considered (a free RSU earns nothing)."""


@dataclass(frozen=True)
class Payoffs:
    """Every leader's payoff at n price vectors, the AVs answering with their equilibrium."""

    followers: FollowerEquilibria
    profit: FloatArray
    """U_j (Eq. 10), after rationing if any, [n, j]"""
    slope: FloatArray
    """dU_j/dp_j through B*(p), [n, j]"""
    signature: npt.NDArray[np.int8]
    """Which bounds, delay constraints and capacities hold, [n, k]"""


def price_bounds(instance: GameInstance) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest price each leader considers, [j] each."""
    high = np.full(instance.n_rsus, instance.price_max)
    return np.maximum(instance.price_min, PRICE_FLOOR * instance.price_max), high


def payoffs(
    instance: GameInstance,
    prices: FloatArray,
    start: Start = "low",
    *,
    thorough: bool = True,
    guess: FloatArray | None = None,
) -> Payoffs:
    """Payoffs and their slopes at price vectors [n, R]; options as in `follower_equilibria`."""
    followers = follower_equilibria(instance, prices, start, thorough=thorough, guess=guess)
    demand, theta, p = followers.demand, followers.batch.theta, followers.batch.prices
    reply = followers.reply()
    response = followers.batch.sensitivity(demand, reply)
    result = payoff(
        price=p,
        theta=theta,
        margin=p[:, None, :] - instance.cost,
        demand=demand,
        response=np.einsum("nijj->nij", response),
        capacity=instance.capacity,
        axis=1,
    )
    state = np.where(reply.flexibility > 0.0, 0, np.where(demand > 0.0, 1, -1))
    signature = state.reshape(len(p), -1)
    if reply.pull is not None:
        binding = (reply.multiplier > 0.0).astype(np.int64)
        signature = np.concatenate([signature, binding], axis=1)
    if instance.capacity is not None:
        signature = np.concatenate([signature, result.rationed.astype(np.int64)], axis=1)
    return Payoffs(followers, result.value, result.slope, signature.astype(np.int8))


def best_price(
    instance: GameInstance,
    prices: FloatArray,
    rsu: int,
    *,
    start: Start = "low",
    around: float | None = None,
    thorough: bool = True,
    guess: FloatArray | None = None,
    tolerance: float = 1e-13,
) -> LineMaximum:
    """The price of leader ``rsu`` (0-based) that maximises its payoff, the others' held fixed.

    The leader's current price is one of the points tried.

    Args:
        instance: the game.
        prices: current prices, [R].
        rsu: index of the leader.
        start: which of the AVs' equilibria to follow where there are several.
        around: search only within this share of the current price on both sides (a local
            search); None searches the whole interval.
        thorough: as in `follower_equilibria`.
        guess: as in `follower_equilibria`.
        tolerance: relative accuracy of the payoff.
    """

    def evaluate(points: FloatArray) -> Samples:
        vectors = np.repeat(prices[None], len(points), axis=0)
        vectors[:, rsu] = points
        result = payoffs(instance, vectors, start, thorough=thorough, guess=guess)
        return Samples(
            points, result.profit[:, rsu], result.slope[:, rsu], result.signature.astype(np.int64)
        )

    lowest, highest = (float(bound[rsu]) for bound in price_bounds(instance))
    here = float(prices[rsu])
    if around is None:
        demand = follower_equilibria(instance, prices).demand[0]
        grid = price_grid(instance, prices, rsu, demand)
    else:
        edges = here * (1.0 + around * np.array([-1.0, 0.0, 1.0]))
        grid = np.unique(np.clip(edges, lowest, highest))
    scale = 1e-9 * float(instance.satisfaction.sum())
    return global_maximum(evaluate, grid, scale=scale, tolerance=tolerance)


def price_grid(
    instance: GameInstance, prices: FloatArray, rsu: int, demand: FloatArray
) -> FloatArray:
    """Prices from which to search a leader's whole interval.

    Even steps in the price and in its logarithm, prices near which AVs change regime, the present
    price and its neighbourhood.

    Args:
        instance: the game.
        prices: [R].
        rsu: index of the leader.
        demand: the AVs' equilibrium at ``prices``, [V, R].
    """
    lowest, highest = (float(bound[rsu]) for bound in price_bounds(instance))
    special = prices[rsu] * (1.0 + np.array([0.0, -1e-3, 1e-3, -1e-6, 1e-6]))
    if 2 * instance.n_avs <= _GRID:
        net = instance.social @ demand[:, rsu]
        e, delta = instance.offset, instance.satisfaction
        leaving = delta / np.where(e > 0.0, e, np.inf) + net
        filled = delta / (instance.bandwidth_max + e) + net
        special = np.concatenate([leaving, filled, special])
    special = special[(special > lowest) & (special < highest)]
    share = np.arange(1, _GRID - 1) / (_GRID - 1)
    even = lowest + (highest - lowest) * share
    ratios = lowest * (highest / lowest) ** share
    ends = np.array([lowest, highest, min(max(float(prices[rsu]), lowest), highest)])
    return np.unique(np.concatenate([even, ratios, special, ends]))

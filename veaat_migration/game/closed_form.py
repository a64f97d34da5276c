"""Closed forms: the uncoupled game, its symmetric case, and the paper's approximation.

Without couplings, bounds and delay an AV buys b_ij = delta_i y_j - E_i with y_j = 1 / p_j, so a
leader earns q_j (A y_j - E) (1 - c_j y_j) / (G + q_j y_j) with A = sum_i delta_i, E = sum_i E_i
and G = sum_{l != j} q_l y_l. Its stationary point solves a quadratic equation.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np

from veaat_migration.game.instance import FloatArray, GameInstance

_Aggregates = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
_MAX_ROUNDS = 1000
_CLOSE = 1e-14


def uncoupled_price(
    *, quality: float, cost: float, others: float, satisfaction: float, offset: float
) -> float:
    """Best price of one leader in the uncoupled game (corrected Eq. 23), before bounds.

    Args:
        quality: q_j.
        cost: c_j, > 0.
        others: G = sum of q_l / p_l over the other leaders.
        satisfaction: A = sum_i delta_i.
        offset: E = sum_i E_i.

    Returns:
        p_j [money/MHz]; infinite where profit rises with the price without end (E < 0).
    """
    radicand = (others + quality / cost) * (others + quality * offset / satisfaction)
    y = (sqrt(radicand) - others) / quality if radicand > 0.0 else 0.0
    return 1.0 / y if y > 0.0 else float("inf")


def uncoupled_prices(instance: GameInstance) -> FloatArray:
    """Equilibrium prices of the game without couplings, demand bounds and delay, [R].

    Where unit costs differ between AVs their mean is used: exact only for equal costs.
    """
    return _fixed_point(
        instance,
        lambda _: (
            np.full(instance.n_rsus, instance.satisfaction.sum()),
            np.full(instance.n_rsus, instance.offset.sum()),
        ),
    )


def paper_closed_form(instance: GameInstance) -> FloatArray:
    """Prices by the paper's Eqs. (16) and (23), iterated to their fixed point, [R].

    Couplings scale the satisfaction factor, A_ij = delta_i (1 + couplings), and every leader
    holds A fixed when it sets its price: an approximation, reported beside the exact solution.
    """

    def aggregates(prices: FloatArray) -> tuple[FloatArray, FloatArray]:
        demand = _multiplicative_demand(instance, prices)
        scale = 1.0 + instance.social @ demand + demand @ instance.service
        total = (instance.satisfaction[:, None] * scale).sum(axis=0)
        return total, np.full(instance.n_rsus, instance.offset.sum())

    return _fixed_point(instance, aggregates)


def symmetric_price(*, n_rsus: int, cost: float, satisfaction: float, offset: float) -> float:
    """Price of R equal leaders in the uncoupled game, from its polynomial in y = 1 / p.

    (2R - 1) c A y^2 - (R - 1)(A + c E) y - E = 0 with A, E summed over the AVs; bounds not
    applied. Infinite where no positive root exists.
    """
    a = (2 * n_rsus - 1) * cost * satisfaction
    b = -(n_rsus - 1) * (satisfaction + cost * offset)
    radicand = b * b + 4.0 * a * offset
    if radicand < 0.0:
        return float("inf")
    y = (-b + sqrt(radicand)) / (2.0 * a)
    return 1.0 / y if y > 0.0 else float("inf")


def _multiplicative_demand(instance: GameInstance, prices: FloatArray) -> FloatArray:
    """Fixed point of Eqs. (16)-(17), b_ij = A_ij / p_j - E_i within [0, b_max], from below."""
    demand = np.zeros((instance.n_avs, instance.n_rsus))
    for _ in range(_MAX_ROUNDS):
        scale = 1.0 + instance.social @ demand + demand @ instance.service
        wanted = instance.satisfaction[:, None] * scale / prices - instance.offset[:, None]
        new = np.clip(wanted, 0.0, instance.bandwidth_max)
        if np.abs(new - demand).max() <= _CLOSE * instance.bandwidth_max:
            return new
        demand = new
    return demand


def _fixed_point(instance: GameInstance, aggregates: _Aggregates) -> FloatArray:
    """Leaders in turn at their closed-form price, A and E from ``aggregates``, until at rest."""
    cost = np.maximum(instance.cost.mean(axis=0), 1e-9 * instance.price_max)
    low = np.maximum(instance.price_min, 1e-9 * instance.price_max)
    quality = instance.quality
    prices: FloatArray = np.minimum(2.0 * cost, instance.price_max)
    for _ in range(_MAX_ROUNDS):
        before = prices.copy()
        satisfaction, offset = aggregates(prices)
        for j in range(instance.n_rsus):
            attraction = quality / prices
            price = uncoupled_price(
                quality=float(quality[j]),
                cost=float(cost[j]),
                others=float(attraction.sum() - attraction[j]),
                satisfaction=float(satisfaction[j]),
                offset=float(offset[j]),
            )
            prices[j] = min(max(price, low[j]), instance.price_max)
        if np.abs(prices - before).max() <= _CLOSE * instance.price_max:
            break
    return prices

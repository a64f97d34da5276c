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

_Aggregates = Callable[[list[float]], tuple[list[float], list[float]]]
"""A and E per RSU at prices."""
_MAX_ROUNDS = 300
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


def uncoupled_prices(instance: GameInstance, accuracy: float = _CLOSE) -> FloatArray:
    """Equilibrium prices of the game without couplings, demand bounds and delay, [R].

    Where unit costs differ between AVs their mean is used: exact only for equal costs.

    Args:
        instance: the game.
        accuracy: the iterations stop where no price moves by more than this share of p_max.
    """
    total = [float(instance.satisfaction.sum())] * instance.n_rsus
    offset = [float(instance.offset.sum())] * instance.n_rsus
    return _fixed_point(instance, lambda _: (total, offset), accuracy)


def paper_closed_form(
    instance: GameInstance, accuracy: float = _CLOSE, rounds: int = _MAX_ROUNDS
) -> FloatArray:
    """Prices by the paper's Eqs. (16) and (23), iterated to their fixed point, [R].

    Couplings scale the satisfaction factor, A_ij = delta_i (1 + couplings), and every leader
    holds A fixed when it sets its price: an approximation, reported beside the exact solution.

    Args:
        instance: the game.
        accuracy: the iterations stop where nothing moves by more than this share of its maximum.
        rounds: most iterations; strong substitutes make them swing for ever.
    """
    offset = [float(instance.offset.sum())] * instance.n_rsus

    def aggregates(prices: list[float]) -> tuple[list[float], list[float]]:
        demand = _multiplicative_demand(instance, np.array(prices), accuracy, rounds)
        scale = 1.0 + instance.social @ demand + demand @ instance.service
        return (instance.satisfaction @ scale).tolist(), offset

    return _fixed_point(instance, aggregates, accuracy, rounds)


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


def _multiplicative_demand(
    instance: GameInstance, prices: FloatArray, accuracy: float, rounds: int
) -> FloatArray:
    """Fixed point of Eqs. (16)-(17), b_ij = A_ij / p_j - E_i within [0, b_max], from below."""
    demand = np.zeros((instance.n_avs, instance.n_rsus))
    for _ in range(rounds):
        scale = 1.0 + instance.social @ demand + demand @ instance.service
        wanted = instance.satisfaction[:, None] * scale / prices - instance.offset[:, None]
        new = np.clip(wanted, 0.0, instance.bandwidth_max)
        if np.abs(new - demand).max() <= accuracy * instance.bandwidth_max:
            return new
        demand = new
    return demand


def _fixed_point(
    instance: GameInstance, aggregates: _Aggregates, accuracy: float, rounds: int = _MAX_ROUNDS
) -> FloatArray:
    """Leaders in turn at their closed-form price, A and E from ``aggregates``, until at rest."""
    # Plain numbers: leaders in turn would pay numpy's overhead for every single one.
    highest = instance.price_max
    cost = np.maximum(instance.cost.mean(axis=0), 1e-9 * highest).tolist()
    low = np.maximum(instance.price_min, 1e-9 * highest).tolist()
    quality = instance.quality.tolist()
    prices = [min(2.0 * c, highest) for c in cost]
    for _ in range(rounds):
        before = prices.copy()
        satisfaction, offset = aggregates(prices)
        attraction = [q / p for q, p in zip(quality, prices, strict=True)]
        total = sum(attraction)
        for j, q in enumerate(quality):
            price = uncoupled_price(
                quality=q,
                cost=cost[j],
                others=max(total - attraction[j], 0.0),
                satisfaction=satisfaction[j],
                offset=offset[j],
            )
            prices[j] = min(max(price, low[j]), highest)
            total += q / prices[j] - attraction[j]
        if max(abs(p - b) for p, b in zip(prices, before, strict=True)) <= accuracy * highest:
            break
    return np.array(prices)

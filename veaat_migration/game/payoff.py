"""A leader's payoff and its slope by the own price, from totals of what it sells (Eq. 10)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from veaat_migration.game.instance import FloatArray


@dataclass(frozen=True)
class Payoff:
    """Of leaders at their prices; all arrays have one entry per leader and price vector."""

    value: FloatArray
    """U_j, after rationing if any"""
    slope: FloatArray
    """dU_j/dp_j"""
    rationed: npt.NDArray[np.bool_]
    """Whether expected load exceeds capacity"""


def payoff(
    *,
    price: FloatArray,
    theta: FloatArray,
    margin: FloatArray,
    demand: FloatArray,
    response: FloatArray,
    capacity: FloatArray | None,
    axis: int,
) -> Payoff:
    """Add up what the AVs (along ``axis`` of the larger arrays) pay and how that changes.

    Args:
        price: p_j.
        theta: matching probability.
        margin: p_j - c_ij, with the AVs.
        demand: b_ij, with the AVs.
        response: db_ij/dp_j through the AVs' equilibrium, with the AVs.
        capacity: C_j; None: unlimited.
        axis: of the AVs.
    """
    income = (demand * margin).sum(axis=axis)
    growth = (demand + response * margin).sum(axis=axis)
    value, slope = theta * income, theta * (growth - (1.0 - theta) / price * income)
    if capacity is None:
        return Payoff(value, slope, np.zeros(value.shape, dtype=bool))
    sold = demand.sum(axis=axis)
    rationed = theta * sold > capacity
    # A rationed RSU sells its capacity whatever it asks: U_j = C_j (mean margin).
    safe = np.where(rationed, sold, 1.0)
    sold_out = capacity * (growth - income * response.sum(axis=axis) / safe) / safe
    return Payoff(
        np.where(rationed, capacity * income / safe, value),
        np.where(rationed, sold_out, slope),
        rationed,
    )

"""What every player earns at given prices and demands (Eqs. 5-10), after rationing if any."""

from __future__ import annotations

from typing import Any

import numpy as np

from veaat_migration.game.capacity import delivered_share
from veaat_migration.game.instance import Externality, FloatArray, GameInstance
from veaat_migration.game.matching import matching_probability


def leader_utilities(instance: GameInstance, prices: Any, demand: Any) -> FloatArray:
    """U_j^L = theta_j sum_i b_ij (p_j - c_ij) (Eq. 10).

    Args:
        instance: the game.
        prices: p_j [money/MHz], shape [..., R].
        demand: b_ij [MHz], shape [..., V, R].

    Returns:
        Profit of each RSU [money], shape [..., R].
    """
    p, b, theta = _delivered(instance, prices, demand)
    profit: FloatArray = theta * (b * (p[..., None, :] - instance.cost)).sum(axis=-2)
    return profit


def follower_utilities(instance: GameInstance, prices: Any, demand: Any) -> FloatArray:
    """U_i^F of Eq. (9): satisfaction (6), social (7) and service (8) couplings, minus payment.

    With ``externality: additive`` the couplings are added; with ``multiplicative`` they scale
    the satisfaction factor, delta_i (1 + couplings per MHz), the utility behind Eqs. (14)-(18).
    A demand of b_ij <= -E_i gives -inf: the AV gets less than it needs to work at all.

    Args:
        instance: the game.
        prices: p_j [money/MHz], shape [..., R].
        demand: b_ij [MHz], shape [..., V, R].

    Returns:
        Utility of each AV [money], shape [..., V].
    """
    p, b, theta = _delivered(instance, prices, demand)
    usable = b + instance.offset[:, None]
    works = usable > 0.0
    satisfaction = np.log(np.where(works, usable, 1.0))
    coupling = instance.social @ b + b @ instance.service
    if instance.externality is Externality.MULTIPLICATIVE:
        internal = instance.satisfaction[:, None] * (1.0 + coupling) * satisfaction
    else:
        internal = instance.satisfaction[:, None] * satisfaction + coupling * b
    per_rsu = np.where(works, internal - p[..., None, :] * b, -np.inf)
    utility: FloatArray = (theta[..., None, :] * per_rsu).sum(axis=-1)
    return utility


def _delivered(
    instance: GameInstance, prices: Any, demand: Any
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Prices, delivered bandwidth and matching probabilities."""
    p, b = np.asarray(prices, dtype=np.float64), np.asarray(demand, dtype=np.float64)
    theta = matching_probability(p, instance.quality)
    if instance.capacity is not None:
        b = b * delivered_share(instance, theta, b)[..., None, :]
    return p, b, theta

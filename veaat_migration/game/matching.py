"""Matching probability: how likely an AV chooses each RSU (Eq. 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from veaat_migration.game.instance import FloatArray


def matching_probability(prices: Any, qualities: Any) -> FloatArray:
    """theta_j = (q_j / p_j) / sum_l (q_l / p_l) (Eq. 1); the same for every AV.

    RSUs that ask a price of zero share the whole probability by quality, which is the limit.

    Args:
        prices: p_j [money/MHz], shape [..., R], >= 0.
        qualities: q_j [-], shape [R] (or broadcastable to ``prices``), > 0.

    Returns:
        theta, shape [..., R]; sums to one over the last axis (shape [..., 0] without RSUs).
    """
    p = np.asarray(prices, dtype=np.float64)
    q = np.asarray(qualities, dtype=np.float64)
    if p.size and p.min() <= 0.0:
        free = p <= 0.0
        attraction = np.where(
            free.any(axis=-1, keepdims=True), np.where(free, q, 0.0), q / np.where(free, 1.0, p)
        )
    else:
        attraction = q / p
    theta: FloatArray = attraction / attraction.sum(axis=-1, keepdims=True)
    return theta


def matching_list(prices: Sequence[float], qualities: Sequence[float]) -> list[float]:
    """Eq. (1) for plain numbers, all > 0: for a handful of RSUs far faster than with arrays."""
    attraction = [q / p for q, p in zip(qualities, prices, strict=True)]
    total = sum(attraction)
    return [a / total for a in attraction]

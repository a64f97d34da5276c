"""Limited RSUs: expected load, proportional rationing, and what is delivered.

AVs choose their demand as if it were delivered in full (they take capacity as given). Where the
expected load theta_j sum_i b_ij of an RSU exceeds its capacity C_j, every AV gets the same share

    r_j = min(1, C_j / (theta_j sum_i b_ij))

of its demand from that RSU, and pays for that share only. Load falls with the RSU's own price; the
price at which it just meets capacity is the clearing price. Below it the RSU would sell the same
bandwidth for less, so it never prices there.
"""

from __future__ import annotations

import numpy as np

from veaat_migration.game.instance import FloatArray, GameInstance


def expected_load(theta: FloatArray, demand: FloatArray) -> FloatArray:
    """theta_j sum_i b_ij [MHz], shape [..., R], of theta [..., R] and demand [..., V, R]."""
    load: FloatArray = theta * demand.sum(axis=-2)
    return load


def delivered_share(instance: GameInstance, theta: FloatArray, demand: FloatArray) -> FloatArray:
    """r_j, the share of its demand that every AV gets from RSU j, shape [..., R]."""
    if instance.capacity is None:
        return np.ones_like(theta)
    load = expected_load(theta, demand)
    share: FloatArray = instance.capacity / np.maximum(load, instance.capacity)
    return share

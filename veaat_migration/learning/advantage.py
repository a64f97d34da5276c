"""Generalised advantage estimation: the estimator of Eq. (28), with lambda between TD and sums."""

from __future__ import annotations

import torch
from torch import Tensor


def advantages(rewards: Tensor, values: Tensor, *, gamma: float, lam: float, ends: bool) -> Tensor:
    """GAE over the rounds of a rollout.

    Args:
        rewards: [A, T, G].
        values: V(o^t), [A, T + 1, G]; the last one is read only where the episode goes on.
        gamma: discount factor; 0 makes this r - V.
        lam: lambda; 1 gives the discounted sum of Eq. (28).
        ends: the episode ends with the rollout.

    Returns:
        A(o^t, a^t), [A, T, G].
    """
    if gamma == 0.0:
        return rewards - values[:, :-1]
    following = values[:, 1:].clone()
    if ends:
        following[:, -1] = 0.0
    errors = rewards + gamma * following - values[:, :-1]
    # A^t = sum of (gamma lambda)^(k - t) error^k over k >= t: one product instead of T steps.
    rounds = torch.arange(rewards.shape[1], device=rewards.device)
    age = (rounds - rounds[:, None]).to(rewards.dtype)
    return (gamma * lam) ** age.clamp_min(0.0) * (age >= 0.0) @ errors

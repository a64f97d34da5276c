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
    result = torch.empty_like(rewards)
    running = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        running = errors[:, t] + gamma * lam * running
        result[:, t] = running
    return result

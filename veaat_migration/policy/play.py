"""The game in memory: policies against each other, without messages, deadlines or ROS."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.policy.interface import (
    FollowerObservation,
    FollowerPolicy,
    LeaderObservation,
    LeaderPolicy,
)

Demand = Callable[[FloatArray], FloatArray]


def play(
    instance: GameInstance,
    leaders: Sequence[LeaderPolicy],
    followers: Sequence[FollowerPolicy],
    rounds: int,
    disturb: Demand = lambda demand: demand,
) -> tuple[FloatArray, FloatArray]:
    """Play lock-step rounds; returns prices [rounds, R] and demands [rounds, V, R]."""
    rsu_ids = tuple(range(1, instance.n_rsus + 1))
    av_ids = tuple(range(1, instance.n_avs + 1))
    unknown = np.full(instance.n_rsus, np.nan)
    observation = LeaderObservation(
        1, rsu_ids, unknown, unknown, (), np.zeros((0, instance.n_rsus))
    )
    demand = np.zeros((instance.n_avs, instance.n_rsus))
    price_history, demand_history = [], []
    for round_ in range(1, rounds + 1):
        prices = np.array([leader.act(observation) for leader in leaders])
        demand = disturb(
            np.array(
                [
                    follower.act(
                        FollowerObservation(
                            round_,
                            rsu_ids,
                            prices,
                            instance.quality,
                            av_ids[:i] + av_ids[i + 1 :],
                            np.delete(demand, i, axis=0),
                        )
                    )
                    for i, follower in enumerate(followers)
                ]
            )
        )
        price_history.append(prices)
        demand_history.append(demand)
        observation = LeaderObservation(
            round_ + 1, rsu_ids, prices, instance.quality, av_ids, demand
        )
    return np.array(price_history), np.array(demand_history)

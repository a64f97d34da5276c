"""The best response of an AV whose twin may go to some RSUs only: those on its way."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from veaat_migration.game.profiles import FollowerProfile
from veaat_migration.policy.best_response import BestResponseFollower
from veaat_migration.policy.interface import FloatArray, FollowerObservation, FollowerPolicy


class LimitedFollower:
    """Plays the game with some of the RSUs, as if the others did not exist."""

    name = "best_response"

    def __init__(self, policy: FollowerPolicy, rsu_ids: Collection[int]) -> None:
        """Let ``policy`` decide, with ``rsu_ids`` only; with none of them nothing is bought."""
        self._policy = policy
        self._rsu_ids = frozenset(rsu_ids)

    def act(self, observation: FollowerObservation) -> FloatArray:
        """The demand from each RSU heard [MHz], shape [R]."""
        demand = np.zeros(len(observation.rsu_ids))
        kept = [j for j, rsu_id in enumerate(observation.rsu_ids) if rsu_id in self._rsu_ids]
        if kept:
            demand[kept] = self._policy.act(
                replace(
                    observation,
                    rsu_ids=tuple(observation.rsu_ids[j] for j in kept),
                    prices=observation.prices[kept],
                    qualities=observation.qualities[kept],
                    other_demand=observation.other_demand[:, kept],
                )
            )
        return demand


def best_response(profile: FollowerProfile, rsu_ids: Collection[int] | None) -> FollowerPolicy:
    """The exact best response, with ``rsu_ids`` only; None: with all."""
    policy = BestResponseFollower(profile)
    return policy if rsu_ids is None else LimitedFollower(policy, rsu_ids)

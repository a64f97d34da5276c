"""Policies to compare with: fixed (equilibrium) play, epsilon-greedy memory, and chance."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

from veaat_migration.game.follower import utility
from veaat_migration.game.matching import matching_probability
from veaat_migration.game.profiles import FollowerProfile, LeaderProfile
from veaat_migration.policy.interface import FloatArray, FollowerObservation, LeaderObservation

EXPLORATION = 0.1
"""Share of rounds in which a greedy player tries something new."""
MEMORY = 100
"""Rounds that a greedy player remembers."""


class FixedLeader:
    """Always asks the same price, such as the equilibrium's."""

    name = "equilibrium"

    def __init__(self, price: float) -> None:
        self._price = price

    def act(self, observation: LeaderObservation) -> float:
        """The fixed price [money/MHz]."""
        del observation
        return self._price


class FixedFollower:
    """Always asks the same bandwidth from each RSU, such as the equilibrium's."""

    name = "equilibrium"

    def __init__(self, bandwidth: Mapping[int, float]) -> None:
        """``bandwidth`` by rsu_id [MHz]; an RSU that is not in it gets no bid."""
        self._bandwidth = bandwidth

    def act(self, observation: FollowerObservation) -> FloatArray:
        """The fixed demand [MHz], shape [R]."""
        return np.array([self._bandwidth.get(rsu, 0.0) for rsu in observation.rsu_ids])


class RandomLeader:
    """Uniform prices between the unit cost and the highest price."""

    name = "random"

    def __init__(self, profile: LeaderProfile, *, seed: int) -> None:
        self._profile = profile
        self._rng = np.random.default_rng(seed)

    def act(self, observation: LeaderObservation) -> float:
        """A new random price [money/MHz]."""
        del observation
        # 1 - u is in (0, 1]: a price must be positive even where the unit cost is nothing.
        share = 1.0 - self._rng.random()
        low, high = self._profile.price_min, self._profile.price_max
        return low + (high - low) * share


class RandomFollower:
    """Uniform demands between nothing and the most that may be bought."""

    name = "random"

    def __init__(self, profile: FollowerProfile, *, seed: int) -> None:
        self._profile = profile
        self._rng = np.random.default_rng(seed)

    def act(self, observation: FollowerObservation) -> FloatArray:
        """A new random demand [MHz], shape [R]."""
        return self._rng.uniform(0.0, self._profile.bandwidth_max, len(observation.rsu_ids))


class GreedyLeader:
    """Repeats the price that earned most in memory; now and then tries a random one."""

    name = "greedy"

    def __init__(
        self, profile: LeaderProfile, *, seed: int, exploration: float = EXPLORATION
    ) -> None:
        self._profile = profile
        self._rng = np.random.default_rng(seed)
        self._exploration = exploration
        self._random = RandomLeader(profile, seed=seed + 1)
        self._memory: deque[tuple[float, float]] = deque(maxlen=MEMORY)

    def act(self, observation: LeaderObservation) -> float:
        """The best price remembered, or a random one [money/MHz]."""
        self._remember(observation)
        if not self._memory or self._rng.random() < self._exploration:
            return self._random.act(observation)
        return max(self._memory)[1]

    def _remember(self, observation: LeaderObservation) -> None:
        heard = np.isfinite(observation.prices)
        rsu_ids = np.array(observation.rsu_ids)[heard]
        if not observation.av_ids or self._profile.rsu_id not in rsu_ids:
            return
        own = int(np.flatnonzero(rsu_ids == self._profile.rsu_id)[0])
        prices = observation.prices[heard]
        theta = matching_probability(prices, observation.qualities[heard])[own]
        unit_costs = np.array([self._profile.cost_of(av) for av in observation.av_ids])
        margin = float((prices[own] - unit_costs) @ observation.demand[:, heard][:, own])
        self._memory.append((float(theta) * margin, float(prices[own])))


class GreedyFollower:
    """Repeats the demand that was worth most in memory; now and then tries a random one."""

    name = "greedy"

    def __init__(
        self, profile: FollowerProfile, *, seed: int, exploration: float = EXPLORATION
    ) -> None:
        self._profile = profile
        self._rng = np.random.default_rng(seed)
        self._exploration = exploration
        self._random = RandomFollower(profile, seed=seed + 1)
        self._memory: deque[tuple[float, tuple[float, ...]]] = deque(maxlen=MEMORY)
        self._last: tuple[FollowerObservation, FloatArray] | None = None

    def act(self, observation: FollowerObservation) -> FloatArray:
        """The best demand remembered, or a random one [MHz], shape [R]."""
        self._remember(observation)
        known = [entry for entry in self._memory if len(entry[1]) == len(observation.rsu_ids)]
        if not known or self._rng.random() < self._exploration:
            bandwidth = self._random.act(observation)
        else:
            bandwidth = np.array(max(known)[1])
        self._last = (observation, bandwidth)
        return bandwidth

    def _remember(self, observation: FollowerObservation) -> None:
        """The demand of the others in the last round is known only now, from the receipts."""
        if self._last is None:
            return
        last, bandwidth = self._last
        if last.round != observation.round - 1 or last.rsu_ids != observation.rsu_ids:
            return
        worth = utility(
            self._profile,
            last.rsu_ids,
            last.prices,
            last.qualities,
            bandwidth,
            observation.other_av_ids,
            observation.other_demand,
        )
        self._memory.append((worth, tuple(float(b) for b in bandwidth)))

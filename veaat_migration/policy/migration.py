"""Which RSU an AV's twin should move to, decided after each bid.

A bid asks every RSU j for b_ij, and the matching probability theta_j (Eq. 1) says how likely the
AV ends up there; several b_ij > 0 are alternatives, not a twin in pieces. The decision picks one:

    among the RSUs with b_ij > 0, a usable link and T_ij <= T_i^max, the one with the largest own
    part of the expected utility (Eq. 9), theta_j (satisfaction_ij + couplings_ij - p_j b_ij);
    equal parts: the faster one, then the lower id.

Without delay data there is no deadline and every RSU counts as usable. On plain numbers, which for
a handful of RSUs are faster than arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, log, nan

import numpy as np

from veaat_migration.game.instance import Externality
from veaat_migration.game.matching import matching_list, matching_probability
from veaat_migration.game.profiles import FollowerDelay, FollowerProfile
from veaat_migration.policy.interface import FloatArray, FollowerObservation

NOTHING = 1e-9
"""Demand that counts as none [MHz]."""


@dataclass(frozen=True, slots=True)
class MigrationDecision:
    """Where to, and why. Lists are parallel to ``rsu_ids``, length R."""

    rsu_ids: tuple[int, ...]
    """RSUs that the bid answered."""
    prices: list[float]
    """p_j [money/MHz]"""
    bandwidths: list[float]
    """b_ij [MHz]"""
    delays: list[float]
    """T_ij with that bandwidth (Section III-B) [s]; inf: never; NaN: not known."""
    parts: list[float]
    """Part of each RSU in ``expected_utility`` [money]."""
    target_rsu_id: int
    """0: none."""
    bandwidth: float
    """b_ij at the target [MHz]; 0 without one."""
    expected_utility: float
    """U_i of the whole bid (Eq. 9), with the others' demand of the round before [money]."""
    expected_delay: float
    """T_ij at the target [s]; NaN: not known, or no target."""
    delay_margin: float
    """T_i^max - T_ij at the target [s]; NaN: not known, or no target."""
    reason: str
    """Why there is no target; empty: there is one."""


class MigrationPlanner:
    """Decides for one AV."""

    def __init__(self, profile: FollowerProfile, *, delay: FollowerDelay | None = None) -> None:
        """Prepare for one AV, see :meth:`use`."""
        self.use(profile, delay=delay)

    def use(self, profile: FollowerProfile, *, delay: FollowerDelay | None = None) -> None:
        """Decide with another profile from now on.

        Args:
            profile: the AV's private data.
            delay: what is known of links, task and deadline; None: as the profile says. Give it
                where the game leaves the delay constraint out but delays are known.
        """
        self._profile = profile
        self._delay = profile.delay if delay is None else delay
        self._rsu_ids: tuple[int, ...] | None = None
        self._av_ids: tuple[int, ...] | None = None

    def decide(
        self, observation: FollowerObservation, bandwidth: Sequence[float] | FloatArray
    ) -> MigrationDecision:
        """Decide on a bid.

        Args:
            observation: what the bid answers.
            bandwidth: b_ij [MHz], length R.
        """
        prices: list[float] = observation.prices.tolist()
        demand = [float(b) for b in bandwidth]
        delays = self._delays(observation.rsu_ids, demand)
        parts = self._parts(observation, prices, demand)
        target, reason = self._target(observation.rsu_ids, demand, delays, parts)
        deadline = nan if self._delay is None else self._delay.max_delay
        found = target is not None
        place = target or 0
        return MigrationDecision(
            rsu_ids=observation.rsu_ids,
            prices=prices,
            bandwidths=demand,
            delays=delays,
            parts=parts,
            target_rsu_id=observation.rsu_ids[place] if found else 0,
            bandwidth=demand[place] if found else 0.0,
            expected_utility=sum(parts),
            expected_delay=delays[place] if found else nan,
            delay_margin=deadline - delays[place] if found else nan,
            reason=reason,
        )

    def _delays(self, rsu_ids: tuple[int, ...], demand: list[float]) -> list[float]:
        """T_ij = D_i / (b_ij s_ij) + T0_ij [s] (Section III-B)."""
        known = self._delay
        if known is None:
            return [nan] * len(demand)
        efficiencies, bases, data = known.spectral_efficiency, known.base_delay, known.data
        delays = []
        for rsu, b in zip(rsu_ids, demand, strict=True):
            efficiency = efficiencies.get(rsu)
            if efficiency is None:
                delays.append(nan)
                continue
            rate = b * efficiency
            base = bases.get(rsu, 0.0)
            delays.append(data / rate + base if rate > 0.0 else base if data == 0.0 else inf)
        return delays

    def _parts(
        self, observation: FollowerObservation, prices: list[float], demand: list[float]
    ) -> list[float]:
        """theta_j times what the AV has of RSU j (summands of Eq. 9) [money], length R."""
        if not demand:
            return []
        if observation.rsu_ids != self._rsu_ids or observation.other_av_ids != self._av_ids:
            self._meet(observation)
        if min(prices) > 0.0:
            theta = matching_list(prices, observation.qualities.tolist())
        else:
            theta = matching_probability(observation.prices, observation.qualities).tolist()
        if self._weights is None:
            coupling = [0.0] * len(demand)
        else:
            coupling = (self._weights @ observation.other_demand).tolist()
        for j, s, eta in self._links:
            coupling[j] += eta * demand[s]
        profile = self._profile
        delta, offset = profile.satisfaction, profile.offset
        multiplicative = profile.externality is Externality.MULTIPLICATIVE
        parts = []
        for t, p, b, c in zip(theta, prices, demand, coupling, strict=True):
            usable = b + offset
            if usable <= 0.0:
                parts.append(-inf)
            elif multiplicative:
                parts.append(t * (delta * (1.0 + c) * log(usable) - p * b))
            else:
                parts.append(t * (delta * log(usable) + (c - p) * b))
        return parts

    def _meet(self, observation: FollowerObservation) -> None:
        """Look up the couplings with a set of players."""
        self._rsu_ids, self._av_ids = observation.rsu_ids, observation.other_av_ids
        zeta = [self._profile.social.get(k, 0.0) for k in self._av_ids]
        self._weights = np.array(zeta) if any(zeta) else None
        service = self._profile.service
        self._links = [
            (j, s, eta)
            for j, rsu in enumerate(self._rsu_ids)
            for s, other in enumerate(self._rsu_ids)
            if j != s and (eta := service.get((rsu, other), 0.0))
        ]

    def _target(
        self,
        rsu_ids: tuple[int, ...],
        demand: list[float],
        delays: list[float],
        parts: list[float],
    ) -> tuple[int | None, str]:
        """Where the target stands among the RSUs, or None and the reason."""
        if not rsu_ids:
            return None, "no RSU was heard"
        if not all(map(isfinite, demand)):
            return None, "the bid is not finite"
        asked = [j for j, b in enumerate(demand) if b > NOTHING]
        if not asked:
            return None, "the bid asks for no bandwidth"
        limited = self._delay
        if limited is None:
            return max(asked, key=lambda j: (parts[j], -rsu_ids[j])), ""
        linked = [j for j in asked if delays[j] < inf]
        if not linked:
            return None, "no RSU with bandwidth has a usable link"
        # Not "<=": a deadline that is not a number is none.
        timely = [j for j in linked if not delays[j] > limited.max_delay]
        if timely:
            return max(timely, key=lambda j: (parts[j], -delays[j], -rsu_ids[j])), ""
        fastest = min(linked, key=lambda j: (delays[j], rsu_ids[j]))
        return None, (
            f"no RSU meets the tolerated delay of {limited.max_delay:.4g} s; the fastest is RSU "
            f"{rsu_ids[fastest]} with {delays[fastest]:.4g} s"
        )

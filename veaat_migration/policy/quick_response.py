"""The AV's best response in the usual case, in a fraction of the time of the general solver.

Usual means: additive couplings, no delay constraint, and a utility whose own curvature outweighs
the service coupling everywhere in [0, b_max]^R. Then the best response is unique, and repeating
each demand's own answer to the others (Eq. 14, with the coupling term the paper drops),

    b_j = clip(delta / (p_j - S_j - sum_s eta_js (1 + theta_s / theta_j) b_s) - E, 0, b_max),

closes in on it by a factor of a hundred and more each time; from the last round's answer a few
repetitions reach the last digit. Everything else is left to :mod:`veaat_migration.game.follower`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veaat_migration.game.instance import Externality
from veaat_migration.game.profiles import FollowerProfile
from veaat_migration.policy.interface import FollowerObservation

MAX_SWEEPS = 30
PRECISION = 1e-14
"""Relative change of all demands at which the answer stands."""
DOMINANCE = 2.0
"""Own curvature over couplings that is asked for: every sweep halves the error at least."""
LOOP_LIMIT = 40
"""Products up to which a loop is faster than numpy."""


class QuickResponse:
    """One AV's best responses, each starting from the one before."""

    def __init__(self, profile: FollowerProfile) -> None:
        """Prepare for one AV."""
        self._usual = profile.externality is Externality.ADDITIVE and profile.delay is None
        self._delta = profile.satisfaction
        self._offset = profile.offset
        self._most = profile.bandwidth_max
        self._zeta = profile.social
        self._eta = profile.service
        self._least = max(0.0, -profile.offset)
        usable = profile.bandwidth_max + profile.offset
        self._curvature = profile.satisfaction / (usable * usable)
        self._rsu_ids: tuple[int, ...] | None = None
        self._links: list[list[tuple[int, float]]] = []
        self._av_ids: tuple[int, ...] | None = None
        self._weights: list[float] = []
        self._demand: list[float] = []

    def respond(self, observation: FollowerObservation) -> list[float] | None:
        """The best response [MHz], length R; None if this is not the usual case."""
        if not self._usual:
            return None
        if observation.rsu_ids != self._rsu_ids:
            self._meet(observation.rsu_ids)
        prices = observation.prices.tolist()
        attraction = [
            q / p for q, p in zip(observation.qualities.tolist(), prices, strict=True) if p > 0.0
        ]
        if len(attraction) != len(prices):
            return None
        for j, social in enumerate(self._social(observation)):
            prices[j] -= social
        pairs = self._pairs(attraction)
        return None if pairs is None else self._iterate(prices, pairs)

    def _meet(self, rsu_ids: tuple[int, ...]) -> None:
        """Prepare for a set of RSUs."""
        self._rsu_ids = rsu_ids
        self._links = [
            [(s, eta) for s, other in enumerate(rsu_ids) if (eta := self._eta.get((rsu, other)))]
            for rsu in rsu_ids
        ]
        self._demand = [self._most] * len(rsu_ids)

    def _social(self, observation: FollowerObservation) -> Sequence[float]:
        """S_j = sum_k zeta_ik b_kj (Eq. 7), length R."""
        if observation.other_av_ids != self._av_ids:
            self._av_ids = observation.other_av_ids
            self._weights = [self._zeta.get(k, 0.0) for k in observation.other_av_ids]
        demand = observation.other_demand
        if not self._weights:
            return ()
        if demand.size > LOOP_LIMIT:
            weighted: list[float] = (np.array(self._weights) @ demand).tolist()
            return weighted
        total = [0.0] * demand.shape[1]
        for zeta, row in zip(self._weights, demand.tolist(), strict=True):
            for j, b in enumerate(row):
                total[j] += zeta * b
        return total

    def _pairs(self, attraction: list[float]) -> list[list[tuple[int, float]]] | None:
        """eta_js (1 + theta_s / theta_j) of each RSU; None where they may outweigh curvature."""
        pairs = []
        for j, links in enumerate(self._links):
            own = attraction[j]
            row = [(s, eta * (1.0 + attraction[s] / own)) for s, eta in links]
            if DOMINANCE * sum([abs(pair) for _, pair in row]) > self._curvature:
                return None
            pairs.append(row)
        return pairs

    def _iterate(
        self, prices: list[float], pairs: list[list[tuple[int, float]]]
    ) -> list[float] | None:
        """Repeat the answers of the single demands until nothing changes."""
        delta, offset, least, most = self._delta, self._offset, self._least, self._most
        demand = self._demand
        for _ in range(MAX_SWEEPS):
            change = 0.0
            for j, price in enumerate(prices):
                for s, pair in pairs[j]:
                    price -= pair * demand[s]
                b = delta / price - offset if price > 0.0 else most
                b = most if b > most else least if b < least else b
                change += abs(b - demand[j])
                demand[j] = b
            if change <= PRECISION * most:
                return list(demand)
        return None

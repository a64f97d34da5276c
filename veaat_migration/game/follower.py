"""Exact best response of one AV to prices and to the other AVs' demands (problem P1, Eq. 11).

Fast enough to run on the vehicle in every round, and free of scipy for the same reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from veaat_migration.game.instance import Externality, FloatArray
from veaat_migration.game.matching import matching_probability
from veaat_migration.game.own_constraint import maximise_within
from veaat_migration.game.own_optimum import maximise
from veaat_migration.game.own_problem import OwnProblem
from veaat_migration.game.profiles import FollowerProfile


@dataclass(frozen=True, slots=True)
class DelayLimit:
    """One AV's delay constraint over R RSUs: sum_j theta_j (D / (b_j s_j) + T0_j) <= T_max."""

    data: float
    """D [Mbit], >= 0"""
    efficiency: Sequence[float] | FloatArray
    """s_j [bit/s/Hz], shape [R]; 0 marks an RSU that cannot be used"""
    base_delay: Sequence[float] | FloatArray
    """T0_j [s], shape [R]"""
    max_delay: float
    """T_max [s]"""


@dataclass(frozen=True, slots=True)
class BestResponse:
    """What one AV should buy."""

    bandwidth: FloatArray
    """b_j [MHz], shape [R]"""
    feasible: bool
    """False: even the largest demand misses the delay constraint; ``bandwidth`` is that."""
    multiplier: float = 0.0
    """lambda of the delay constraint [money/s]; 0 where it does not bind."""


def best_response(
    *,
    satisfaction: float,
    offset: float,
    bandwidth_max: float,
    prices: Any,
    theta: Any,
    social: Any,
    service: Any,
    delay: DelayLimit | None = None,
    externality: Externality = Externality.ADDITIVE,
) -> BestResponse:
    """Maximise one AV's utility (Eq. 9) over its own demands in [0, b_max]^R (problem P1).

    The answer is the global optimum also where the service coupling makes the problem
    non-concave (see :mod:`own_optimum` for how, and its limit on the number of boxes).

    Args:
        satisfaction: delta_i [money], > 0.
        offset: E_i [MHz]; may be negative, then demand is always above -E_i.
        bandwidth_max: b_max [MHz], > max(0, -E_i).
        prices: p_j [money/MHz], shape [R], > 0.
        theta: matching probabilities (Eq. 1), shape [R], > 0.
        social: sum_k zeta_ik b_kj, the others' demand weighted (Eq. 7), shape [R].
        service: eta_js (Eq. 8), shape [R, R], symmetric, zero diagonal.
        delay: the delay constraint; None leaves it out.
        externality: how couplings enter the utility.

    Returns:
        The best response; ``feasible`` is False where no demand meets the delay constraint.
    """
    price_list = np.asarray(prices, dtype=np.float64).tolist()
    theta_list = np.asarray(theta, dtype=np.float64).tolist()
    size = len(price_list)
    upper = [float(bandwidth_max)] * size
    weight = [0.0] * size
    slack = np.inf
    if delay is not None:
        slack = delay.max_delay
        for j in range(size):
            efficiency = float(delay.efficiency[j])
            if efficiency > 0.0:
                weight[j] = delay.data / efficiency
                slack -= theta_list[j] * float(delay.base_delay[j])
            else:
                upper[j] = 0.0
    problem = OwnProblem(
        satisfaction=satisfaction,
        offset=offset,
        upper=upper,
        prices=price_list,
        theta=theta_list,
        social=np.asarray(social, dtype=np.float64).tolist(),
        service=np.asarray(service, dtype=np.float64).tolist(),
        weight=weight,
        multiplicative=externality is Externality.MULTIPLICATIVE,
    )
    if delay is None:
        return BestResponse(np.array(maximise(problem)), True)
    bandwidth, multiplier, feasible = maximise_within(problem, slack)
    return BestResponse(np.array(bandwidth), feasible, multiplier)


def respond(
    profile: FollowerProfile,
    rsu_ids: Sequence[int],
    prices: Any,
    qualities: Any,
    other_av_ids: Sequence[int],
    other_demand: Any,
) -> BestResponse:
    """Best response from an AV's private profile and what it heard in this round.

    Coupling entries that the profile lacks count as zero. Where the profile has a delay
    constraint, an RSU without a spectral efficiency in it cannot be used: its bandwidth is 0
    and it is left out of the constraint.

    Args:
        profile: the AV's private data.
        rsu_ids: RSUs heard, length R; theta is taken over these.
        prices: their prices [money/MHz], shape [R].
        qualities: their q_j [-], shape [R].
        other_av_ids: other AVs, length K.
        other_demand: their last demands b_kj [MHz], shape [K, R].

    Returns:
        The best response, in the order of ``rsu_ids``.
    """
    if len(rsu_ids) == 0:
        return BestResponse(np.zeros(0), True)
    social, service = _couplings(profile, rsu_ids, other_av_ids, other_demand)
    limit = None
    if profile.delay is not None:
        limit = DelayLimit(
            data=profile.delay.data,
            efficiency=[profile.delay.spectral_efficiency.get(j, 0.0) for j in rsu_ids],
            base_delay=[profile.delay.base_delay.get(j, 0.0) for j in rsu_ids],
            max_delay=profile.delay.max_delay,
        )
    return best_response(
        satisfaction=profile.satisfaction,
        offset=profile.offset,
        bandwidth_max=profile.bandwidth_max,
        prices=prices,
        theta=matching_probability(prices, qualities),
        social=social,
        service=service,
        delay=limit,
        externality=profile.externality,
    )


def utility(
    profile: FollowerProfile,
    rsu_ids: Sequence[int],
    prices: Any,
    qualities: Any,
    bandwidth: Any,
    other_av_ids: Sequence[int],
    other_demand: Any,
) -> float:
    """U_i of Eq. (9) from an AV's private profile, its demand and what it heard [money].

    Args:
        profile: the AV's private data.
        rsu_ids: RSUs heard, length R.
        prices: their prices [money/MHz], shape [R].
        qualities: their q_j [-], shape [R].
        bandwidth: own demand b_ij [MHz], shape [R].
        other_av_ids: other AVs, length K.
        other_demand: their demands b_kj [MHz], shape [K, R].
    """
    social, service = _couplings(profile, rsu_ids, other_av_ids, other_demand)
    problem = OwnProblem(
        satisfaction=profile.satisfaction,
        offset=profile.offset,
        upper=[profile.bandwidth_max] * len(rsu_ids),
        prices=np.asarray(prices, dtype=np.float64).tolist(),
        theta=matching_probability(prices, qualities).tolist(),
        social=social.tolist(),
        service=service,
        weight=[0.0] * len(rsu_ids),
        multiplicative=profile.externality is Externality.MULTIPLICATIVE,
    )
    return problem.value(np.asarray(bandwidth, dtype=np.float64).tolist())


def _couplings(
    profile: FollowerProfile,
    rsu_ids: Sequence[int],
    other_av_ids: Sequence[int],
    other_demand: Any,
) -> tuple[FloatArray, list[list[float]]]:
    """The social terms sum_k zeta_ik b_kj, shape [R], and the service couplings, shape [R][R]."""
    social = np.zeros(len(rsu_ids))
    if profile.social and len(other_av_ids):
        zeta = [profile.social.get(k, 0.0) for k in other_av_ids]
        social = np.asarray(zeta) @ np.asarray(other_demand, dtype=np.float64)
    links = profile.service
    service = [[links.get((j, s), 0.0) if j != s else 0.0 for s in rsu_ids] for j in rsu_ids]
    return social, service

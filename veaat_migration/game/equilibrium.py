"""Stackelberg equilibrium of leaders and followers, certified by its exploitability."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum
from math import isfinite
from typing import Any

import numpy as np

from veaat_migration.game.certainty import equilibrium_is_unique, uniqueness_index
from veaat_migration.game.closed_form import paper_closed_form, uncoupled_prices
from veaat_migration.game.exploitability import Exploitability, exploitability, leader_gains
from veaat_migration.game.followers import Start, follower_equilibria
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.leader import price_bounds
from veaat_migration.game.leader_search import Found, find
from veaat_migration.game.matching import matching_probability
from veaat_migration.game.price_search import local_equilibrium
from veaat_migration.game.utilities import follower_utilities, leader_utilities

TOLERANCE = 1e-9
"""Largest relative gain of a certified answer without a delay constraint."""
TOLERANCE_WITH_DELAY = 1e-6
TIME_LIMIT = 30.0
"""Default time for a search [s]; ordinary games need a thousandth of it."""
_DISTINCT = 1e-5


class Status(str, Enum):
    """What is known about an answer; docs/model.md says more."""

    CERTIFIED = "certified"
    """No player can gain; no other equilibrium was found; followers' answer proven unique."""
    CERTIFIED_NOT_UNIQUE = "certified_not_unique"
    """No player can gain, but it is not, or not provably, the only equilibrium."""
    INFEASIBLE_FOLLOWERS = "infeasible_followers"
    """No player can gain, but some AVs cannot meet their delay limit at these prices."""
    CYCLING = "cycling"
    """Leaders' best prices chase each other; the least exploitable prices seen are given."""
    NOT_CONVERGED = "not_converged"
    """No equilibrium was found; the least exploitable prices seen are given."""
    UNCHECKED = "unchecked"
    """The certificate was not asked for: a local answer."""


@dataclass(frozen=True)
class Equilibrium:
    """Prices and demand with what every player earns."""

    prices: FloatArray
    demand: FloatArray
    leader_utilities: FloatArray
    follower_utilities: FloatArray
    followers_start: Start
    """Which of the AVs' equilibria the leaders reckon with, where there are several."""
    largest_gain: float
    """Largest relative gain of any player."""


@dataclass(frozen=True)
class Solution:
    """The answer to one game, in its own words on how good it is."""

    instance: GameInstance = field(repr=False)
    status: Status
    prices: FloatArray
    """p*, [R]"""
    demand: FloatArray
    """B*, [V, R]"""
    matching: FloatArray
    """theta*, [R]"""
    leader_utilities: FloatArray
    """[R]"""
    follower_utilities: FloatArray
    """[V]"""
    exploitability: Exploitability | None
    """None where the certificate was not asked for."""
    uniqueness_index: float
    """Of the AVs' equilibrium at p*, over the whole box; below 1 proves uniqueness."""
    followers_unique: bool
    """Whether the AVs' equilibrium at p* is proven unique (also by sharper means)."""
    other_equilibria: tuple[Equilibrium, ...]
    infeasible_followers: tuple[int, ...]
    """AVs, numbered from 1, that miss their delay limit even with b_max."""
    iterations: int
    seconds: float

    def to_mapping(self) -> dict[str, Any]:
        """Plain lists and numbers, fit for JSON (no infinities)."""
        gains = self.exploitability
        return {
            "status": self.status.value,
            "p": self.prices.tolist(),
            "B": self.demand.tolist(),
            "theta": self.matching.tolist(),
            "U_rsu": self.leader_utilities.tolist(),
            "U_av": _finite(self.follower_utilities),
            "exploitability": None
            if gains is None
            else {
                "rsu_abs": gains.leaders.absolute.tolist(),
                "av_abs": gains.followers.tolist(),
                "max_rel": gains.largest,
            },
            "uniqueness_index": self.uniqueness_index if isfinite(self.uniqueness_index) else None,
            "followers_unique": self.followers_unique,
            "other_equilibria": [
                {
                    "p": other.prices.tolist(),
                    "B": other.demand.tolist(),
                    "U_rsu": other.leader_utilities.tolist(),
                    "U_av": _finite(other.follower_utilities),
                    "followers_start": other.followers_start,
                    "max_rel": other.largest_gain,
                }
                for other in self.other_equilibria
            ],
            "infeasible_followers": list(self.infeasible_followers),
            "iterations": self.iterations,
            "seconds": self.seconds,
        }


def _finite(values: FloatArray) -> list[float | None]:
    return [float(v) if isfinite(v) else None for v in values]


def solve(
    instance: GameInstance,
    *,
    certify: bool = True,
    tolerance: float | None = None,
    time_limit: float = TIME_LIMIT,
) -> Solution:
    """Find a Stackelberg equilibrium, check it, and look for others.

    Args:
        instance: the game.
        certify: search every leader's whole price interval and every AV's best response, and
            restart where someone gains; without it the answer is local and unchecked, but quick.
        tolerance: largest relative gain of a certified answer; None takes ``TOLERANCE`` or,
            with a delay constraint, ``TOLERANCE_WITH_DELAY``.
        time_limit: the search stops near this time [s] with the best prices seen; checking them
            comes on top. Games that strong substitutes make rugged may need more.

    Returns:
        The solution; its status says what is certain.
    """
    began = time.perf_counter()
    deadline = began + time_limit
    if tolerance is None:
        tolerance = TOLERANCE if instance.delay is None else TOLERANCE_WITH_DELAY
    starts = _starts(instance)
    if not certify:
        local = local_equilibrium(instance, starts[0], deadline=deadline)
        return _solution(instance, began, local.prices, local.iterations)
    found = find(instance, starts[0], tolerance, deadline=deadline)
    iterations, tried = found.iterations, 1
    while (
        found.gains.largest > tolerance and tried < len(starts) and time.perf_counter() < deadline
    ):
        other = find(instance, starts[tried], tolerance, deadline=deadline)
        iterations, tried = iterations + other.iterations, tried + 1
        if other.gains.largest < found.gains.largest:
            found = other
    others: list[Equilibrium] = []
    if found.gains.largest <= tolerance:
        for start in starts[tried:]:
            if time.perf_counter() > deadline:
                break
            local = local_equilibrium(instance, start, deadline=deadline)
            iterations += local.iterations
            known = [found.gains.prices, *(other.prices for other in others)]
            if local.converged and not any(_close(local.prices, p) for p in known):
                other_gains = leader_gains(instance, local.prices)
                if other_gains.largest <= tolerance:
                    others.append(_equilibrium(instance, local.prices, other_gains.largest))
    return _solution(instance, began, found.gains.prices, iterations, found, others, tolerance)


def _starts(instance: GameInstance) -> list[FloatArray]:
    """The uncoupled closed form, cheap, dear, and the paper's approximation."""
    low, high = price_bounds(instance)
    inside = [uncoupled_prices(instance), 1.05 * low, high, paper_closed_form(instance)]
    return [np.clip(p, low, high) for p in inside]


def _close(a: FloatArray, b: FloatArray) -> bool:
    return bool(np.abs(a / b - 1.0).max() <= _DISTINCT)


def _equilibrium(
    instance: GameInstance, prices: FloatArray, largest: float, start: Start = "low"
) -> Equilibrium:
    demand = follower_equilibria(instance, prices, start).demand[0]
    return Equilibrium(
        prices,
        demand,
        leader_utilities(instance, prices, demand),
        follower_utilities(instance, prices, demand),
        start,
        largest,
    )


def _solution(
    instance: GameInstance,
    began: float,
    prices: FloatArray,
    iterations: int,
    found: Found | None = None,
    others: list[Equilibrium] | None = None,
    tolerance: float = 0.0,
) -> Solution:
    followers = follower_equilibria(instance, prices)
    demand = followers.demand[0]
    unique = equilibrium_is_unique(instance, prices)
    others = list(others or [])
    gains = None
    if found is not None:
        gains = exploitability(instance, prices, demand, leaders=found.gains)
        if not unique:
            others += _with_other_demand(instance, prices, demand, tolerance)
    infeasible = tuple(int(i) + 1 for i in np.nonzero(~followers.feasible[0])[0])
    return Solution(
        instance=instance,
        status=_status(gains, found, tolerance, infeasible, unique and not others),
        prices=prices,
        demand=demand,
        matching=matching_probability(prices, instance.quality),
        leader_utilities=leader_utilities(instance, prices, demand),
        follower_utilities=follower_utilities(instance, prices, demand),
        exploitability=gains,
        uniqueness_index=uniqueness_index(instance, prices),
        followers_unique=unique,
        other_equilibria=tuple(others),
        infeasible_followers=infeasible,
        iterations=iterations,
        seconds=time.perf_counter() - began,
    )


def _with_other_demand(
    instance: GameInstance, prices: FloatArray, demand: FloatArray, tolerance: float
) -> list[Equilibrium]:
    """The AVs' other equilibrium at these prices, and the leaders' equilibrium with it."""
    high = follower_equilibria(instance, prices, "high").demand[0]
    if np.abs(high - demand).max() <= 1e-9 * instance.bandwidth_max:
        return []
    gains = leader_gains(instance, prices, "high")
    others = [_equilibrium(instance, prices, gains.largest, "high")]
    found = find(instance, prices, tolerance, "high")
    if found.gains.largest <= tolerance and not _close(found.gains.prices, prices):
        others.append(_equilibrium(instance, found.gains.prices, found.gains.largest, "high"))
    return others


def _status(
    gains: Exploitability | None,
    found: Found | None,
    tolerance: float,
    infeasible: tuple[int, ...],
    alone: bool,
) -> Status:
    if gains is None or found is None:
        return Status.UNCHECKED
    if gains.largest > tolerance or not gains.leaders.complete:
        return Status.CYCLING if found.cycling else Status.NOT_CONVERGED
    if infeasible:
        return Status.INFEASIBLE_FOLLOWERS
    if alone and not any(rival is not None for rival in gains.leaders.rivals):
        return Status.CERTIFIED
    return Status.CERTIFIED_NOT_UNIQUE

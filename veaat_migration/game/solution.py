"""What `solve` answers: an equilibrium, what every player earns, and how certain it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import isfinite
from typing import Any

from veaat_migration.game.exploitability import Exploitability
from veaat_migration.game.followers import Start
from veaat_migration.game.instance import FloatArray, GameInstance


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
    """B*, what AVs ask for, [V, R]"""
    delivered_share: FloatArray
    """Share of it that each RSU delivers, 1 unless it is short of capacity, [R]"""
    matching: FloatArray
    """theta*, [R]"""
    leader_utilities: FloatArray
    """[R]"""
    follower_utilities: FloatArray
    """[V]"""
    exploitability: Exploitability | None
    """None where the certificate was not asked for."""
    uniqueness_index: float | None
    """Of the AVs' equilibrium at p*, over the whole box; below 1 proves uniqueness.

    None where the certificate was not asked for.
    """
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
            "delivered_share": self.delivered_share.tolist(),
            "U_rsu": self.leader_utilities.tolist(),
            "U_av": _finite(self.follower_utilities),
            "exploitability": None
            if gains is None
            else {
                "rsu_abs": _finite(gains.leaders.absolute),
                "av_abs": gains.followers.tolist(),
                "max_rel": _or_none(gains.largest),
                "exact": gains.leaders.exact,
            },
            "uniqueness_index": _or_none(self.uniqueness_index),
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
    return [_or_none(float(v)) for v in values]


def _or_none(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None

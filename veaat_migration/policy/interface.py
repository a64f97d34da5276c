"""The slot that every policy fills: ``act(observation) -> action``.

A policy may keep a memory of what it observed; it is created anew when its node restarts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LeaderObservation:
    """What an RSU knows when it prices round ``round``: the bids of the round before.

    Before the first settled round, and when nobody bid, there are no AVs (V = 0).
    """

    round: int
    rsu_ids: tuple[int, ...]
    """RSUs whose offers the bids answered, ascending; contains the RSU itself."""
    prices: FloatArray
    """p_j of the round before [money/MHz], shape [R]; NaN: never heard."""
    qualities: FloatArray
    """q_j [-], shape [R]; NaN: never heard."""
    av_ids: tuple[int, ...]
    """AVs whose bids were accepted, ascending."""
    demand: FloatArray
    """b_ij bid in the round before [MHz], shape [V, R]; 0 where an AV did not answer an RSU."""


@dataclass(frozen=True, slots=True)
class FollowerObservation:
    """What an AV knows when it bids: the offers of ``round``, the others' demand before it."""

    round: int
    rsu_ids: tuple[int, ...]
    """RSUs heard in this round, ascending."""
    prices: FloatArray
    """p_j of this round [money/MHz], shape [R]."""
    qualities: FloatArray
    """q_j [-], shape [R]."""
    other_av_ids: tuple[int, ...]
    """Other AVs that bought in the round before, ascending."""
    other_demand: FloatArray
    """b_kj of the other AVs in the round before (receipts in the offers) [MHz], shape [K, R]."""


class LeaderPolicy(Protocol):
    """Decides the price of one RSU."""

    name: str

    def act(self, observation: LeaderObservation) -> float:
        """The price for ``observation.round`` [money/MHz]."""


class FollowerPolicy(Protocol):
    """Decides the bandwidth demand of one AV."""

    name: str

    def act(self, observation: FollowerObservation) -> FloatArray:
        """The demand from each RSU of ``observation.rsu_ids`` [MHz], shape [R]."""


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """What a policy that was learned tells about itself; the default is that of any other."""

    version: int = 0
    """Of the policy that is loaded; 0: none."""
    sha256: str = ""
    """Digest of its file, hexadecimal; empty: none."""
    decisions: int = 0
    """Its own answers since it began to play."""
    fallbacks: Mapping[str, int] = field(default_factory=dict)
    """Answers left to its fallback, by reason."""
    reason: str = ""
    """Why the last answer was the fallback's; empty: it was its own."""


def report_of(policy: LeaderPolicy | FollowerPolicy) -> PolicyReport:
    """What a policy tells by its method ``report()``, if it has one."""
    report = getattr(policy, "report", None)
    return PolicyReport() if report is None else report()

"""What an RSU makes of the bids of a round: its account and its next price."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from veaat_migration.game.matching import matching_list
from veaat_migration.game.profiles import LeaderProfile
from veaat_migration.policy.interface import LeaderObservation, LeaderPolicy
from veaat_migration.protocol.messages import Offer, Settlement
from veaat_migration.protocol.reading import SMALLEST, CheckedBid
from veaat_migration.protocol.tally import Tally


class Answer(NamedTuple):
    """A bid that answers the open offer."""

    bid: CheckedBid
    column: int
    """Where this RSU stands in the arrays of the bid."""

    @property
    def bandwidth(self) -> float:
        """b_ij that the AV buys from this RSU [MHz]."""
        return self.bid.bandwidth[self.column]


def settle(
    offer: Offer, answers: Mapping[int, Answer], missing: Sequence[int], duration: float
) -> Settlement:
    """Draw up the account of a round: expected payments theta_ij p_j b_ij (Eqs. 1, 5).

    Args:
        offer: the offer that was answered.
        answers: accepted bids by av_id, ascending.
        missing: AVs that were expected but did not bid, ascending.
        duration: time from the offer to now [s].
    """
    theta: list[float] = []
    known: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    probabilities: list[float] = []
    for bid, column in answers.values():
        # The AVs of a group answer the same offers, so one computation serves nearly all.
        if known != (bid.prices, bid.qualities):
            known = (bid.prices, bid.qualities)
            probabilities = matching_list(*known)
        theta.append(probabilities[column])
    bandwidth = [answer.bandwidth for answer in answers.values()]
    return Settlement(
        session=offer.session,
        round=offer.round,
        rsu_id=offer.rsu_id,
        price=offer.price,
        quality=offer.quality,
        av_ids=tuple(answers),
        bandwidth=tuple(bandwidth),
        matching_probability=tuple(theta),
        payment=tuple(t * offer.price * b for t, b in zip(theta, bandwidth, strict=True)),
        missing_av_ids=tuple(missing),
        duration=duration,
    )


def observe(
    round_: int, rsu_id: int, offer: Offer | None, answers: Mapping[int, Answer]
) -> LeaderObservation:
    """What the RSU's policy sees before it prices ``round_``.

    Args:
        round_: round to be priced.
        rsu_id: this RSU.
        offer: its offer in the round before; None: it made none.
        answers: the bids accepted then by av_id, ascending.
    """
    if offer is None or not answers:
        own = [math.nan, math.nan] if offer is None else [offer.price, offer.quality]
        return LeaderObservation(
            round=round_,
            rsu_ids=(rsu_id,),
            prices=np.array(own[:1]),
            qualities=np.array(own[1:]),
            av_ids=(),
            demand=np.zeros((0, 1)),
        )
    bids = [answer.bid for answer in answers.values()]
    rsu_ids = bids[0].rsu_ids
    if all(bid.rsu_ids == rsu_ids for bid in bids):
        return LeaderObservation(
            round=round_,
            rsu_ids=rsu_ids,
            prices=np.array(bids[0].prices),
            qualities=np.array(bids[0].qualities),
            av_ids=tuple(answers),
            demand=np.array([bid.bandwidth for bid in bids]),
        )
    return _observe_union(round_, tuple(answers), bids)


def _observe_union(
    round_: int, av_ids: tuple[int, ...], bids: Sequence[CheckedBid]
) -> LeaderObservation:
    """The general case: not every AV answered the same RSUs."""
    offers: dict[int, tuple[float, float]] = {}
    for bid in bids:
        for j, price, quality in zip(bid.rsu_ids, bid.prices, bid.qualities, strict=True):
            offers.setdefault(j, (price, quality))
    rsu_ids = tuple(sorted(offers))
    column = {j: k for k, j in enumerate(rsu_ids)}
    demand = np.zeros((len(bids), len(rsu_ids)))
    for row, bid in zip(demand, bids, strict=True):
        row[[column[j] for j in bid.rsu_ids]] = bid.bandwidth
    return LeaderObservation(
        round=round_,
        rsu_ids=rsu_ids,
        prices=np.array([offers[j][0] for j in rsu_ids]),
        qualities=np.array([offers[j][1] for j in rsu_ids]),
        av_ids=av_ids,
        demand=demand,
    )


def decide(
    policy: LeaderPolicy,
    observation: LeaderObservation,
    profile: LeaderProfile,
    last: float | None,
    tally: Tally,
) -> float:
    """The policy's price within [price_min, price_max]; where it fails, ``last`` or price_max.

    A policy is foreign code: whatever it raises or returns, the game goes on.
    """
    try:
        action = float(policy.act(observation))
        if not math.isfinite(action):
            raise ValueError(f"price is {action}")
    except Exception as error:
        tally.policy_failed(error)
        action = profile.price_max if last is None else last
    lowest = max(profile.price_min, SMALLEST)
    return min(max(action, lowest), profile.price_max)

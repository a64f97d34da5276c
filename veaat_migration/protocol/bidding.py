"""What an AV makes of the offers of a round: its bid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from veaat_migration.game.instance import FloatArray
from veaat_migration.policy.interface import FollowerObservation, FollowerPolicy
from veaat_migration.protocol.reading import CheckedOffer
from veaat_migration.protocol.tally import Tally


def observe(round_: int, av_id: int, offers: Sequence[CheckedOffer]) -> FollowerObservation:
    """What the AV's policy sees before it bids in ``round_``.

    Args:
        round_: round to bid in.
        av_id: this AV.
        offers: the offers to answer, ascending by rsu_id; their receipts tell the demand of
            the other AVs in the last round that each RSU settled.
    """
    other_av_ids, other_demand = _others(av_id, offers)
    return FollowerObservation(
        round=round_,
        rsu_ids=tuple(offer.rsu_id for offer in offers),
        prices=np.array([offer.price for offer in offers]),
        qualities=np.array([offer.quality for offer in offers]),
        other_av_ids=other_av_ids,
        other_demand=other_demand,
    )


def _others(av_id: int, offers: Sequence[CheckedOffer]) -> tuple[tuple[int, ...], FloatArray]:
    """The other AVs in the receipts and their demand, shape [K, R]."""
    ids = offers[0].settled_av_ids
    if all(offer.settled_av_ids == ids for offer in offers):
        # The common case: all RSUs sold to the same AVs.
        columns = [offer.settled_bandwidth for offer in offers]
        if av_id in ids:
            own = ids.index(av_id)
            ids = ids[:own] + ids[own + 1 :]
            columns = [column[:own] + column[own + 1 :] for column in columns]
        return ids, np.array(columns).T
    everyone = {i for offer in offers for i in offer.settled_av_ids}
    ids = tuple(sorted(everyone - {av_id}))
    row = {i: k for k, i in enumerate(ids)}
    demand = np.zeros((len(ids), len(offers)))
    for j, offer in enumerate(offers):
        for i, bandwidth in zip(offer.settled_av_ids, offer.settled_bandwidth, strict=True):
            if i != av_id:
                demand[row[i], j] = bandwidth
    return ids, demand


def decide(
    policy: FollowerPolicy, observation: FollowerObservation, bandwidth_max: float, tally: Tally
) -> tuple[float, ...]:
    """The policy's demand from each RSU within [0, bandwidth_max]; where it fails, nothing.

    A policy is foreign code: whatever it raises or returns, the game goes on.
    """
    count = len(observation.rsu_ids)
    try:
        action = np.asarray(policy.act(observation), dtype=np.float64)
        if action.shape != (count,):
            raise ValueError(f"demand has shape {action.shape}, must be ({count},)")
        values = action.tolist()
        # NaN and infinity spread to the sum, and so does an overflow.
        if not math.isfinite(sum(values)):
            raise ValueError(f"demand is not finite: {values}")
    except Exception as error:
        tally.policy_failed(error)
        return (0.0,) * count
    return tuple([min(max(value, 0.0), bandwidth_max) for value in values])

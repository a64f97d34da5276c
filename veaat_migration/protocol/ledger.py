"""What an AV remembers of its bids, to check the receipts it gets."""

from __future__ import annotations

from veaat_migration.protocol.messages import Bid
from veaat_migration.protocol.reading import CheckedOffer

REMEMBERED_BIDS = 64
"""Bids remembered; a receipt for an older round cannot be checked."""


class Ledger:
    """The last bids of this life, by round, and whether receipts agree with them."""

    def __init__(self, av_id: int) -> None:
        """Begin an empty ledger."""
        self._av_id = av_id
        self._bids: dict[int, dict[tuple[int, int], float]] = {}

    def record(self, bid: Bid) -> None:
        """Remember what was bid, by RSU and the RSU's session. Rounds must increase."""
        answered = zip(bid.rsu_ids, bid.sessions, strict=True)
        self._bids[bid.round] = dict(zip(answered, bid.bandwidth, strict=True))
        if len(self._bids) > REMEMBERED_BIDS:
            del self._bids[next(iter(self._bids))]

    def agrees(self, offer: CheckedOffer) -> bool:
        """Whether the receipt in ``offer`` charges this AV nothing but what it bid.

        True as well where it cannot be known: up to the first bid remembered, because a former
        life may have bid in the same round.
        """
        if self._av_id not in offer.settled_av_ids or not self._bids:
            return True
        if offer.settled_round <= next(iter(self._bids)):
            return True
        charged = offer.settled_bandwidth[offer.settled_av_ids.index(self._av_id)]
        bid = self._bids.get(offer.settled_round, {}).get((offer.rsu_id, offer.session))
        return bid == charged

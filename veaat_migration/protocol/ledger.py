"""What an AV remembers of its bids, to check the receipts it gets."""

from __future__ import annotations

from veaat_migration.protocol.messages import Bid
from veaat_migration.protocol.reading import CheckedOffer

REMEMBERED_BIDS = 64
"""Bids remembered; a receipt for an older round cannot be checked."""


class Ledger:
    """The last bids of this life, by round, and whether receipts agree with them."""

    def __init__(self, av_id: int, grace: int) -> None:
        """Begin an empty ledger.

        Receipts name the AV but not its session. For ``grace`` rounds after the first bid, a
        receipt may still be about a bid that a former life made, and is not judged.
        """
        self._av_id = av_id
        self._grace = grace
        self._judged_from: int | None = None
        self._bids: dict[int, dict[tuple[int, int], float]] = {}

    def record(self, bid: Bid) -> None:
        """Remember what was bid, by RSU and the RSU's session. Rounds must increase."""
        if self._judged_from is None:
            self._judged_from = bid.round + self._grace
        answered = zip(bid.rsu_ids, bid.sessions, strict=True)
        self._bids[bid.round] = dict(zip(answered, bid.bandwidth, strict=True))
        if len(self._bids) > REMEMBERED_BIDS:
            del self._bids[next(iter(self._bids))]

    def agrees(self, offer: CheckedOffer) -> bool:
        """Whether the receipt in ``offer`` charges this AV nothing but what it bid.

        True as well where that cannot be known.
        """
        round_ = offer.settled_round
        if self._av_id not in offer.settled_av_ids or self._judged_from is None:
            return True
        if round_ < max(self._judged_from, next(iter(self._bids))):
            return True
        charged = offer.settled_bandwidth[offer.settled_av_ids.index(self._av_id)]
        return self._bids.get(round_, {}).get((offer.rsu_id, offer.session)) == charged

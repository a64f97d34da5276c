"""What an RSU has heard: who plays, who has answered the open offer, who is still awaited."""

from __future__ import annotations

from veaat_migration.protocol.config import LeaderConfig
from veaat_migration.protocol.peers import Peer, PeerTable, Persistence
from veaat_migration.protocol.pricing import Answer
from veaat_migration.protocol.reading import CheckedBid
from veaat_migration.protocol.reject import RejectedError, RejectReason
from veaat_migration.protocol.rounds import joining_round, next_round, supported_round


class BidBook:
    """The bids of the open round and the AVs behind them.

    The book is *fresh* until the first bid is accepted: nothing was sold in this life yet. A
    former life may have sold in the same round, so a fresh RSU settles nothing; it joins behind
    the others instead.
    """

    def __init__(self, config: LeaderConfig, rsu_id: int, quality: float) -> None:
        """Open an empty book."""
        self._config = config
        self._rsu_id = rsu_id
        self._quality = quality
        self._session = 0
        self._price = 0.0
        self._avs: PeerTable[CheckedBid] = PeerTable(config)
        self._awaited: set[int] = set()
        """AVs that are expected and have not spoken in the open round or a later one."""
        self._former_round = 0
        """Latest round in which a former life is known to have made an offer."""
        self._furthest = 0
        """Latest round heard of since the open round was opened."""
        self._behind = Persistence()
        self.round = 0
        """Round opened last; 0: none."""
        self.is_open = False
        self.fresh = True
        self.answers: dict[int, Answer] = {}
        """Bids that buy (or could have bought) in the round opened last, by av_id."""
        self.lost = False
        """Whether a fresh RSU is alone in its round; :meth:`begin_again` is due."""

    # Rounds

    def open(self, round_: int, session: int, price: float) -> None:
        """Collect the answers to an offer."""
        self.round = round_
        self.is_open = True
        self._session = session
        self._price = price
        self._behind.over()
        self._furthest = 0
        self.answers = {}
        self._awaited = {i for i in self._avs.expected if self._avs[i].round < round_}

    def offer_quality(self, quality: float) -> None:
        """Another quality is offered from the next round on."""
        self._quality = quality

    def close(self) -> None:
        """Take no more answers for the open round."""
        self.is_open = False
        self._awaited.clear()

    def next_round(self) -> int:
        """The round to open next."""
        heard = [peer.round for peer in self._avs.expected_peers()]
        if not self.fresh:
            return next_round(self.round, heard)
        behind = max(self.round, self._former_round)
        return joining_round(behind, heard, self._config.max_round_lead)

    def begin_again(self) -> None:
        """Forget all rounds, as after a restart. Only for a fresh book."""
        self.close()
        self.round = self._former_round = 0
        self.lost = False
        self._avs.forget_rounds()

    # Whom to wait for

    @property
    def expected(self) -> frozenset[int]:
        """AVs that play."""
        return frozenset(self._avs.expected)

    @property
    def awaits(self) -> bool:
        """Whether an expected AV has not spoken in the open round."""
        return bool(self._awaited)

    def is_complete(self) -> bool:
        """Whether nothing useful is left to wait for in the open round."""
        if not self._awaited:
            return bool(self._avs.expected or self.answers)
        if self.fresh and self._former_round >= self.round:
            return True
        if self._furthest <= self.round + 1:
            return False
        return supported_round(p.round for p in self._avs.expected_peers()) > self.round + 1

    def is_silent(self) -> bool:
        """Whether no expected AV has spoken in the open round or a later one."""
        return not self.answers and all(p.round < self.round for p in self._avs.expected_peers())

    def missing(self) -> list[int]:
        """AVs that play but have made no bid for the open round, ascending."""
        silent = self._avs.expected.difference(self.answers)
        return sorted(i for i in silent if self._avs[i].round != self.round)

    def give_up(self) -> int:
        """Count a missed deadline against every AV still awaited; returns how many."""
        count = len(self._awaited)
        for av_id in self._awaited:
            self._avs.miss(av_id)
        self._awaited &= self._avs.expected
        return count

    # Taking a bid

    def take(self, bid: CheckedBid, now: float) -> bool:
        """Learn from a bid; true if it answers the open round.

        Raises:
            RejectedError: the bid is not accepted. It may have taught something all the same.
        """
        peer = self._avs.admit(bid.av_id, bid.session, now)
        if bid.leaving:
            self._take_leave(bid, peer, now)
            return False
        if not self.round:
            self._note_former_life(bid)
            self._hear(bid, peer)
            return False
        if bid == peer.latest:
            self._check_sync(bid, now)
            raise RejectedError(RejectReason.DUPLICATE)
        answers = self.is_open and bid.round == self.round
        if bid.round == peer.round and not (answers and bid.av_id not in self.answers):
            raise RejectedError(RejectReason.CONFLICTING_DUPLICATE)
        closed = self.round - self.is_open
        if bid.round <= closed:
            if bid.round > peer.round:
                # News from a peer that is alive but behind: wait for it from now on.
                self._hear(bid, peer)
            self._check_sync(bid, now)
            raise RejectedError(
                RejectReason.LATE if bid.round == closed else RejectReason.STALE_ROUND
            )
        if answers:
            self._take_answer(bid, peer)
            return True
        if not self.fresh:
            self._avs.check_lead(peer, bid.round, self.round, now)
        self._note_former_life(bid)
        self._hear(bid, peer)
        return False

    def _take_answer(self, bid: CheckedBid, peer: Peer[CheckedBid]) -> None:
        """Take a bid for the open round; one that leaves us out is an answer, too."""
        if self._rsu_id in bid.rsu_ids:
            column = bid.rsu_ids.index(self._rsu_id)
            answered = (bid.sessions[column], bid.prices[column], bid.qualities[column])
            if answered != (self._session, self._price, self._quality):
                # Nothing is sold, but the AV has spoken: it will not answer this round again.
                self._note_former_life(bid)
                self._hear(bid, peer)
                newer = bid.sessions[column] > self._session
                raise RejectedError(RejectReason.OWN_ID if newer else RejectReason.OFFER_MISMATCH)
            self.answers[bid.av_id] = Answer(bid, column)
            self.fresh = False
        self._hear(bid, peer)

    def _take_leave(self, bid: CheckedBid, peer: Peer[CheckedBid], now: float) -> None:
        """Wait no longer for an AV. What it bid in the open round remains valid."""
        if bid == peer.latest:
            raise RejectedError(RejectReason.DUPLICATE)
        if bid.round < peer.round:
            raise RejectedError(RejectReason.STALE_ROUND)
        self._avs.check_lead(peer, bid.round, max(self.round, peer.round), now)
        peer.take(bid)
        self._avs.drop(bid.av_id)
        self._awaited.discard(bid.av_id)

    def _hear(self, bid: CheckedBid, peer: Peer[CheckedBid]) -> None:
        """Remember a bid and expect its sender, in this round if it has not spoken in it."""
        peer.take(bid)
        self._furthest = max(self._furthest, bid.round)
        self._avs.expect(bid.av_id)
        if self.is_open and bid.round < self.round:
            self._awaited.add(bid.av_id)
        else:
            self._awaited.discard(bid.av_id)
            peer.missed = 0

    def _note_former_life(self, bid: CheckedBid) -> None:
        """Learn from a bid in which rounds a former life made offers."""
        if self.fresh and self._rsu_id in bid.rsu_ids:
            self._former_round = max(self._former_round, bid.round)

    def _check_sync(self, bid: CheckedBid, now: float) -> None:
        """Notice when all others play rounds that a fresh RSU has left behind.

        It may have joined a round that some corrupt bid told. Nothing was settled in it.
        """
        if bid.round >= self.round - 1:
            self._behind.over()
        elif self.fresh and self._behind.again(now) >= self._config.resync_period:
            self.lost = True

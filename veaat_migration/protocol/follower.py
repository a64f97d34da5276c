"""The AV's side of the game as a state machine without I/O or a clock. Rules: docs/protocol.md."""

from __future__ import annotations

from veaat_migration.game.profiles import FollowerProfile
from veaat_migration.policy.interface import FollowerPolicy
from veaat_migration.protocol import bidding
from veaat_migration.protocol.config import FollowerConfig, check_follower, check_session
from veaat_migration.protocol.ledger import Ledger
from veaat_migration.protocol.messages import Bid, OfferLike
from veaat_migration.protocol.peers import Peer, PeerTable, Persistence
from veaat_migration.protocol.reading import CheckedOffer, read_offer
from veaat_migration.protocol.reject import RejectedError, RejectReason
from veaat_migration.protocol.status import PlayerState, PlayerStatus, Role
from veaat_migration.protocol.tally import Tally


class FollowerMachine:
    """One life of an AV: collects the offers of a round, answers all of them with one bid.

    Every method takes ``now``, seconds of a clock that never runs backwards, and returns the
    messages to publish, in this order. Call :meth:`on_timer` at :attr:`next_wakeup`.
    """

    def __init__(
        self,
        config: FollowerConfig,
        profile: FollowerProfile,
        policy: FollowerPolicy,
        *,
        session: int,
    ) -> None:
        """Make a machine; ``session`` must be larger than that of any former life (start time).

        Raises:
            ProtocolConfigError: the session or the profile cannot stand in a message.
        """
        check_follower(profile)
        self._config = config
        self._profile = profile
        self._policy = policy
        self._session = check_session(session)
        self._tally = Tally()
        self._rsus: PeerTable[CheckedOffer] = PeerTable(config)
        self._ledger = Ledger(profile.av_id, config.max_round_lead)
        self._finished = False
        self._closed = False
        """Whether the last RSU has closed."""
        self._gathered = False
        """Whether ``min_rsus`` RSUs have been heard."""
        self._round = 0
        """Latest round answered."""
        self._target = 0
        """Round to be answered next, latest one offered; 0: none."""
        self._rehearsed = 0
        """Latest round that was rehearsed."""
        self._deadline = 0.0
        self._bid: Bid | None = None
        self._moved_at = 0.0
        self._behind = Persistence()
        """Offers for rounds before ours, and none for ours or a later one."""
        self._asked = False
        """Whether an RSU without a history needs to hear in which round we are."""

    # What the node calls

    def start(self, now: float) -> list[Bid]:
        """Begin to listen. Offers that come before are taken, too."""
        self._moved_at = now
        return []

    def on_offer(self, offer: OfferLike, now: float) -> list[Bid]:
        """Take an offer. Never raises, whatever ``offer`` is."""
        try:
            checked = read_offer(offer, price_max=self._config.price_max)
            if self._finished:
                if not checked.closing:
                    self._tally.reject(RejectReason.FINISHED)
                return []
            peer = self._rsus.admit(checked.rsu_id, checked.session, now)
            self._take(checked, peer, now)
        except RejectedError as error:
            self._tally.reject(error.reason)
        else:
            self._tally.accepted += 1
        bids = self._advance(now)
        if self._asked:
            self._asked = False
            bids = bids or self._repeat(now)
        return bids

    def rehearse(self) -> None:
        """Go through an answer without effect while offers of a round are still awaited.

        Once a round, for policies with a method ``rehearse``. Other programs push what an answer
        needs out of the processor's caches between two rounds; getting it back takes longer than
        answering.
        """
        rehearse = getattr(self._policy, "rehearse", None)
        offers = [peer.latest for peer in self._rsus.expected_peers() if peer.latest is not None]
        if rehearse is None or not offers or self._finished or self._target <= self._rehearsed:
            return
        self._rehearsed = self._target
        bidding.observe(self._target, self._profile.av_id, offers)
        rehearse()

    def on_timer(self, now: float) -> list[Bid]:
        """Do what is due; harmless when called early, late or often."""
        if self._finished:
            return []
        bids = self._advance(now)
        if not bids and now >= self._moved_at + self._config.retransmit_period:
            bids = self._repeat(now)
        return bids

    def leave(self, now: float) -> list[Bid]:
        """Leave the game: a leaving bid says goodbye; bids already accepted stay valid."""
        if self._finished:
            return []
        return self._finish(now)

    @property
    def session(self) -> int:
        """Session in which the machine speaks now."""
        return self._session

    @property
    def next_wakeup(self) -> float | None:
        """Time at which :meth:`on_timer` must be called; None: not needed."""
        if self._finished:
            return None
        retransmission = (
            None if self._bid is None else self._moved_at + self._config.retransmit_period
        )
        if not (self._target and self._gathered):
            return retransmission
        return self._deadline if retransmission is None else min(self._deadline, retransmission)

    @property
    def finished(self) -> bool:
        """Whether the machine has left the game for good."""
        return self._finished

    def status(self) -> PlayerStatus:
        """Take a snapshot for NodeStatus."""
        state = PlayerState.WAITING
        if self._finished:
            state = PlayerState.FINISHED
        elif self._gathered and self._rsus.expected:
            state = PlayerState.PLAYING
        return self._tally.status(
            role=Role.FOLLOWER,
            player_id=self._profile.av_id,
            session=self._session,
            state=state,
            round_=self._round,
            policy=self._policy,
            peer_ids=tuple(sorted(self._rsus.expected)),
        )

    # Taking an offer

    def _take(self, offer: CheckedOffer, peer: Peer[CheckedOffer], now: float) -> None:
        """Update what is known by one offer, or raise RejectedError."""
        latest = peer.latest
        if latest is not None and offer.round <= peer.round:
            # An offer may be withdrawn in its own round, and a withdrawal be taken back.
            changed = offer.closing is not latest.closing
            if offer.round < peer.round or not changed:
                self._check_sync(offer, now)
                raise RejectedError(_repetition(offer, latest))
        reference = max(self._round, self._target)
        if reference:
            self._rsus.check_lead(peer, offer.round, reference, now)
        if not self._ledger.agrees(offer):
            self._tally.receipt_mismatches += 1
        peer.take(offer)
        if offer.closing:
            self._take_closing(offer)
            return
        self._rsus.expect(offer.rsu_id)
        self._check_sync(offer, now)
        if offer.round <= self._round:
            late = offer.round == self._round
            raise RejectedError(RejectReason.LATE if late else RejectReason.STALE_ROUND)
        peer.missed = 0
        self._moved_at = now

    def _take_closing(self, offer: CheckedOffer) -> None:
        """Wait no longer for an RSU; the last one that we played with ends the game."""
        played = offer.rsu_id in self._rsus.expected
        self._rsus.drop(offer.rsu_id)
        self._closed = self._config.finish_when_closed and played and not self._rsus.expected

    def _check_sync(self, offer: CheckedOffer, now: float) -> None:
        """Notice RSUs that are behind us, and begin again if all of them stay there.

        A corrupt offer may have led us ahead, or all RSUs have restarted and cannot hear us.
        Beginning again means a new session, as after a restart.
        """
        if offer.round >= self._round or self._target:
            self._behind.over()
            return
        self._asked = offer.settled_round == 0 and not offer.closing
        if self._behind.again(now) >= self._config.resync_period:
            self._session += 1
            self._round = self._rehearsed = 0
            self._bid = None
            self._ledger = Ledger(self._profile.av_id, self._config.max_round_lead)
            self._rsus.forget_rounds()
            self._behind.over()

    # From round to round

    def _advance(self, now: float) -> list[Bid]:
        """Answer the round offered if nothing is left to wait for or the deadline has come."""
        if self._closed:
            return self._finish(now)
        if not self._gathered:
            if len(self._rsus.expected) < self._config.min_rsus:
                return []
            self._gathered = True
        offered = [p.round for p in self._rsus.expected_peers() if p.round > self._round]
        if not offered:
            self._target = 0
            return []
        if not self._target:
            self._deadline = now + self._config.offer_timeout
        self._target = target = max(offered)
        bids = []
        if target - 1 in offered:
            # Some RSU is ahead, and others would wait in vain for the answer to their offers.
            bids.append(self._answer(target - 1, now))
            self._target = target
            self._deadline = now + self._config.offer_timeout
        late = [i for i in self._rsus.expected if self._rsus[i].round < target]
        if late and now < self._deadline:
            return bids
        self._tally.deadline_misses += len(late)
        for rsu_id in late:
            self._rsus.miss(rsu_id)
        bids.append(self._answer(target, now))
        return bids

    def _answer(self, round_: int, now: float) -> Bid:
        """Bid for all offers of ``round_``."""
        offers = []
        for rsu_id in sorted(self._rsus.expected):
            offer = self._rsus[rsu_id].latest
            if offer is not None and offer.round == round_:
                offers.append(offer)
        observation = bidding.observe(round_, self._profile.av_id, offers)
        bandwidth = bidding.decide(
            self._policy, observation, self._profile.bandwidth_max, self._tally
        )
        self._bid = Bid(
            session=self._session,
            round=round_,
            av_id=self._profile.av_id,
            rsu_ids=observation.rsu_ids,
            sessions=tuple([offer.session for offer in offers]),
            prices=tuple([offer.price for offer in offers]),
            qualities=tuple([offer.quality for offer in offers]),
            bandwidth=bandwidth,
        )
        self._ledger.record(self._bid)
        self._tally.rounds_completed += 1
        self._round = round_
        self._target = 0
        self._moved_at = now
        return self._bid

    def _repeat(self, now: float) -> list[Bid]:
        """Send the last bid again."""
        if self._bid is None:
            return []
        self._moved_at = now
        self._tally.retransmissions += 1
        return [self._bid]

    def _finish(self, now: float) -> list[Bid]:
        """Leave for good; say so if anybody can have heard of us."""
        self._finished = True
        self._moved_at = now
        if self._bid is None:
            return []
        return [
            Bid(session=self._session, round=self._round, av_id=self._profile.av_id, leaving=True)
        ]


def _repetition(offer: CheckedOffer, latest: CheckedOffer) -> RejectReason:
    """Why an offer that is not later than the latest one of its sender is rejected."""
    if offer.round < latest.round:
        return RejectReason.STALE_ROUND
    return RejectReason.DUPLICATE if offer == latest else RejectReason.CONFLICTING_DUPLICATE

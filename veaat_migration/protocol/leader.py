"""The RSU's side of the game as a state machine without I/O or a clock. Rules: docs/protocol.md."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import Enum

from veaat_migration.game.profiles import LeaderProfile
from veaat_migration.policy.interface import LeaderPolicy
from veaat_migration.protocol import pricing
from veaat_migration.protocol.config import LeaderConfig, check_leader, check_session
from veaat_migration.protocol.messages import BidLike, Offer, Settlement
from veaat_migration.protocol.peers import Peer, PeerTable
from veaat_migration.protocol.pricing import Answer
from veaat_migration.protocol.reading import CheckedBid, read_bid
from veaat_migration.protocol.reject import RejectedError, RejectReason
from veaat_migration.protocol.rounds import joining_round, next_round, supported_round
from veaat_migration.protocol.status import PlayerState, PlayerStatus, Role
from veaat_migration.protocol.tally import Tally

Output = Offer | Settlement


class _Phase(Enum):
    NEW = "not started"
    LISTENING = "listening before the first offer"
    OPEN = "a round is open: its offer waits for bids"
    PAUSING = "a round is closed, the next offer waits for its tick"
    FINISHED = "left the game"


class LeaderMachine:
    """One life of an RSU: offers a price each round, collects bids, settles.

    Every method takes ``now``, seconds of a clock that never runs backwards, and returns the
    messages to publish, in this order. Call :meth:`on_timer` at :attr:`next_wakeup`.

    A leader is *fresh* until it has accepted its first bid. A fresh leader settles nothing,
    because a former life may have settled the same round; it joins behind the others instead.
    """

    def __init__(
        self, config: LeaderConfig, profile: LeaderProfile, policy: LeaderPolicy, *, session: int
    ) -> None:
        """Make a machine; ``session`` must be larger than that of any former life (start time).

        Raises:
            ProtocolConfigError: the session or the profile cannot stand in a message.
        """
        check_leader(profile)
        self._config = config
        self._profile = profile
        self._policy = policy
        self._session = check_session(session)
        self._tally = Tally()
        self._avs: PeerTable[CheckedBid] = PeerTable(config)
        self._phase = _Phase.NEW
        self._round = 0
        self._offer: Offer | None = None
        self._price: float | None = None
        self._answers: dict[int, Answer] = {}
        self._awaited: set[int] = set()
        """AVs that are expected and have not spoken in the open round or a later one."""
        self._settled: tuple[Offer | None, dict[int, Answer]] = (None, {})
        self._receipt: tuple[int, tuple[int, ...], tuple[float, ...]] = (0, (), ())
        self._fresh = True
        self._former_round = 0
        """Latest round in which a former life is known to have made an offer."""
        self._furthest = 0
        """Latest round heard of since the open round was opened."""
        self._gathered = False
        """Whether ``min_avs`` AVs have been heard."""
        self._opened_at = self._moved_at = self._in_sync_at = 0.0
        self._first_tick = math.nan
        self._tick = 0
        self._wait_until: float | None = None
        """End of listening, deadline of the open round, or next tick, as the phase has it."""

    # What the node calls

    def start(self, now: float) -> list[Output]:
        """Begin: offer the first round, at once or after ``join_listen``."""
        if self._phase is not _Phase.NEW:
            return []
        if self._config.join_listen > 0:
            self._phase = _Phase.LISTENING
            self._wait_until = now + self._config.join_listen
            return []
        return self._open_next(now)

    def on_bid(self, bid: BidLike, now: float) -> list[Output]:
        """Take a bid. Never raises, whatever ``bid`` is."""
        config = self._config
        try:
            checked = read_bid(
                bid, bandwidth_max=config.bandwidth_max, max_length=config.max_peers
            )
            if self._phase is _Phase.FINISHED:
                return self._repeat_goodbye(checked, now)
            peer = self._avs.admit(checked.av_id, checked.session, now)
            self._take(checked, peer, now)
        except RejectedError as error:
            self._tally.reject(error.reason)
        else:
            self._tally.accepted += 1
        return self._advance(now)

    def on_timer(self, now: float) -> list[Output]:
        """Do what is due; harmless when called early, late or often."""
        due = self._wait_until is not None and now >= self._wait_until
        if self._phase in (_Phase.LISTENING, _Phase.PAUSING):
            return self._open_next(now) if due else []
        if self._phase is not _Phase.OPEN:
            return []
        if due:
            outputs = self._give_up_waiting(now)
            if outputs or self._phase is not _Phase.OPEN:
                return outputs
        if now < self._moved_at + self._config.retransmit_period:
            return []
        return self._repeat_offer(now)

    def leave(self, now: float) -> list[Output]:
        """Leave the game: the open round is not settled, a closing offer says goodbye."""
        if self._phase is _Phase.FINISHED:
            return []
        return self._finish(now, self._round + (self._phase is not _Phase.OPEN))

    @property
    def session(self) -> int:
        """Session in which the machine speaks now."""
        return self._session

    @property
    def next_wakeup(self) -> float | None:
        """Time at which :meth:`on_timer` must be called; None: not needed."""
        if self._phase is not _Phase.OPEN:
            return self._wait_until
        retransmission = self._moved_at + self._config.retransmit_period
        if self._wait_until is None:
            return retransmission
        return min(self._wait_until, retransmission)

    @property
    def finished(self) -> bool:
        """Whether the machine has left the game for good."""
        return self._phase is _Phase.FINISHED

    def status(self) -> PlayerStatus:
        """Take a snapshot for NodeStatus."""
        state = PlayerState.WAITING
        if self._phase is _Phase.FINISHED:
            state = PlayerState.FINISHED
        elif self._gathered and self._avs.expected:
            state = PlayerState.PLAYING
        return self._tally.status(
            role=Role.LEADER,
            player_id=self._profile.rsu_id,
            session=self._session,
            state=state,
            round_=self._round,
            policy=self._policy.name,
            peer_ids=tuple(sorted(self._avs.expected)),
        )

    # Taking a bid

    def _take(self, bid: CheckedBid, peer: Peer[CheckedBid], now: float) -> None:
        """Update what is known by one bid, or raise RejectedError."""
        if bid.leaving:
            self._take_leave(bid, peer, now)
            return
        if self._phase in (_Phase.NEW, _Phase.LISTENING):
            self._note_former_life(bid)
            self._hear(bid, peer)
            return
        if bid.round == peer.round and peer.latest is not None:
            self._check_sync(bid, now)
            same = bid == peer.latest
            raise RejectedError(
                RejectReason.DUPLICATE if same else RejectReason.CONFLICTING_DUPLICATE
            )
        closed = self._round - 1 if self._phase is _Phase.OPEN else self._round
        if bid.round <= closed:
            if bid.round > peer.round:
                # News from a peer that is alive but behind: wait for it from now on.
                self._hear(bid, peer)
            self._check_sync(bid, now)
            raise RejectedError(
                RejectReason.LATE if bid.round == closed else RejectReason.STALE_ROUND
            )
        if bid.round == self._round:
            self._take_answer(bid, peer, now)
            return
        if not self._fresh:
            self._avs.check_lead(peer, bid.round, self._round, now)
        self._note_former_life(bid)
        self._hear(bid, peer)

    def _take_answer(self, bid: CheckedBid, peer: Peer[CheckedBid], now: float) -> None:
        """Take a bid for the open round; one that leaves us out is an answer, too."""
        rsu_id = self._profile.rsu_id
        if rsu_id in bid.rsu_ids:
            column = bid.rsu_ids.index(rsu_id)
            session = bid.sessions[column]
            if session > self._session:
                raise RejectedError(RejectReason.OWN_ID)
            if session < self._session and self._fresh:
                # The AV has answered our former life: this round is over for us.
                self._note_former_life(bid)
                self._hear(bid, peer)
                raise RejectedError(RejectReason.OFFER_MISMATCH)
            answered = (session, bid.prices[column], bid.qualities[column])
            if answered != (self._session, self._price, self._profile.quality):
                raise RejectedError(RejectReason.OFFER_MISMATCH)
            self._answers[bid.av_id] = Answer(bid, column)
            self._fresh = False
        self._hear(bid, peer)
        self._moved_at = now

    def _take_leave(self, bid: CheckedBid, peer: Peer[CheckedBid], now: float) -> None:
        """Wait no longer for an AV. What it bid in the open round remains valid."""
        if bid == peer.latest:
            raise RejectedError(RejectReason.DUPLICATE)
        if bid.round < peer.round:
            raise RejectedError(RejectReason.STALE_ROUND)
        self._avs.check_lead(peer, bid.round, max(self._round, peer.round), now)
        peer.take(bid)
        self._avs.drop(bid.av_id)
        self._awaited.discard(bid.av_id)

    def _hear(self, bid: CheckedBid, peer: Peer[CheckedBid]) -> None:
        """Remember a bid and expect its sender, in this round if it has not spoken in it."""
        peer.take(bid)
        self._furthest = max(self._furthest, bid.round)
        self._avs.expect(bid.av_id)
        if self._phase is _Phase.OPEN and bid.round < self._round:
            self._awaited.add(bid.av_id)
        else:
            self._awaited.discard(bid.av_id)
            peer.missed = 0

    def _note_former_life(self, bid: CheckedBid) -> None:
        """Learn from a bid in which rounds a former life made offers."""
        if self._fresh and self._profile.rsu_id in bid.rsu_ids:
            self._former_round = max(self._former_round, bid.round)

    def _check_sync(self, bid: CheckedBid, now: float) -> None:
        """Begin again if a fresh leader is alone in its round while the others play another.

        It may have joined a round that some corrupt bid told. Nothing was settled in it, so
        the leader takes a new session and listens again.
        """
        if bid.round >= self._round - 1:
            self._in_sync_at = now
        elif self._fresh and now - self._in_sync_at >= self._config.resync_period:
            self._session += 1
            self._offer = None
            self._round = self._former_round = 0
            self._awaited.clear()
            self._avs.forget_rounds()
            self._phase = _Phase.LISTENING
            self._wait_until = now + self._config.join_listen

    # From round to round

    def _advance(self, now: float) -> list[Output]:
        """Close the open round if nothing is left to wait for."""
        if self._phase is not _Phase.OPEN:
            return []
        if not self._gathered:
            if len(self._avs.expected) < self._config.min_avs:
                return []
            self._gathered = True
        if not self._awaited and (self._avs.expected or self._answers):
            return self._close(now)
        if self._fresh and self._former_round >= self._round:
            return self._close(now)
        if self._furthest > self._round + 1:
            heard = (peer.round for peer in self._avs.expected_peers())
            if supported_round(heard) > self._round + 1:
                return self._close(now)
        if self._wait_until is None and self._awaited:
            self._wait_until = now + self._config.round_timeout
        return []

    def _give_up_waiting(self, now: float) -> list[Output]:
        """Act on the deadline of the open round."""
        late = sorted(self._awaited)
        self._tally.deadline_misses += len(late)
        if self._answers or any(p.round >= self._round for p in self._avs.expected_peers()):
            return self._close(now, late)
        # Nobody spoke: an empty round would help nobody. The offer stays open.
        for av_id in late:
            self._avs.miss(av_id)
        self._awaited &= self._avs.expected
        self._wait_until = now + self._config.round_timeout if self._awaited else None
        return []

    def _close(self, now: float, late: Iterable[int] = ()) -> list[Output]:
        """Settle the open round and go on. The offer is on the critical path: it comes first."""
        answers = dict(sorted(self._answers.items()))
        missing = sorted(
            av_id
            for av_id in self._avs.expected.difference(answers)
            if self._avs[av_id].round != self._round
        )
        for av_id in late:
            self._avs.miss(av_id)
        if self._fresh:
            return self._proceed(now)
        offer = self._offer
        assert offer is not None
        bought = tuple([answer.bandwidth for answer in answers.values()])
        self._receipt = (offer.round, tuple(answers), bought)
        self._settled = (offer, answers)
        self._tally.rounds_completed += 1
        duration = now - self._opened_at
        outputs = self._proceed(now)
        outputs.append(pricing.settle(offer, answers, missing, duration))
        return outputs

    def _proceed(self, now: float) -> list[Output]:
        """Offer the next round, at once or at the next tick, or finish after the last."""
        period = self._config.round_period
        if period == 0 or self._is_over(self._next_round()):
            return self._open_next(now)
        # Ticks keep to a grid from the first offer on, so that no delay adds up.
        passed = math.floor((now - self._first_tick) / period)
        self._tick = max(self._tick, passed) + 1
        self._phase = _Phase.PAUSING
        self._wait_until = self._first_tick + self._tick * period
        return []

    def _next_round(self) -> int:
        heard = [peer.round for peer in self._avs.expected_peers()]
        if not self._fresh:
            return next_round(self._round, heard)
        behind = max(self._round, self._former_round)
        return joining_round(behind, heard, self._config.max_round_lead)

    def _is_over(self, round_: int) -> bool:
        return 0 < self._config.rounds < round_

    def _open_next(self, now: float) -> list[Output]:
        """Offer the next round."""
        round_ = self._next_round()
        if self._is_over(round_):
            return self._finish(now, round_)
        observation = pricing.observe(round_, self._profile.rsu_id, *self._settled)
        self._price = pricing.decide(
            self._policy, observation, self._profile, self._price, self._tally
        )
        self._phase = _Phase.OPEN
        self._round = round_
        self._offer = self._make_offer(round_)
        self._opened_at = self._moved_at = self._in_sync_at = now
        if math.isnan(self._first_tick):
            self._first_tick = now
        self._furthest = 0
        self._answers = {}
        self._awaited = {i for i in self._avs.expected if self._avs[i].round < round_}
        waits = self._gathered and self._awaited
        self._wait_until = now + self._config.round_timeout if waits else None
        return [self._offer]

    def _make_offer(self, round_: int, *, closing: bool = False) -> Offer:
        settled_round, av_ids, bandwidth = self._receipt
        return Offer(
            session=self._session,
            round=round_,
            rsu_id=self._profile.rsu_id,
            price=self._profile.price_max if self._price is None else self._price,
            quality=self._profile.quality,
            closing=closing,
            settled_round=settled_round,
            settled_av_ids=av_ids,
            settled_bandwidth=bandwidth,
        )

    def _finish(self, now: float, round_: int) -> list[Output]:
        """Leave for good; say so if anybody can have heard of us."""
        spoke = self._offer is not None
        self._phase = _Phase.FINISHED
        self._wait_until = None
        self._moved_at = now
        self._offer = self._make_offer(round_, closing=True) if spoke else None
        return [] if self._offer is None else [self._offer]

    def _repeat_goodbye(self, bid: CheckedBid, now: float) -> list[Output]:
        """Tell an AV that still bids what it has missed."""
        self._tally.reject(RejectReason.FINISHED)
        due = now >= self._moved_at + self._config.retransmit_period
        return self._repeat_offer(now) if due and not bid.leaving else []

    def _repeat_offer(self, now: float) -> list[Output]:
        if self._offer is None:
            return []
        self._moved_at = now
        self._tally.retransmissions += 1
        return [self._offer]

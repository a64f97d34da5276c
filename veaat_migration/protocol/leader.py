"""The RSU's side of the game as a state machine without I/O or a clock. Rules: docs/protocol.md."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from veaat_migration.game.profiles import LeaderProfile
from veaat_migration.policy.interface import LeaderPolicy
from veaat_migration.protocol import pricing
from veaat_migration.protocol.bid_book import BidBook
from veaat_migration.protocol.config import (
    LeaderConfig,
    ProtocolConfigError,
    check_leader,
    check_session,
)
from veaat_migration.protocol.messages import BidLike, Offer, Settlement
from veaat_migration.protocol.pricing import Answer
from veaat_migration.protocol.reading import read_bid
from veaat_migration.protocol.reject import RejectedError, RejectReason
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
    """

    def __init__(
        self,
        config: LeaderConfig,
        profile: LeaderProfile,
        policy: LeaderPolicy,
        *,
        session: int,
        on_quality: Callable[[float], None] | None = None,
    ) -> None:
        """Make a machine.

        Args:
            config: settings.
            profile: the RSU's private data.
            policy: decides the price.
            session: larger than that of any former life (start time).
            on_quality: told another quality (:meth:`offer_quality`) just before the policy is
                asked for the price that goes with it.

        Raises:
            ProtocolConfigError: the session or the profile cannot stand in a message.
        """
        check_leader(profile)
        self._config = config
        self._profile = profile
        self._policy = policy
        self._on_quality = on_quality
        self._session = check_session(session)
        self._tally = Tally()
        self._quality = profile.quality
        """For the next round."""
        self._book = BidBook(config, profile.rsu_id, profile.quality)
        self._phase = _Phase.NEW
        self._price: float | None = None
        self._offer: Offer | None = None
        self._settled: tuple[Offer | None, dict[int, Answer]] = (None, {})
        """The offer settled last and its answers."""
        self._gathered = False
        """Whether ``min_avs`` AVs have been heard."""
        self._opened_at = self._moved_at = 0.0
        self._first_tick = math.nan
        self._tick = 0
        self._wait_until: float | None = None
        """End of listening, deadline of the open round, or next tick, as the phase has it."""

    def start(self, now: float) -> list[Output]:
        """Begin: offer the first round, at once or after ``join_listen``."""
        if self._phase is not _Phase.NEW:
            return []
        if self._config.join_listen == 0:
            return self._open_next(now)
        self._listen(now)
        return []

    def on_bid(self, bid: BidLike, now: float) -> list[Output]:
        """Take a bid. Never raises, whatever ``bid`` is."""
        try:
            checked = read_bid(bid, bandwidth_max=self._config.bandwidth_max)
            if self._phase is _Phase.FINISHED:
                return [] if checked.leaving else self._repeat_goodbye(now)
            if self._book.take(checked, now):
                self._moved_at = now
        except RejectedError as error:
            self._tally.reject(error.reason)
        else:
            self._tally.accepted += 1
        return self._advance(now)

    def on_timer(self, now: float) -> list[Output]:
        """Do what is due; harmless when called early, late or often."""
        due = self._wait_until is not None and now >= self._wait_until
        if self._phase is _Phase.LISTENING or self._phase is _Phase.PAUSING:
            return self._open_next(now) if due else []
        if self._phase is not _Phase.OPEN:
            return []
        if due:
            outputs = self._give_up_waiting(now)
            if outputs or self._phase is not _Phase.OPEN:
                return outputs
        return self._repeat_offer(now)

    def offer_quality(self, quality: float) -> bool:
        """Offer another quality from the next round on; False: it cannot stand in a message."""
        try:
            check_leader(replace(self._profile, quality=quality))
        except ProtocolConfigError:
            return False
        self._quality = quality
        return True

    def leave(self, now: float) -> list[Output]:
        """Leave the game: the open round is not settled, a closing offer says goodbye."""
        if self._phase is _Phase.FINISHED:
            return []
        return self._finish(now, self._book.round + (self._phase is not _Phase.OPEN))

    @property
    def session(self) -> int:
        """Session in which the machine speaks now."""
        return self._session

    @property
    def next_wakeup(self) -> float | None:
        """Time at which :meth:`on_timer` must be called; None: not needed."""
        if self._phase is not _Phase.OPEN:
            return self._wait_until
        repetition = self._moved_at + self._config.retransmit_period
        return repetition if self._wait_until is None else min(self._wait_until, repetition)

    @property
    def finished(self) -> bool:
        """Whether the machine has left the game for good."""
        return self._phase is _Phase.FINISHED

    def status(self) -> PlayerStatus:
        """Take a snapshot for NodeStatus."""
        state = PlayerState.WAITING
        if self._phase is _Phase.FINISHED:
            state = PlayerState.FINISHED
        elif self._gathered and self._book.expected:
            state = PlayerState.PLAYING
        return self._tally.status(
            role=Role.LEADER,
            player_id=self._profile.rsu_id,
            session=self._session,
            state=state,
            round_=self._book.round,
            policy=self._policy,
            peer_ids=tuple(sorted(self._book.expected)),
        )

    def _listen(self, now: float) -> None:
        self._phase = _Phase.LISTENING
        self._wait_until = now + self._config.join_listen

    def _advance(self, now: float) -> list[Output]:
        """Close the open round if nothing is left to wait for."""
        if self._phase is not _Phase.OPEN:
            return []
        book = self._book
        if book.lost:
            book.begin_again()
            self._session += 1
            self._offer = None
            self._listen(now)
            return []
        if not self._gathered:
            if len(book.expected) < self._config.min_avs:
                return []
            self._gathered = True
        if book.is_complete():
            return self._close(now)
        if self._wait_until is None and book.awaits:
            self._wait_until = now + self._config.round_timeout
        return []

    def _give_up_waiting(self, now: float) -> list[Output]:
        """Act on the deadline of the open round."""
        if not self._book.is_silent():
            return self._close(now)
        # Nobody spoke: an empty round would help nobody. The offer stays open.
        self._tally.deadline_misses += self._book.give_up()
        self._wait_until = now + self._config.round_timeout if self._book.awaits else None
        return []

    def _close(self, now: float) -> list[Output]:
        """Settle the open round and go on. The offer is on the critical path: it comes first."""
        book, offer = self._book, self._offer
        assert offer is not None
        missing = book.missing()
        if self._wait_until is not None and now >= self._wait_until:
            self._tally.deadline_misses += book.give_up()
        book.close()
        if book.fresh:
            return self._proceed(now)
        answers = dict(sorted(book.answers.items()))
        self._settled = (offer, answers)
        self._tally.rounds_completed += 1
        duration = now - self._opened_at
        outputs = self._proceed(now)
        outputs.append(pricing.settle(offer, answers, missing, duration))
        return outputs

    def _proceed(self, now: float) -> list[Output]:
        """Offer the next round, at once or at the next tick, or finish after the last."""
        period = self._config.round_period
        if period == 0 or self._is_over(self._book.next_round()):
            return self._open_next(now)
        # Ticks keep to a grid from the first offer on, so that no delay adds up.
        self._tick = max(self._tick + 1, math.ceil((now - self._first_tick) / period))
        tick = self._first_tick + self._tick * period
        if tick <= now:
            return self._open_next(now)
        self._phase = _Phase.PAUSING
        self._wait_until = tick
        return []

    def _is_over(self, round_: int) -> bool:
        return 0 < self._config.rounds < round_

    def _open_next(self, now: float) -> list[Output]:
        """Offer the next round."""
        round_ = self._book.next_round()
        if self._is_over(round_):
            return self._finish(now, round_)
        self._take_quality()
        observation = pricing.observe(round_, self._profile.rsu_id, *self._settled)
        self._price = pricing.decide(
            self._policy, observation, self._profile, self._price, self._tally
        )
        self._phase = _Phase.OPEN
        self._offer = self._make_offer(round_)
        self._opened_at = self._moved_at = now
        if math.isnan(self._first_tick):
            self._first_tick = now
        self._book.open(round_, self._session, self._price)
        waits = self._gathered and self._book.awaits
        self._wait_until = now + self._config.round_timeout if waits else None
        return [self._offer]

    def _take_quality(self) -> None:
        """Offer the quality that was set from here on."""
        if self._quality == self._profile.quality:
            return
        self._profile = replace(self._profile, quality=self._quality)
        self._book.offer_quality(self._quality)
        if self._on_quality is not None:
            self._on_quality(self._quality)

    def _make_offer(self, round_: int, *, closing: bool = False) -> Offer:
        settled, answers = self._settled
        return Offer(
            session=self._session,
            round=round_,
            rsu_id=self._profile.rsu_id,
            price=self._profile.price_max if self._price is None else self._price,
            quality=self._profile.quality,
            closing=closing,
            settled_round=0 if settled is None else settled.round,
            settled_av_ids=tuple(answers),
            settled_bandwidth=tuple([answer.bandwidth for answer in answers.values()]),
        )

    def _finish(self, now: float, round_: int) -> list[Output]:
        """Leave for good; say so if anybody can have heard of us."""
        spoke = self._offer is not None
        self._phase = _Phase.FINISHED
        self._wait_until = None
        self._moved_at = now
        self._offer = self._make_offer(round_, closing=True) if spoke else None
        return [] if self._offer is None else [self._offer]

    def _repeat_goodbye(self, now: float) -> list[Output]:
        """Tell an AV that still bids what it has missed."""
        self._tally.reject(RejectReason.FINISHED)
        return self._repeat_offer(now)

    def _repeat_offer(self, now: float) -> list[Output]:
        """Send the last offer again if nothing has moved for a while."""
        if self._offer is None or now < self._moved_at + self._config.retransmit_period:
            return []
        self._moved_at = now
        self._tally.retransmissions += 1
        return [self._offer]

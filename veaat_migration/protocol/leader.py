"""The RSU's side of the game as a state machine without I/O or a clock."""

from __future__ import annotations

from veaat_migration.game.profiles import LeaderProfile
from veaat_migration.policy.interface import LeaderPolicy
from veaat_migration.protocol.config import LeaderConfig
from veaat_migration.protocol.messages import BidLike, Offer, Settlement
from veaat_migration.protocol.status import PlayerStatus


class LeaderMachine:
    """One life of an RSU: offers a price each round, collects bids, settles.

    Every method takes ``now``, seconds of a clock that never runs backwards, and returns the
    messages to publish, in this order. Call :meth:`on_timer` at :attr:`next_wakeup`.
    """

    def __init__(
        self, config: LeaderConfig, profile: LeaderProfile, policy: LeaderPolicy, *, session: int
    ) -> None:
        """Make a machine; ``session`` must be larger than that of any former life (start time)."""
        raise NotImplementedError

    def start(self, now: float) -> list[Offer | Settlement]:
        """Begin: offer the first round, at once or after ``join_listen``."""
        raise NotImplementedError

    def on_bid(self, bid: BidLike, now: float) -> list[Offer | Settlement]:
        """Take a bid. Never raises, whatever ``bid`` is."""
        raise NotImplementedError

    def on_timer(self, now: float) -> list[Offer | Settlement]:
        """Do what is due; harmless when called early, late or often."""
        raise NotImplementedError

    def leave(self, now: float) -> list[Offer | Settlement]:
        """Leave the game: the open round is not settled, a closing offer says goodbye."""
        raise NotImplementedError

    @property
    def session(self) -> int:
        """Session in which the machine speaks now."""
        raise NotImplementedError

    @property
    def next_wakeup(self) -> float | None:
        """Time at which :meth:`on_timer` must be called; None: not needed."""
        raise NotImplementedError

    @property
    def finished(self) -> bool:
        """Whether the machine has left the game for good."""
        raise NotImplementedError

    def status(self) -> PlayerStatus:
        """A snapshot for NodeStatus."""
        raise NotImplementedError

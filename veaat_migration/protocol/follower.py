"""The AV's side of the game as a state machine without I/O or a clock."""

from __future__ import annotations

from veaat_migration.game.profiles import FollowerProfile
from veaat_migration.policy.interface import FollowerPolicy
from veaat_migration.protocol.config import FollowerConfig
from veaat_migration.protocol.messages import Bid, OfferLike
from veaat_migration.protocol.status import PlayerStatus


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
        """Make a machine; ``session`` must be larger than that of any former life (start time)."""
        raise NotImplementedError

    def start(self, now: float) -> list[Bid]:
        """Begin to listen."""
        raise NotImplementedError

    def on_offer(self, offer: OfferLike, now: float) -> list[Bid]:
        """Take an offer. Never raises, whatever ``offer`` is."""
        raise NotImplementedError

    def on_timer(self, now: float) -> list[Bid]:
        """Do what is due; harmless when called early, late or often."""
        raise NotImplementedError

    def leave(self, now: float) -> list[Bid]:
        """Leave the game: a leaving bid says goodbye; bids already accepted stay valid."""
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

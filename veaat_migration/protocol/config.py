"""How the machines keep time and whom they talk to: validated settings of leader and follower."""

from __future__ import annotations

import math
from dataclasses import dataclass

from veaat_migration.errors import VeaatError
from veaat_migration.game.profiles import FollowerProfile, LeaderProfile
from veaat_migration.protocol.reading import LARGEST, MAX_ID, SMALLEST


class ProtocolConfigError(VeaatError, ValueError):
    """A setting of the protocol has no meaning; the message names it and says what it must be."""


def _require(condition: bool, name: str, rule: str, value: object) -> None:
    if not condition:
        raise ProtocolConfigError(f"{name}: must be {rule}, got {value!r}")


def _positive(name: str, value: float) -> None:
    _require(math.isfinite(value) and value > 0, name, "> 0 and finite", value)


@dataclass(frozen=True)
class PeerConfig:
    """What leaders and followers have in common. Times in seconds."""

    retransmit_period: float = 0.25
    """The last own message is sent again when nothing moved for this long [s]."""
    max_missed_rounds: int = 2
    """A peer that misses this many deadlines in a row is no longer waited for."""
    resync_period: float = 1.0
    """A peer that contradicts what we believe (a far round, an older session) is believed when
    it insists for this long and nothing else speaks against it [s]."""
    max_round_lead: int = 64
    """A round further ahead than this is rejected until the sender insists."""
    peer_ids: tuple[int, ...] = ()
    """Ids of the other role that may take part; empty: all."""
    max_peers: int = 4096
    """Most peers remembered; active ones are never forgotten for a new one."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ProtocolConfigError: a setting is out of range.
        """
        _positive("retransmit_period", self.retransmit_period)
        _positive("resync_period", self.resync_period)
        _require(self.max_missed_rounds >= 1, "max_missed_rounds", ">= 1", self.max_missed_rounds)
        _require(self.max_round_lead >= 1, "max_round_lead", ">= 1", self.max_round_lead)
        _require(self.max_peers >= 1, "max_peers", ">= 1", self.max_peers)
        object.__setattr__(self, "peer_ids", tuple(sorted(set(self.peer_ids))))
        _require(all(p >= 1 for p in self.peer_ids), "peer_ids", "ids >= 1", self.peer_ids)
        _require(
            len(self.peer_ids) <= self.max_peers,
            "peer_ids",
            f"at most max_peers = {self.max_peers} ids",
            len(self.peer_ids),
        )


@dataclass(frozen=True)
class LeaderConfig(PeerConfig):
    """Settings of an RSU's machine. Times in seconds."""

    rounds: int = 0
    """Rounds to play; the machine closes after settling this round. 0: endless."""
    round_period: float = 0.0
    """Time between two offers [s]; 0: the next offer follows as soon as a round is settled."""
    round_timeout: float = 1.0
    """Time after an offer at which missing bids are given up [s]; choose it at least twice the
    followers' ``offer_timeout``, which they may spend waiting for another RSU."""
    join_listen: float = 0.5
    """Time to listen before the first offer [s], so that a restarted RSU joins the running round
    instead of opening one that its former life has already settled. 0: offer at once."""
    min_avs: int = 1
    """The first round stays open until this many AVs were heard."""
    bandwidth_max: float = math.inf
    """A bid above this is rejected [MHz]."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ProtocolConfigError: a setting is out of range.
        """
        super().__post_init__()
        _require(self.rounds >= 0, "rounds", ">= 0", self.rounds)
        for name in ("round_period", "join_listen"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value >= 0, name, ">= 0 and finite", value)
        _positive("round_timeout", self.round_timeout)
        _require(
            1 <= self.min_avs <= self.max_peers,
            "min_avs",
            f"between 1 and max_peers = {self.max_peers}",
            self.min_avs,
        )
        _require(
            not self.peer_ids or self.min_avs <= len(self.peer_ids),
            "min_avs",
            f"at most the number of peer_ids ({len(self.peer_ids)})",
            self.min_avs,
        )
        _require(self.bandwidth_max > 0, "bandwidth_max", "> 0", self.bandwidth_max)


@dataclass(frozen=True)
class FollowerConfig(PeerConfig):
    """Settings of an AV's machine. Times in seconds."""

    offer_timeout: float = 0.5
    """Time after the first offer of a round at which missing offers are given up [s]."""
    min_rsus: int = 1
    """No bid is made until this many RSUs were heard."""
    price_max: float = math.inf
    """An offer above this price is rejected [money/MHz]."""
    finish_when_closed: bool = True
    """Finish when the last RSU closes; false: wait for another one (a vehicle drives on)."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ProtocolConfigError: a setting is out of range.
        """
        super().__post_init__()
        _positive("offer_timeout", self.offer_timeout)
        _require(
            1 <= self.min_rsus <= self.max_peers,
            "min_rsus",
            f"between 1 and max_peers = {self.max_peers}",
            self.min_rsus,
        )
        _require(
            not self.peer_ids or self.min_rsus <= len(self.peer_ids),
            "min_rsus",
            f"at most the number of peer_ids ({len(self.peer_ids)})",
            self.min_rsus,
        )
        _require(self.price_max > 0, "price_max", "> 0", self.price_max)


def check_session(session: int) -> int:
    """Return ``session`` if it can stand in a message.

    Raises:
        ProtocolConfigError: not between 1 and 2^63, which leaves room to count on.
    """
    _require(1 <= session <= 2**63, "session", "between 1 and 2^63", session)
    return session


def check_leader(profile: LeaderProfile) -> None:
    """Check that followers can accept what an RSU with this profile offers.

    Raises:
        ProtocolConfigError: id, quality or highest price are out of the protocol's range.
    """
    _require(1 <= profile.rsu_id <= MAX_ID, "rsu_id", f"between 1 and {MAX_ID}", profile.rsu_id)
    for name in ("quality", "price_max"):
        value = getattr(profile, name)
        _require(SMALLEST <= value <= LARGEST, name, f"in [{SMALLEST}, {LARGEST}]", value)
    _require(
        profile.price_min <= profile.price_max,
        "price_max",
        f"at least the unit cost ({profile.price_min:g})",
        profile.price_max,
    )


def check_follower(profile: FollowerProfile) -> None:
    """Check that an AV with this profile can make a bid.

    Raises:
        ProtocolConfigError: id or highest bandwidth are out of the protocol's range.
    """
    _require(1 <= profile.av_id <= MAX_ID, "av_id", f"between 1 and {MAX_ID}", profile.av_id)
    limit = profile.bandwidth_max
    _require(0 < limit <= LARGEST, "bandwidth_max", f"in (0, {LARGEST}]", limit)

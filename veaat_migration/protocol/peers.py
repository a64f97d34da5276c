"""The players of the other role: who is waited for, and whom to believe.

A peer is known by its id and the session of its present life. What contradicts our knowledge -
a round far ahead, a session older than the one we know - is rejected at first, but believed when
the peer insists for ``resync_period`` and says nothing else meanwhile. So one corrupt message
changes nothing, and neither a long pause nor a corrupt session that got in lasts for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from veaat_migration.protocol.config import PeerConfig
from veaat_migration.protocol.reading import CheckedBid, CheckedOffer
from veaat_migration.protocol.reject import RejectedError, RejectReason

M = TypeVar("M", CheckedOffer, CheckedBid)


class Persistence:
    """Tells whether something unlikely keeps happening and nothing speaks against it."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self._since: float | None = None

    def again(self, now: float) -> float:
        """Note that it happens; returns for how long it has [s]."""
        if self._since is None:
            self._since = now
        return now - self._since

    def over(self) -> None:
        """Note that something speaks against it."""
        self._since = None


class Peer(Generic[M]):
    """What is known of one life of one peer."""

    __slots__ = ("_far", "_far_round", "_older", "latest", "missed", "round", "session")

    def __init__(self, session: int) -> None:
        """Begin to know a peer."""
        self.session = session
        self.latest: M | None = None
        self.round = 0
        """Latest round it spoke in."""
        self.missed = 0
        """Deadlines missed in a row."""
        self._far = Persistence()
        self._far_round = 0
        self._older = Persistence()

    def take(self, message: M) -> None:
        """Remember ``message`` as the latest."""
        self.latest = message
        self.round = message.round
        self._far.over()

    def insists_on_round(self, round_: int, now: float, config: PeerConfig) -> bool:
        """Note a round far ahead; true when the peer has kept to it long enough."""
        if not self._far_round <= round_ <= self._far_round + config.max_round_lead:
            self._far.over()
        self._far_round = round_
        return self._far.again(now) >= config.resync_period

    def insists_on_older_session(self, now: float, config: PeerConfig) -> bool:
        """Note a message of an older session; true when nothing else came for long enough."""
        return self._older.again(now) >= config.resync_period

    def heard(self) -> None:
        """Note a message of the present session."""
        self._older.over()


class PeerTable(Generic[M]):
    """All peers known, and the set of those that are expected to answer."""

    def __init__(self, config: PeerConfig) -> None:
        """Make an empty table; ``config.peer_ids`` and ``max_peers`` limit who gets in."""
        self._config = config
        self._allowed = frozenset(config.peer_ids)
        self._peers: dict[int, Peer[M]] = {}
        self.expected: set[int] = set()
        """Ids of the peers that are waited for."""

    def __getitem__(self, peer_id: int) -> Peer[M]:
        """The peer with this id."""
        return self._peers[peer_id]

    def __len__(self) -> int:
        """Number of peers remembered."""
        return len(self._peers)

    def expected_peers(self) -> Iterator[Peer[M]]:
        """The peers that are waited for, in no order."""
        peers = self._peers
        return (peers[i] for i in self.expected)

    def admit(self, peer_id: int, session: int, now: float) -> Peer[M]:
        """The sender of a message; a larger session replaces what was known of the id.

        Raises:
            RejectedError: unknown id, too many peers, or a session that has ended.
        """
        peer = self._peers.get(peer_id)
        if peer is not None and peer.session == session:
            peer.heard()
            return peer
        if peer is None:
            self._make_room(peer_id)
        elif session < peer.session and not peer.insists_on_older_session(now, self._config):
            raise RejectedError(RejectReason.STALE_SESSION)
        peer = Peer(session)
        self._peers[peer_id] = peer
        return peer

    def check_lead(self, peer: Peer[M], round_: int, reference: int, now: float) -> None:
        """Let a round pass that is at most ``max_round_lead`` ahead, or insisted on.

        Raises:
            RejectedError: a round too far ahead.
        """
        if round_ - reference > self._config.max_round_lead and not peer.insists_on_round(
            round_, now, self._config
        ):
            raise RejectedError(RejectReason.FUTURE_ROUND)

    def expect(self, peer_id: int) -> None:
        """Wait for this peer from now on."""
        self.expected.add(peer_id)

    def drop(self, peer_id: int) -> None:
        """Wait no longer for this peer; it remains known."""
        self.expected.discard(peer_id)
        self._peers[peer_id].missed = 0

    def miss(self, peer_id: int) -> None:
        """Count a missed deadline; the last of ``max_missed_rounds`` in a row drops the peer."""
        peer = self._peers[peer_id]
        peer.missed += 1
        if peer.missed >= self._config.max_missed_rounds:
            self.drop(peer_id)

    def forget_rounds(self) -> None:
        """Keep the lives that are known, forget what they said and whom we waited for."""
        self._peers = {i: Peer(peer.session) for i, peer in self._peers.items()}
        self.expected.clear()

    def _make_room(self, peer_id: int) -> None:
        """Check that a new id may enter; forget the oldest peer not waited for if need be."""
        if self._allowed and peer_id not in self._allowed:
            raise RejectedError(RejectReason.UNKNOWN_ID)
        if len(self._peers) >= self._config.max_peers:
            oldest = next((i for i in self._peers if i not in self.expected), None)
            if oldest is None:
                raise RejectedError(RejectReason.TOO_MANY_PEERS)
            del self._peers[oldest]

"""Why an incoming message is not accepted."""

from __future__ import annotations

from enum import Enum


class RejectReason(str, Enum):
    """Reason for which a message was rejected; the value is what NodeStatus reports."""

    DUPLICATE = "duplicate"
    """Same content as a message already taken; harmless, a retransmission."""
    CONFLICTING_DUPLICATE = "conflicting_duplicate"
    """Another content for a round that this sender has already spoken in."""
    LATE = "late"
    """For the round that was closed last: it came after the deadline."""
    STALE_ROUND = "stale_round"
    """For an older round."""
    FUTURE_ROUND = "future_round"
    """For a round further ahead than ``max_round_lead``, and the sender does not insist yet."""
    STALE_SESSION = "stale_session"
    """From a former life of a sender that has restarted since."""
    UNKNOWN_ID = "unknown_id"
    """The sender is not among the configured ``peer_ids``."""
    TOO_MANY_PEERS = "too_many_peers"
    """``max_peers`` peers are active already."""
    MALFORMED = "malformed"
    """Missing fields, wrong types, wrong lengths, ids not ascending or out of range."""
    NOT_FINITE = "not_finite"
    """NaN or infinity."""
    OUT_OF_RANGE = "out_of_range"
    """A price or quality that is not positive, a negative bandwidth, or above the maximum."""
    OFFER_MISMATCH = "offer_mismatch"
    """A bid answers an offer that this life of the RSU did not make."""
    OWN_ID = "own_id"
    """A bid answers a newer life of this RSU: another node uses its id."""
    FINISHED = "finished"
    """The receiver has left the game."""


class RejectedError(Exception):
    """Raised inside the protocol layer to leave the handling of one message; never gets out."""

    def __init__(self, reason: RejectReason) -> None:
        """Remember ``reason``."""
        super().__init__(reason.value)
        self.reason = reason

"""Where a migration stands, why one failed, and what an RSU holds of a twin."""

from __future__ import annotations

from enum import IntEnum


class Phase(IntEnum):
    """Progress of a migration as the AV sees it; it only grows, but for a new try."""

    IDLE = 0
    REQUESTED = 1
    """The AV has asked; its connected RSU has not answered yet."""
    NEGOTIATING = 2
    """The game among the RSUs in range decides target and bandwidth."""
    TRANSFERRING = 3
    QUEUED = 4
    """All bytes have arrived and were checked; other work at the target comes first."""
    REINSTANTIATING = 5
    CONNECTED = 6
    """The target owns the twin and has told the AV so."""


class ErrorCode(IntEnum):
    """Why a migration ended without the target owning the twin."""

    NONE = 0
    NO_RSU_IN_RANGE = 1
    DEADLINE_INFEASIBLE = 2
    """No offer would meet the tolerated delay, or no bandwidth was bought."""
    TARGET_REFUSED = 3
    TRANSFER_BROKEN = 4
    """The bytes did not get through, or arrived damaged again and again."""
    TARGET_DIED = 5
    """The target stopped answering."""
    SOURCE_DIED = 6
    """The RSU that owns the twin stopped answering; the twin itself is recovered apart from it."""
    SUPERSEDED = 7
    """A later migration of the same AV took its place."""
    CANCELED = 8


class CopyKind(IntEnum):
    """What a copy of a twin at an RSU is good for."""

    NONE = 0
    RECEIVING = 1
    """On its way here; bytes are missing."""
    COMPLETE = 2
    """All bytes are here, as they were when the transfer began."""
    PREPARED = 3
    """Complete, with the last state from the source, which has stopped for good or until told."""
    OWNER = 4
    """This RSU is the owner; it acts while it has the AV's lease."""
    FROZEN = 5
    """Owner that has handed its last state to a target and waits for the AV's word."""
    BACKUP = 6
    """Of the previous owner: acts only if the AV says so after the owner's copy was lost."""

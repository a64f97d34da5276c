"""What a machine tells about itself; mirrors ``NodeStatus.msg``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from veaat_migration.policy.interface import PolicyReport


class Role(IntEnum):
    """Values of ``NodeStatus.role``."""

    LEADER = 1
    FOLLOWER = 2


class PlayerState(IntEnum):
    """Values of ``NodeStatus.state``."""

    WAITING = 1
    """Not enough players heard yet, or all of them lost."""
    PLAYING = 2
    FINISHED = 3


@dataclass(frozen=True)
class PlayerStatus:
    """A snapshot of one player. Counters count since the machine was made."""

    role: Role
    player_id: int
    session: int
    state: PlayerState
    round: int
    """Round that is open (leader) or was answered last (follower); 0: none yet."""
    rounds_completed: int
    """Rounds settled (leader) or bid in (follower)."""
    policy: str
    peer_ids: tuple[int, ...]
    """Peers that are waited for, ascending."""
    messages_accepted: int
    deadline_misses: int
    retransmissions: int
    rejections: Mapping[str, int]
    """Rejected messages by reason; reasons that did not occur are absent."""
    policy_errors: int
    """Decisions that the policy failed to make (exception, wrong shape, not finite)."""
    last_policy_error: str
    """What went wrong in the last of them; empty: nothing yet."""
    receipt_mismatches: int = 0
    """Followers: receipts that charge a bid not made, or another amount than was bid."""
    learned: PolicyReport = field(default_factory=PolicyReport)
    """What a learned policy tells about itself."""

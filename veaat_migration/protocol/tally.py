"""What a machine counts, and the status made of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from veaat_migration.policy.interface import FollowerPolicy, LeaderPolicy, report_of
from veaat_migration.protocol.reject import RejectReason
from veaat_migration.protocol.status import PlayerState, PlayerStatus, Role


@dataclass(slots=True)
class Tally:
    """The counters of one machine since it was made."""

    rounds_completed: int = 0
    accepted: int = 0
    deadline_misses: int = 0
    retransmissions: int = 0
    policy_errors: int = 0
    last_policy_error: str = ""
    receipt_mismatches: int = 0
    rejections: dict[RejectReason, int] = field(default_factory=dict)

    def reject(self, reason: RejectReason) -> None:
        """Count a rejected message."""
        self.rejections[reason] = self.rejections.get(reason, 0) + 1

    def policy_failed(self, error: Exception) -> None:
        """Count a decision that the policy did not make."""
        self.policy_errors += 1
        self.last_policy_error = f"{type(error).__name__}: {error}"

    def status(
        self,
        *,
        role: Role,
        player_id: int,
        session: int,
        state: PlayerState,
        round_: int,
        policy: LeaderPolicy | FollowerPolicy,
        peer_ids: tuple[int, ...],
    ) -> PlayerStatus:
        """The counters together with what the machine knows of itself."""
        return PlayerStatus(
            role=role,
            player_id=player_id,
            session=session,
            state=state,
            round=round_,
            rounds_completed=self.rounds_completed,
            policy=policy.name,
            peer_ids=peer_ids,
            messages_accepted=self.accepted,
            deadline_misses=self.deadline_misses,
            retransmissions=self.retransmissions,
            rejections={reason.value: n for reason, n in sorted(self.rejections.items())},
            policy_errors=self.policy_errors,
            last_policy_error=self.last_policy_error,
            receipt_mismatches=self.receipt_mismatches,
            learned=report_of(policy),
        )

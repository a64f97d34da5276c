"""One migration as its AV sees it, from the request to its end."""

from __future__ import annotations

from dataclasses import dataclass, replace

from veaat_migration.protocol.migration.codes import CopyKind, ErrorCode, Phase
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.feedback import Feedback, Outcome
from veaat_migration.protocol.migration.messages import Claim, Order, Progress
from veaat_migration.protocol.migration.store import Ownership


@dataclass(slots=True)
class Journey:
    """The migration that an AV wants now."""

    order: Order
    source_id: int
    """0: from the AV itself, a deployment."""
    requested: float
    feedback: Feedback
    source_heard: float
    target_heard: float
    frozen: bool = False
    """The source has stopped for the handover."""

    @property
    def number(self) -> int:
        """Of the migration."""
        return self.order.migration

    def choose(self, target_id: int, bandwidth: float, efficiency: float, now: float) -> None:
        """Set what the game decided; from the first time on, the target is listened for."""
        if self.order.target_id == 0:
            self.source_heard = self.target_heard = now
        self.order = replace(
            self.order, target_id=target_id, bandwidth=bandwidth, efficiency=efficiency
        )

    def hear(self, claim_or_progress: Claim | Progress, now: float) -> None:
        """Note that source or target lives."""
        rsu_id = claim_or_progress.rsu_id
        if rsu_id == self.source_id:
            self.source_heard = now
        elif rsu_id == self.order.target_id:
            self.target_heard = now
        if isinstance(claim_or_progress, Claim):
            claim = claim_or_progress
            self.frozen |= claim.kind is CopyKind.FROZEN and claim.migration == self.number

    def may_be_granted(self, claim: Claim, ownership: Ownership, closed: int) -> bool:
        """Whether a target has all that the source had, and the AV still wants it to."""
        order = self.order
        return (
            claim.kind is CopyKind.PREPARED
            and claim.rsu_id == order.target_id
            and claim.migration == order.migration > closed
            and claim.epoch == order.epoch == ownership.epoch
        )

    def has_moved(self, ownership: Ownership) -> bool:
        """Whether the target owns the twin by this migration."""
        target = self.order.target_id
        return ownership.granted == self.number and ownership.owner_id == target != 0

    def news(self, progress: Progress) -> Feedback | None:
        """What a message adds to what is known; None: nothing."""
        shown = self.feedback
        news = Feedback(
            self.number,
            progress.phase,
            self.order.target_id,
            progress.bytes_done,
            progress.bytes_total,
            progress.position,
        )
        return news if _advance(news) > _advance(shown) else None

    def silence(self, config: MigrationConfig, now: float) -> tuple[ErrorCode, str] | None:
        """Who has been silent for too long, as the reason to give up."""
        limit, phase = config.peer_timeout, self.feedback.phase
        waits_for_source = phase < Phase.QUEUED and self.source_id != 0
        if waits_for_source and now - self.source_heard > limit:
            return ErrorCode.SOURCE_DIED, f"the twin's RSU was silent for {limit:g} s"
        if self.frozen:
            limit = config.handover_timeout
        waits_for_target = self.frozen or phase >= Phase.QUEUED
        if waits_for_target and now - self.target_heard > limit:
            return ErrorCode.TARGET_DIED, f"the target was silent for {limit:g} s"
        return None

    def outcome(self, error: ErrorCode, reason: str, *, moved: bool, now: float) -> Outcome:
        """The end of it."""
        return Outcome(
            self.number,
            self.source_id,
            self.order.target_id,
            error,
            reason,
            moved,
            now - self.requested,
        )


def _advance(feedback: Feedback) -> tuple[int, int, int]:
    """How far a migration is: messages may come in any order."""
    return feedback.phase, feedback.bytes_done, -feedback.position

"""Who owns an AV's twin: decided in one place, the AV.

Every change of ownership is one write to the AV's disk. Copies at RSUs follow; they ask
(:class:`Claim`) and are told (:class:`Verdict`) until they agree with it.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from veaat_migration.protocol.migration.codes import CopyKind
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.messages import Claim, Envelope, Verdict, to_rsu
from veaat_migration.protocol.migration.store import AT_HOME, Ownership, OwnershipJournal

USABLE = (
    CopyKind.COMPLETE,
    CopyKind.PREPARED,
    CopyKind.OWNER,
    CopyKind.FROZEN,
    CopyKind.BACKUP,
)

LIFE = 2**32
"""Numbers left to a former life whose session is not smaller: the clock was set back."""


class Standing(Enum):
    """What the AV knows about the owner of its twin."""

    SETTLED = 0
    SILENT = 1
    """The owner has not been heard for a while."""
    SEARCHING = 2
    """The AV has lost its own disk and does not know the owner."""


class Arbiter:
    """One life of an AV's authority over its twin."""

    def __init__(
        self,
        av_id: int,
        config: MigrationConfig,
        journal: OwnershipJournal,
        *,
        session: int,
        now: float,
    ) -> None:
        """Take up what the disk has; ``session`` must be larger than in any former life."""
        self.av_id = av_id
        self.recoveries = 0
        """Times that an older copy had to take the place of the owner's."""
        self._config = config
        self._journal = journal
        known = journal.load()
        self._known = known is not None
        self.ownership = known if known is not None else AT_HOME
        self.session = session
        if session <= self.ownership.session:
            self.session = self.ownership.session + LIFE
        if known is not None:
            self._save(self.ownership)
        self.closed = self._issued = self.session - 1
        self._number = self.session
        self._decided = self.session
        """Number at the last decision: only answers to later ones can contradict it."""
        # A former life may have granted a lease just before it died.
        self._lease_until = now + config.lease_bound
        self._heard = now
        self._owner_lost = False
        self._best: dict[int, Claim] = {}

    @property
    def standing(self) -> Standing:
        """What is known about the owner."""
        if not self._known:
            return Standing.SEARCHING
        if self._owner_lost or self._best:
            return Standing.SILENT
        return Standing.SETTLED

    def next_migration(self) -> int:
        """A number for a migration, larger than any before."""
        self._issued += 1
        return self._issued

    def next_number(self) -> int:
        """Count what is said."""
        self._number += 1
        return self._number

    def lease_left(self, now: float) -> float:
        """Longest time for which an owner may still act without another word of the AV [s]."""
        return max(self._lease_until - now, 0.0)

    def silence(self, now: float) -> float:
        """Time since the owner was heard, or could first be [s]."""
        return now - self._heard

    def close(self, migration: int) -> None:
        """Decide that a migration does not happen, unless it has."""
        self.closed = max(self.closed, migration)

    def grant(self, claim: Claim, now: float) -> None:
        """Move ownership to a target that has the last state of a frozen source."""
        self._decide(
            now,
            epoch=self.ownership.epoch + 1,
            owner_id=claim.rsu_id,
            backup_id=self.ownership.owner_id,
            granted=claim.migration,
            basis=0,
        )

    def hear(self, claim: Claim, now: float) -> None:
        """Note what an RSU holds."""
        if self._known and claim.rsu_id == self.ownership.owner_id:
            if self.owns(claim):
                self._heard = now
                self._owner_lost = False
                self._best.clear()
                return
            if claim.kind is CopyKind.NONE and claim.nonce > self._decided:
                self._owner_lost = True
        if claim.kind not in USABLE or self._is_called_off(claim):
            return
        if not self._known or self._owner_lost or self._is_silent(now):
            best = self._best.get(claim.rsu_id)
            if best is None or _rank(best) <= _rank(claim):
                self._best[claim.rsu_id] = claim

    def owns(self, claim: Claim) -> bool:
        """Whether a claim is the owner's, about the copy that it owns."""
        return (
            self._known
            and claim.rsu_id == self.ownership.owner_id
            and claim.kind in (CopyKind.OWNER, CopyKind.FROZEN)
            and claim.epoch == self.ownership.epoch
        )

    def answer(self, claim: Claim, now: float) -> list[Envelope]:
        """The verdict on a claim, with a lease if it is the owner's."""
        if not self._known:
            return []
        lease = 0.0
        if claim.rsu_id == self.ownership.owner_id and not self._owner_lost:
            lease = self._config.lease
            self._lease_until = max(self._lease_until, now + self._config.lease_bound)
        return [self._verdict(claim.rsu_id, lease, claim.session, claim.sent)]

    def poll(self, rsu_id: int = 0) -> list[Envelope]:
        """Ask one RSU, or all, what they hold."""
        return [self._verdict(rsu_id)]

    def must_poll(self, now: float) -> bool:
        """Whether to ask around."""
        if not self._known:
            return True
        return self.ownership.owner_id != 0 and self.silence(now) > self._config.claim_period * 2

    def recover(self, now: float) -> bool:
        """Turn to the newest copy there is, if the owner's is lost; true: ownership has changed."""
        if self._known and self.ownership.owner_id == 0:
            return False
        patience = self._config.recovery_timeout
        out_of_patience = self.silence(now) >= patience
        if self._known:
            due = self._owner_lost or out_of_patience
            # An RSU that lost its disk says so at once; what others have takes time to be heard.
            waited = out_of_patience or self.silence(now) >= 2 * self._config.claim_period
        else:
            due = waited = out_of_patience or self._is_clear(now)
        if not (due and waited) or now < self._lease_until:
            return False
        candidates = [c for c in self._best.values() if self._may_follow(c)]
        if not candidates and not out_of_patience:
            return False
        self._recover(max(candidates, key=_rank, default=None), now)
        return True

    def _recover(self, best: Claim | None, now: float) -> None:
        before = self.ownership
        epoch = before.epoch + 1 if self._known else self.session
        if best is not None:
            epoch = max(epoch, best.epoch + 1)
        backup = before.owner_id
        if best is None:
            self._decide(now, epoch=epoch, owner_id=0, backup_id=backup, granted=0, basis=0)
        elif best.kind in (CopyKind.COMPLETE, CopyKind.PREPARED):
            self._decide(
                now,
                epoch=epoch,
                owner_id=best.rsu_id,
                backup_id=backup if backup != best.rsu_id else before.backup_id,
                granted=best.migration,
                basis=0,
            )
        else:
            if backup == best.rsu_id:
                backup = best.other_id
            self._decide(
                now,
                epoch=epoch,
                owner_id=best.rsu_id,
                backup_id=backup,
                granted=self.next_migration(),
                basis=best.epoch,
            )
        if self._known:
            self.recoveries += 1
        self._known = True

    def _may_follow(self, claim: Claim) -> bool:
        """Whether a copy may take the owner's place: the owner itself cannot."""
        return not self._known or claim.rsu_id != self.ownership.owner_id or not self._owner_lost

    def _is_called_off(self, claim: Claim) -> bool:
        """Whether a copy was on its way in a migration that was closed since."""
        on_its_way = claim.kind in (CopyKind.COMPLETE, CopyKind.PREPARED)
        return self._known and on_its_way and claim.migration <= self.closed

    def _is_clear(self, now: float) -> bool:
        """Searching: whether what was heard leaves no room for a newer copy elsewhere."""
        if self.silence(now) < 4 * self._config.claim_period or not self._best:
            return False
        best = max(self._best.values(), key=_rank)
        if best.kind is CopyKind.OWNER:
            return True
        return best.kind is CopyKind.FROZEN and best.other_id in self._best

    def _is_silent(self, now: float) -> bool:
        return self.silence(now) > 2 * self._config.claim_period

    def _decide(
        self, now: float, *, epoch: int, owner_id: int, backup_id: int, granted: int, basis: int
    ) -> None:
        """Write a decision down; from here it holds."""
        self._save(
            Ownership(
                session=self.session,
                epoch=epoch,
                owner_id=owner_id,
                backup_id=backup_id,
                granted=granted,
                basis=basis,
            )
        )
        self.close(granted)
        self._decided = self._number
        self._heard = now
        self._owner_lost = False
        self._best.clear()

    def _save(self, ownership: Ownership) -> None:
        ownership = replace(ownership, session=self.session)
        self._journal.save(ownership)
        self.ownership = ownership

    def _verdict(
        self, rsu_id: int, lease: float = 0.0, echo_session: int = 0, echo_sent: float = 0.0
    ) -> Envelope:
        known = self._known
        verdict = Verdict(
            av_id=self.av_id,
            number=self.next_number(),
            rsu_id=rsu_id,
            epoch=self.ownership.epoch if known else 0,
            owner_id=self.ownership.owner_id,
            backup_id=self.ownership.backup_id,
            granted=self.ownership.granted,
            basis=self.ownership.basis,
            closed=self.closed if known else 0,
            lease=lease,
            echo_session=echo_session,
            echo_sent=echo_sent,
        )
        return to_rsu(rsu_id, verdict)


def _rank(claim: Claim) -> tuple[int, int, int]:
    """Order of copies by how new their state is."""
    return claim.epoch, claim.version, int(claim.kind is CopyKind.OWNER)

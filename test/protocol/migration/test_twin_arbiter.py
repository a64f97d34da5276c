"""What the AV decides, and when it may."""

from __future__ import annotations

from dataclasses import replace

import pytest

from veaat_migration.protocol.migration.arbiter import LIFE, Arbiter, Standing
from veaat_migration.protocol.migration.codes import CopyKind
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.messages import Claim
from veaat_migration.protocol.migration.store import MemoryJournal, Ownership

CONFIG = MigrationConfig(lease=2.0, clock_drift=0.2)
OWNED = Ownership(session=100, epoch=4, owner_id=1, backup_id=2, granted=90, basis=0)


def arbiter(ownership: Ownership | None = OWNED, session: int = 1000, now: float = 0.0) -> Arbiter:
    return Arbiter(1, CONFIG, MemoryJournal(ownership), session=session, now=now)


def claim(rsu: int, kind: CopyKind, epoch: int, **more: int) -> Claim:
    return Claim(1, rsu, 7, 0.0, kind, epoch, **more)


def first_recovery(subject: Arbiter, *claims: Claim, until: float = 30.0) -> float:
    """Time at which the arbiter turns to another copy, hearing these claims all the time."""
    now = 0.0
    while now < until:
        for item in claims:
            subject.hear(item, now)
        if subject.recover(now):
            return now
        now += 0.05
    return until


def test_no_recovery_before_the_lease_of_a_former_life_is_over_on_the_slowest_clock() -> None:
    lost = arbiter(None)
    assert lost.standing is Standing.SEARCHING
    # 2 s of a clock that runs 20 % slow, measured by one that runs 20 % fast, take 3 s.
    assert first_recovery(lost, claim(3, CopyKind.OWNER, 4)) == pytest.approx(3.0, abs=0.06)
    assert lost.ownership.owner_id == 3
    assert lost.ownership.epoch > 4


def test_an_owner_that_says_it_has_nothing_is_replaced_only_after_its_lease() -> None:
    subject = arbiter()
    subject.answer(claim(1, CopyKind.OWNER, 4), 0.0)
    nothing = claim(1, CopyKind.NONE, 0, nonce=5000)
    backup = claim(2, CopyKind.BACKUP, 3)
    assert first_recovery(subject, nothing, backup) == pytest.approx(3.0, abs=0.06)
    assert (subject.ownership.owner_id, subject.ownership.basis) == (2, 3)


def test_an_old_word_of_nothing_is_not_believed() -> None:
    subject = arbiter()
    nothing = claim(1, CopyKind.NONE, 0, nonce=999)
    backup = claim(2, CopyKind.BACKUP, 3)
    assert first_recovery(subject, nothing, backup) == pytest.approx(10.0, abs=0.1)


def test_a_claim_of_the_owner_ends_the_doubt() -> None:
    subject = arbiter()
    assert first_recovery(subject, claim(2, CopyKind.BACKUP, 3), until=9.0) == 9.0
    subject.hear(claim(1, CopyKind.OWNER, 4), 9.5)
    assert subject.standing is Standing.SETTLED
    assert not subject.recover(12.0)


def test_the_newest_copy_is_taken() -> None:
    subject = arbiter()
    copies = [
        claim(2, CopyKind.BACKUP, 3, version=9),
        claim(3, CopyKind.COMPLETE, 4, version=2, migration=1000),
        claim(4, CopyKind.BACKUP, 2, version=50),
    ]
    first_recovery(subject, *copies)
    assert (subject.ownership.owner_id, subject.ownership.granted) == (3, 1000)


def test_a_copy_of_a_migration_that_was_called_off_is_not_taken() -> None:
    subject = arbiter()
    number = subject.next_migration()
    subject.close(number)
    late = claim(3, CopyKind.PREPARED, 4, version=99, migration=number)
    first_recovery(subject, late, claim(2, CopyKind.BACKUP, 3))
    assert subject.ownership.owner_id == 2


def test_without_any_copy_the_twin_is_at_home() -> None:
    subject = arbiter()
    assert first_recovery(subject) == pytest.approx(10.0, abs=0.1)
    assert subject.ownership.owner_id == 0
    assert not subject.recover(100.0)


def test_searching_waits_for_the_successor_that_a_copy_names() -> None:
    subject = arbiter(None)
    frozen = claim(1, CopyKind.FROZEN, 4, other_id=2)
    assert first_recovery(subject, frozen) == pytest.approx(10.0, abs=0.1)
    subject = arbiter(None)
    prepared = claim(2, CopyKind.PREPARED, 4, migration=95)
    assert first_recovery(subject, frozen, prepared) < 4.0


def test_decisions_survive_and_numbers_grow_over_lives_even_if_the_clock_does_not() -> None:
    journal = MemoryJournal(OWNED)
    first = Arbiter(1, CONFIG, journal, session=1000, now=0.0)
    migration = first.next_migration()
    first.grant(claim(2, CopyKind.PREPARED, 4, migration=migration), 0.0)
    second = Arbiter(1, CONFIG, journal, session=10, now=0.0)
    assert second.session == 1000 + LIFE
    assert second.ownership == replace(first.ownership, session=second.session)
    assert second.next_migration() > migration
    assert second.closed >= migration


def test_each_epoch_has_one_owner() -> None:
    subject = arbiter()
    epochs = [subject.ownership.epoch]
    for target in (2, 3):
        number = subject.next_migration()
        subject.grant(claim(target, CopyKind.PREPARED, epochs[-1], migration=number), 0.0)
        epochs.append(subject.ownership.epoch)
    first_recovery(subject, claim(1, CopyKind.BACKUP, 3))
    epochs.append(subject.ownership.epoch)
    assert epochs == [4, 5, 6, 7]

"""What may be granted, and what verdicts do to the copies at an RSU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from veaat_migration.protocol.migration.codes import CopyKind, Phase
from veaat_migration.protocol.migration.custody import Change, Custody
from veaat_migration.protocol.migration.feedback import Feedback
from veaat_migration.protocol.migration.host import TwinHost
from veaat_migration.protocol.migration.journey import Journey
from veaat_migration.protocol.migration.messages import Claim, Final, Order, Verdict
from veaat_migration.protocol.migration.store import Copy, MemoryStore, Ownership
from veaat_migration.protocol.migration.twin import image_digest, live_digest
from veaat_migration.protocol.migration.workbench import Workbench

from .scene import CONFIG

IMAGE = b"image"
OWNER = Copy(
    av_id=1,
    kind=CopyKind.OWNER,
    epoch=4,
    migration=90,
    other_id=0,
    image=90,
    digest=image_digest(IMAGE),
    size=5,
    version=7,
    live=b"live",
    data=1.0,
    cycles=0.0,
)
COMING = replace(OWNER, kind=CopyKind.PREPARED, migration=100, other_id=2, image=100)
VERDICT = Verdict(
    av_id=1, number=1, rsu_id=1, epoch=4, owner_id=1, backup_id=2, granted=90, basis=0, closed=99
)
PREPARED = Claim(1, 3, 1, 0.0, CopyKind.PREPARED, epoch=4, migration=100, version=7)


def disk(held: Copy | None = OWNER, coming: Copy | None = None) -> MemoryStore:
    store = MemoryStore()
    if held is not None:
        store.write("held", held)
        store.append_image(1, held.image, IMAGE)
    if coming is not None:
        store.write("coming", coming)
        store.append_image(1, coming.image, IMAGE)
    return store


def apply(store: MemoryStore, verdict: Verdict) -> tuple[set[Change], Custody]:
    custody = Custody(1, store)
    changes = custody.apply(verdict)
    again = Custody(1, store)
    assert (again.held, again.coming) == (custody.held, custody.coming)
    return changes, custody


# The AV -----------------------------------------------------------------------------------------


def may_be_granted(claim: Claim, closed: int = 99, epoch: int = 4) -> bool:
    order = Order(1, 1, 5, 100, 4, target_id=3)
    journey = Journey(order, 1, 0.0, Feedback(100, Phase.QUEUED), 0.0, 0.0)
    return journey.may_be_granted(claim, Ownership(1, epoch, 1, 2, 90, 0), closed)


def test_a_target_that_has_the_last_state_of_this_migration_is_granted() -> None:
    assert may_be_granted(PREPARED)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": CopyKind.COMPLETE},
        {"kind": CopyKind.OWNER},
        {"rsu_id": 2},
        {"migration": 99},
        {"migration": 101},
        {"epoch": 3},
        {"epoch": 5},
    ],
)
def test_any_other_claim_is_not_granted(wrong) -> None:
    assert not may_be_granted(replace(PREPARED, **wrong))


def test_neither_a_closed_migration_nor_one_of_another_epoch_is_granted() -> None:
    assert not may_be_granted(PREPARED, closed=100)
    assert not may_be_granted(PREPARED, epoch=5)


# Leases -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lease", "now", "acts"),
    [
        ({}, 11.9, True),
        ({}, 12.0, False),
        ({"echo_session": 8}, 11.0, False),
        ({"echo_session": 0}, 11.0, False),
        ({"owner_id": 2}, 11.0, False),
        ({"epoch": 3}, 11.0, False),
        ({"echo_sent": 8.9}, 11.0, False),
        ({"lease": 0.0}, 11.0, False),
    ],
)
def test_an_owner_acts_only_within_a_lease_of_this_life_and_epoch(lease, now, acts) -> None:
    bench = Workbench(0.0, 1.0, 1.0, np.random.default_rng(0))
    host = TwinHost(1, CONFIG, disk(), bench, session=9)
    host.start(10.0)
    assert not host.acts(1, 10.0)
    given = replace(VERDICT, lease=2.0, echo_session=9, echo_sent=10.0)
    host.on_message(replace(given, **lease), 10.5)
    assert host.acts(1, now) is acts
    assert host.update(1, b"new", now) is acts


# Copies -----------------------------------------------------------------------------------------


def test_a_prepared_copy_is_promoted_and_takes_the_place_of_the_old_one() -> None:
    old = replace(OWNER, kind=CopyKind.BACKUP, epoch=2)
    changes, custody = apply(disk(old, COMING), replace(VERDICT, epoch=5, granted=100, closed=100))
    assert changes == {Change.PROMOTED}
    assert custody.held[1] == replace(COMING, kind=CopyKind.OWNER, epoch=5, other_id=0)
    assert not custody.coming
    assert custody.image(custody.held[1]) == IMAGE


@pytest.mark.parametrize(
    ("verdict", "kept"),
    [
        ({"epoch": 5, "granted": 101, "closed": 100}, False),
        ({"epoch": 5, "granted": 100, "closed": 100, "owner_id": 2}, False),
        ({"closed": 99}, True),
    ],
)
def test_a_prepared_copy_waits_until_its_migration_is_decided(verdict, kept) -> None:
    changes, custody = apply(disk(None, COMING), replace(VERDICT, **verdict))
    assert Change.PROMOTED not in changes
    assert bool(custody.coming) is kept


def test_an_incomplete_copy_is_never_promoted() -> None:
    coming = replace(COMING, kind=CopyKind.RECEIVING)
    changes, _ = apply(disk(None, coming), replace(VERDICT, epoch=5, granted=100, closed=100))
    assert changes == {Change.DROPPED}


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        ({"closed": 99}, CopyKind.FROZEN),
        ({"closed": 100}, CopyKind.OWNER),
        ({"closed": 100, "epoch": 3}, CopyKind.FROZEN),
        ({"epoch": 5, "owner_id": 3, "backup_id": 1}, CopyKind.BACKUP),
        ({"epoch": 3, "owner_id": 3, "backup_id": 1}, CopyKind.FROZEN),
        ({"epoch": 5, "owner_id": 3, "backup_id": 2}, None),
        ({"epoch": 3, "owner_id": 3, "backup_id": 2}, CopyKind.FROZEN),
        ({"epoch": 5, "basis": 4, "granted": 101}, CopyKind.OWNER),
        ({"epoch": 5, "basis": 3, "granted": 101}, CopyKind.FROZEN),
    ],
)
def test_a_frozen_copy_becomes_what_the_av_has_decided(verdict, kind) -> None:
    frozen = replace(OWNER, kind=CopyKind.FROZEN, migration=100, other_id=3)
    _, custody = apply(disk(frozen), replace(VERDICT, **verdict))
    held = custody.held.get(1)
    assert (None if held is None else held.kind) is kind


def test_a_crash_in_the_middle_of_a_promotion_is_mended_on_start() -> None:
    owner = replace(COMING, kind=CopyKind.OWNER, epoch=5)
    custody = Custody(1, disk(owner, COMING))
    assert custody.held[1].kind is CopyKind.OWNER
    assert not custody.coming


def test_images_that_nobody_needs_are_dropped_on_start() -> None:
    store = disk()
    store.append_image(1, 77, b"left behind")
    Custody(1, store)
    assert store.images() == [(1, 90)]


@pytest.mark.parametrize("damage", [{"live": b"other"}, {"version": 9}, {"migration": 99}])
def test_a_last_state_that_does_not_fit_is_not_taken(damage) -> None:
    custody = Custody(1, disk(None, replace(COMING, kind=CopyKind.COMPLETE)))
    final = Final(1, 100, 2, 1, 8, b"last", live_digest(8, b"last"))
    assert not custody.prepare(replace(final, **damage))
    assert custody.prepare(final)
    assert (custody.coming[1].version, custody.coming[1].live) == (8, b"last")
    # Once prepared, the state does not change any more.
    later = Final(1, 100, 2, 1, 9, b"more", live_digest(9, b"more"))
    assert custody.prepare(later)
    assert custody.coming[1].version == 8

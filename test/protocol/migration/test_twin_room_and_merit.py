"""Room at an RSU, its merit in a file, and the timetable of a migration."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from veaat_migration.game.experience import Reputation
from veaat_migration.protocol.migration.codes import CopyKind, ErrorCode, Phase
from veaat_migration.protocol.migration.custody import Custody
from veaat_migration.protocol.migration.feedback import Outcome
from veaat_migration.protocol.migration.messages import Proposal
from veaat_migration.protocol.migration.own_merit import OwnMerit
from veaat_migration.protocol.migration.room import Room
from veaat_migration.protocol.migration.store import Copy, MemoryStore
from veaat_migration.protocol.migration.timetable import Timetable


def proposal(av_id: int, size: int) -> Proposal:
    return Proposal(av_id, 5, 1, 2, 1, size, 1000, bytes(32), 0, b"", 1.0, 1.0)


def keeping(*sizes: int) -> Custody:
    store = MemoryStore()
    for av_id, size in enumerate(sizes, start=1):
        copy = Copy(av_id, CopyKind.OWNER, 1, 1, 0, 1, bytes(32), size, 0, b"", 1.0, 1.0)
        store.write("held", copy)
    return Custody(1, store)


def room(storage: int, twins: int, *sizes: int) -> Room:
    result = Room(storage, twins)
    result.custody = keeping(*sizes)
    return result


def test_a_twin_that_fits_is_welcome():
    assert room(0, 0, 100, 200).refusal(proposal(9, 10**9)) == ""
    assert room(1000, 3, 100, 200).refusal(proposal(9, 700)) == ""


def test_a_twin_that_does_not_fit_is_told_why():
    assert room(1000, 0, 100, 200).refusal(proposal(9, 701)) == (
        "no room for 701 bytes, 700 are left"
    )
    assert room(0, 2, 100, 200).refusal(proposal(9, 1)) == "there are 2 twins here already"


def test_a_twin_that_comes_back_takes_no_further_place_but_its_bytes():
    assert room(0, 2, 100, 200).refusal(proposal(2, 1)) == ""
    assert room(1000, 0, 100, 200).refusal(proposal(2, 701)) != ""


LAW = Reputation(half_migrations=10.0)


def outcome(migration: int, target: int, error: ErrorCode = ErrorCode.NONE) -> Outcome:
    return Outcome(migration, 2, target, error, "", error is ErrorCode.NONE, 1.0)


def test_good_migrations_raise_the_quality_and_outlive_the_process(tmp_path: Path):
    path = tmp_path / "merit.json"
    own = OwnMerit(1, LAW, path, merit=10.0, quality=0.9)
    assert own.now.quality == pytest.approx(0.9)
    assert own.note(4, outcome(7, 1), good=True)
    assert own.now.merit == 11.0
    assert own.now.quality == pytest.approx(0.9 * LAW.after(11.0) / LAW.after(10.0))
    again = OwnMerit(1, LAW, path, merit=10.0, quality=0.9)
    assert again.now == own.now
    assert not again.note(4, outcome(7, 1), good=True)


def test_only_what_concerns_this_rsu_counts(tmp_path: Path):
    own = OwnMerit(1, LAW, tmp_path / "merit.json", merit=10.0, quality=0.9)
    assert not own.note(4, outcome(7, 3), good=True)
    assert not own.note(4, outcome(8, 1), good=False)
    assert not own.note(4, outcome(9, 1, ErrorCode.TARGET_REFUSED), good=True)
    assert own.note(4, outcome(10, 1, ErrorCode.TARGET_DIED), good=True)
    assert own.now.merit == pytest.approx(9.0)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"merit": "x"}', '{"merit": -1, "seen": {}}'])
def test_a_damaged_file_counts_as_missing(tmp_path: Path, content: str):
    path = tmp_path / "merit.json"
    path.write_text(content)
    assert OwnMerit(1, LAW, path, merit=3.0, quality=1.0).now.merit == 3.0


def test_parts_that_nobody_saw_took_no_time():
    table = Timetable(10.0)
    table.reached(Phase.NEGOTIATING, 10.5)
    table.decided(12.0)
    table.reached(Phase.REINSTANTIATING, 15.0)
    table.granted(15.25)
    table.reached(Phase.CONNECTED, 15.5)
    delays = table.delays(15.5)
    assert (delays.request, delays.negotiation, delays.transfer) == (0.5, 1.5, 3.0)
    assert (delays.queueing, delays.reinstantiation, delays.handover) == (0.0, 0.25, 0.25)
    assert (delays.total, delays.model) == (5.5, 3.25)


def test_parts_that_were_not_reached_are_not_known():
    table = Timetable(10.0)
    table.reached(Phase.NEGOTIATING, 10.5)
    delays = table.delays(12.0)
    assert delays.request == 0.5
    assert math.isnan(delays.negotiation)
    assert math.isnan(delays.model)
    assert delays.total == 2.0

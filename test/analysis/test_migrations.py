"""Recordings of migrations: tables, summary, and the audit of owners."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from veaat_migration.analysis.migrations import check_actions, migration_lines, migrations_of
from veaat_migration.analysis.reading import Received, Recording
from veaat_migration.analysis.tables import columns, rows
from veaat_migration.analysis.topics import ALL_TOPICS, identify

TIME = 1_700_000_000_123_456_789


def recording(**messages: list[Any]) -> Recording:
    found = {
        name: [Received(TIME, message) for message in messages.get(name, [])]
        for name in (*ALL_TOPICS, "diagnostics")
    }
    return Recording(Path("bag"), "/veaat", found, {})


def report(types: Any, **changes: Any) -> Any:
    delays = {
        "request_delay": 0.1, "negotiation_delay": 1.0, "transfer_delay": 8.0,
        "queueing_delay": 0.2, "reinstantiation_delay": 0.3, "handover_delay": 0.01,
        "total_delay": 9.61, "migration_delay": 8.5,
    }  # fmt: skip
    values = {
        "av_id": 1, "session": 5, "migration": 6, "error": 0, "message": "", "moved": True,
        "asked": False, "source_rsu_id": 1, "target_rsu_id": 2, "owner_rsu_id": 2, "epoch": 3,
        "bandwidth": 5.0, "price": 4.0, "payment": 20.0, "spectral_efficiency": 12.0,
        "data": 480.0, "size": 60_000_000, "expected_delay": 8.4, "tolerated_delay": 9.0,
        **delays, "downtime": 0.2, "age_max": 0.3,
    } | changes  # fmt: skip
    return types.make("migration_reports", TIME, **values)


def action(version: int, rsu_id: int = 1, epoch: int = 1, **changes: int) -> Any:
    values = {"state": version, "previous_state": version - 1} | changes
    return SimpleNamespace(av_id=4, rsu_id=rsu_id, epoch=epoch, version=version, **values)


def test_one_chain_is_one_owner_after_another():
    found = check_actions([action(1), action(2), action(3, rsu_id=2, epoch=2), action(2)])
    assert found.violations == []
    assert (found.actions, found.links, found.owners) == (4, 2, 1)


def test_a_gap_is_no_violation_but_no_link_either():
    found = check_actions([action(1), action(4, previous_state=99)])
    assert (found.links, found.violations) == (0, [])


def test_two_owners_are_found():
    found = check_actions([action(1), action(2), action(2, rsu_id=3, state=77)])
    assert found.violations == ["AV 4: RSUs 1 and 3 both made version 2"]


def test_a_lost_state_is_found():
    (text,) = check_actions([action(1), action(2, rsu_id=3, previous_state=55)]).violations
    assert text == "AV 4: version 2 at RSU 3 does not follow what RSU 1 left"


def test_an_epoch_that_goes_back_is_found():
    (text,) = check_actions([action(1, epoch=5), action(2, epoch=4)]).violations
    assert text == "AV 4: version 2 is of epoch 4, the one before of 5"


def test_migrations_are_counted_and_timed(types: Any):
    failed = report(
        types, error=4, moved=False, message="no bytes", transfer_delay=math.nan, payment=math.nan
    )
    late = report(types, migration_delay=9.5, transfer_delay=9.0, downtime=0.4)
    found = migrations_of(recording(migration_reports=[report(types), late, failed]))
    assert found is not None
    assert (found.ended, found.moved, found.late) == (3, 2, 1)
    assert found.outcomes == {"none": 2, "transfer_broken": 1}
    assert found.delays["transfer_delay"] == (8.5, 9.0)
    assert found.downtime == (pytest.approx(0.3), 0.4)
    assert found.paid == 40.0
    assert found.bytes_moved == 120_000_000
    text = "\n".join(migration_lines(found))
    assert "3 migrations: 2 completed, 1 transfer broken; 2 moved a twin, 120.0 MB, 1 of" in text


def test_a_game_without_twins_has_none():
    assert migrations_of(recording()) is None


def test_tables_speak_in_words(types: Any):
    (row,) = rows(recording(migration_reports=[report(types, error=3, moved=False)]), "migrations")
    named = dict(zip(columns("migrations"), row, strict=True))
    assert (named["error"], named["moved"], named["transfer_delay"]) == ("target_refused", 0, 8.0)
    host = types.make(
        "host_status", TIME, rsu_id=2, session=5, x=1.0, y=2.0, coverage_radius=250.0,
        quality=1.0, reputation=1.2, merit=3.0, queue_length=1, stored=10, actions=4,
        messages_rejected=0, av_ids=np.array([1, 3], np.uint32),
        kinds=np.array([4, 6], np.uint8), acting=[True, False],
        epochs=np.array([3, 2], np.uint64), versions=np.array([9, 8], np.uint64),
        sizes=np.array([10, 10], np.uint64), bytes_done=np.array([10, 10], np.uint64),
        other_ids=np.array([0, 1], np.uint32), leases=np.array([1.5, 0.0]),
    )  # fmt: skip
    copies = list(rows(recording(host_status=[host]), "twin_copies"))
    first = dict(zip(columns("twin_copies"), copies[0], strict=True))
    assert (first["av_id"], first["kind"], first["acting"], first["lease"]) == (1, "owner", 1, 1.5)
    assert len(copies) == 2


@pytest.mark.parametrize(
    ("topic", "kind", "expected"),
    [
        ("/veaat/av_3/twin_actions", "TwinAction", ("/veaat", "twin_actions")),
        ("/veaat/twin_status", "TwinStatus", ("/veaat", "twin_status")),
        ("/town/veaat/av_12/twin_task", "TwinTask", ("/town/veaat", "twin_task")),
        ("/veaat/rsu_1/twin_messages", "TwinMessage", None),
    ],
)
def test_topics_of_single_vehicles_belong_to_the_same_game(
    topic: str, kind: str, expected: tuple[str, str] | None
):
    assert identify(topic, f"veaat_migration/msg/{kind}") == expected

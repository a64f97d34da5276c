"""Every message about twins arrives as it left."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.protocol.migration.codes import CopyKind, ErrorCode, Phase
from veaat_migration.protocol.migration.messages import (
    Address,
    Envelope,
    Message,
    is_well_formed,
)

pytestmark = pytest.mark.ros

SMALL = {"av_id", "rsu_id", "source_id", "target_id", "owner_id", "backup_id", "other_id",
         "chunk_size", "index", "next_index", "checksum", "position"}  # fmt: skip
"""Fields of 32 bits."""
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(1, 2**64 - 1),
    "float": st.floats(0.0, 1e12),
    "bool": st.booleans(),
    "bytes": st.binary(max_size=300),
    "str": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50),
    "Phase": st.sampled_from(Phase),
    "ErrorCode": st.sampled_from(ErrorCode),
    "CopyKind": st.sampled_from(CopyKind),
}


def field(item: Any) -> st.SearchStrategy[Any]:
    if item.name == "chunk_size":
        return st.integers(1, 2**24)
    if item.name == "digest":
        return st.binary(min_size=32, max_size=32)
    if item.name in SMALL:
        return st.integers(1, 2**32 - 1)
    return VALUES[str(item.type)]


def messages() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(kind, **{item.name: field(item) for item in dataclasses.fields(kind)})
        for kind in get_args(Message)
    )


ADDRESSES = st.builds(Address, st.sampled_from(["av", "rsu"]), st.integers(0, 2**32 - 1))


@settings(deadline=None)  # the first call loads the type support
@given(to=ADDRESSES, message=messages())
def test_what_arrives_is_what_left(to: Address, message: Any):
    from rclpy.serialization import deserialize_message, serialize_message

    from veaat_migration import msg
    from veaat_migration.nodes.twin_wire import from_ros, to_ros

    data = serialize_message(to_ros(Envelope(to, message)))
    assert from_ros(deserialize_message(data, msg.TwinMessage)) == (to, message)
    assert is_well_formed(message)


@pytest.mark.parametrize("change", [{"type": 0}, {"type": 77}, {"phase": 99}, {"error": 99}])
def test_a_message_without_sense_has_no_content(change: dict[str, int]):
    from veaat_migration import msg
    from veaat_migration.nodes.twin_wire import from_ros

    message = msg.TwinMessage(type=msg.TwinMessage.TYPE_RECEIPT, to_role=1, to_id=3)
    for name, value in change.items():
        setattr(message, name, value)
    assert from_ros(message) == (Address("rsu", 3), None)


def test_constants_are_those_of_the_protocol():
    from veaat_migration.action import MigrateTwin

    from veaat_migration import msg

    for phase in Phase:
        holder = msg.TwinStatus if phase is Phase.IDLE else MigrateTwin.Feedback
        assert getattr(holder, f"PHASE_{phase.name}") == phase
    for error in ErrorCode:
        assert getattr(MigrateTwin.Result, f"ERROR_{error.name}") == error
    for kind in CopyKind:
        assert getattr(msg.HostStatus, f"COPY_{kind.name}") == kind


def test_tables_name_the_same():
    from veaat_migration.analysis.migration_tables import ERRORS, KINDS, PHASES

    assert {phase.name.lower() for phase in Phase} == set(PHASES.values())
    assert {error.value: error.name.lower() for error in ErrorCode} == ERRORS
    assert {kind.value: kind.name.lower() for kind in CopyKind} == KINDS

"""Messages about twins as ROS messages, and back.

``TwinMessage`` has a field for each field of each message, of the same name, so that the conversion
is one rule.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_args

from veaat_migration import msg
from veaat_migration.protocol.migration.codes import CopyKind, ErrorCode, Phase
from veaat_migration.protocol.migration.messages import (
    Address,
    Announcement,
    Chunk,
    Claim,
    Envelope,
    Final,
    Message,
    Order,
    Progress,
    Proposal,
    Receipt,
    Verdict,
)

TYPES: dict[type[Any], int] = {
    Order: msg.TwinMessage.TYPE_ORDER,
    Announcement: msg.TwinMessage.TYPE_ANNOUNCEMENT,
    Proposal: msg.TwinMessage.TYPE_PROPOSAL,
    Chunk: msg.TwinMessage.TYPE_CHUNK,
    Final: msg.TwinMessage.TYPE_FINAL,
    Receipt: msg.TwinMessage.TYPE_RECEIPT,
    Progress: msg.TwinMessage.TYPE_PROGRESS,
    Claim: msg.TwinMessage.TYPE_CLAIM,
    Verdict: msg.TwinMessage.TYPE_VERDICT,
}
ROLES = {"rsu": msg.TwinMessage.ROLE_RSU, "av": msg.TwinMessage.ROLE_AV}

_CLASSES = {number: kind for kind, number in TYPES.items()}
_NAMES = {number: role for role, number in ROLES.items()}
_TO_WIRE: dict[str, Callable[[Any], Any]] = {
    "bytes": lambda value: array("B", value),
    "Phase": int,
    "ErrorCode": int,
    "CopyKind": int,
    "float": float,
}
_FROM_WIRE: dict[str, Callable[[Any], Any]] = {
    "bytes": lambda value: value.tobytes(),
    "Phase": Phase,
    "ErrorCode": ErrorCode,
    "CopyKind": CopyKind,
}


def _plan(rules: dict[str, Callable[[Any], Any]]) -> dict[type[Any], list[tuple[str, Any]]]:
    """Names and conversions of the fields of each message."""
    return {
        kind: [(item.name, rules.get(str(item.type))) for item in fields(kind)]
        for kind in get_args(Message)
    }


_WRITE, _READ = _plan(_TO_WIRE), _plan(_FROM_WIRE)


def to_ros(envelope: Envelope) -> msg.TwinMessage:
    """An envelope as a ROS message; the header is left to the sender."""
    (role, number), message = envelope
    kind = type(message)
    result = msg.TwinMessage(type=TYPES[kind], to_role=ROLES[role], to_id=number)
    for name, convert in _WRITE[kind]:
        value = getattr(message, name)
        setattr(result, name, value if convert is None else convert(value))
    return result


def from_ros(message: msg.TwinMessage) -> tuple[Address, Message | None]:
    """Receiver and content of a ROS message; content None: it makes no sense."""
    address = Address(_NAMES.get(message.to_role, ""), message.to_id)
    kind = _CLASSES.get(message.type)
    if kind is None:
        return address, None
    try:
        values = {
            name: getattr(message, name) if convert is None else convert(getattr(message, name))
            for name, convert in _READ[kind]
        }
    except ValueError:  # a phase, error or kind of copy that does not exist
        return address, None
    return address, kind(**values)

"""What an AV and the RSUs say to each other about a twin, independent of ROS.

Ids: AVs and RSUs count from 1. An RSU id 0 means *nobody*, or the AV itself where a source or an
owner is named: before its first deployment, a twin is at home. Everything here may be lost,
repeated, delayed and reordered; what a message states as decided stays true for ever.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

from veaat_migration.protocol.migration.codes import CopyKind, ErrorCode, Phase
from veaat_migration.protocol.migration.twin import LIVE_MAX
from veaat_migration.protocol.reading import LARGEST

MAX_NUMBER = 2**64 - 1
MAX_TEXT = 1000
MAX_BYTES = 2**24
"""Longest content of one message [bytes]."""


@dataclass(frozen=True, slots=True)
class Order:
    """From an AV to the owner of its twin: a migration is wanted; move there."""

    av_id: int
    rsu_id: int
    """The owner that is addressed."""
    number: int
    """Counts what this AV decides, over its lives."""
    migration: int
    epoch: int
    """Of the owner that is addressed."""
    target_id: int = 0
    """0: not yet known, the game is asked for."""
    bandwidth: float = 0.0
    """b_ij, bought [MHz]."""
    efficiency: float = 0.0
    """s_ij [bit/s/Hz]."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """From an owner to all RSUs: an AV asks for offers for a migration."""

    av_id: int
    migration: int
    source_id: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """From source to target: take this twin. Repeated, it asks where the transfer stands."""

    av_id: int
    migration: int
    epoch: int
    source_id: int
    target_id: int
    size: int
    chunk_size: int
    digest: bytes
    version: int
    live: bytes
    """State at the start of the transfer, of use if the source dies during it."""
    data: float
    cycles: float


@dataclass(frozen=True, slots=True)
class Chunk:
    """From source to target: a piece of the image."""

    av_id: int
    migration: int
    source_id: int
    target_id: int
    index: int
    content: bytes
    checksum: int
    """CRC-32 of ``content``."""


@dataclass(frozen=True, slots=True)
class Final:
    """From a frozen source to its target: the last state."""

    av_id: int
    migration: int
    source_id: int
    target_id: int
    version: int
    live: bytes
    digest: bytes
    """SHA-256 of version and live state."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """From target to source: where the transfer stands."""

    av_id: int
    migration: int
    source_id: int
    target_id: int
    phase: Phase
    ready: bool
    """Re-instantiated: the last state may come."""
    next_index: int
    """First chunk that is missing."""
    error: ErrorCode = ErrorCode.NONE
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """From source or target to the AV: feedback, and the sign that they live."""

    av_id: int
    migration: int
    rsu_id: int
    phase: Phase
    bytes_done: int = 0
    bytes_total: int = 0
    position: int = 0
    """Jobs ahead in the target's queue."""
    error: ErrorCode = ErrorCode.NONE
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """From an RSU to an AV: this is what I hold of your twin; what am I to do with it?"""

    av_id: int
    rsu_id: int
    session: int
    sent: float
    """Clock of the RSU [s]; a lease counts from here."""
    kind: CopyKind
    epoch: int = 0
    """In which the copy was owned; of a copy on its way: the source's."""
    migration: int = 0
    version: int = 0
    other_id: int = 0
    """Who may hold a newer copy: target of a frozen one, owner after a backup; 0: nobody."""
    nonce: int = 0
    """Largest number heard from the AV."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """From an AV to one RSU, or all (``rsu_id`` 0): who owns the twin; to the owner: a lease."""

    av_id: int
    number: int
    rsu_id: int
    epoch: int
    owner_id: int
    backup_id: int
    granted: int
    """Migration by which the owner became owner."""
    basis: int
    """Epoch of the copy that became the owner's again in a recovery; 0: it came by migration."""
    closed: int
    """All migrations up to this one are decided: only ``granted`` ever moved ownership since."""
    lease: float = 0.0
    """How long the owner may act, from ``echo_sent`` on its own clock [s]."""
    echo_session: int = 0
    echo_sent: float = 0.0


Message = Order | Announcement | Proposal | Chunk | Final | Receipt | Progress | Claim | Verdict


class Address(NamedTuple):
    """Receiver of a message."""

    role: str
    """``av`` or ``rsu``."""
    number: int
    """Its id; 0: all of this role."""


class Envelope(NamedTuple):
    """A message on its way."""

    to: Address
    message: Message


def to_av(av_id: int, message: Message) -> Envelope:
    """Address a message to an AV."""
    return Envelope(Address("av", av_id), message)


def to_rsu(rsu_id: int, message: Message) -> Envelope:
    """Address a message to an RSU; 0: all."""
    return Envelope(Address("rsu", rsu_id), message)


def to_source(message: Receipt) -> Envelope:
    """Address a receipt to the RSU, or the AV at home, that sends the twin."""
    if message.source_id == 0:
        return to_av(message.av_id, message)
    return to_rsu(message.source_id, message)


def is_for(message: Message, address: Address) -> bool:
    """Whether somebody is a receiver of a message: all messages say so themselves."""
    role, number = address
    if isinstance(message, Progress | Claim):
        return role == "av" and message.av_id == number
    if isinstance(message, Receipt) and message.source_id == 0:
        return role == "av" and message.av_id == number
    if role != "rsu":
        return False
    if isinstance(message, Announcement):
        return message.source_id != number
    if isinstance(message, Receipt):
        return message.source_id == number
    if isinstance(message, Order):
        return message.rsu_id == number
    if isinstance(message, Verdict):
        return message.rsu_id in (0, number)
    return message.target_id == number


def is_well_formed(message: Any) -> bool:
    """Whether all fields have their types and ranges, so that nothing behind needs to ask."""
    if not isinstance(message, Message):
        return False
    return all(check(getattr(message, name)) for name, check in _FIELDS[type(message)])


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_NUMBER


def _is_finite(value: Any) -> bool:
    return isinstance(value, float | int) and math.isfinite(value) and abs(value) <= LARGEST


def _is_amount(value: Any) -> bool:
    return _is_finite(value) and value >= 0.0


_RULES: dict[str, Callable[[Any], bool]] = {
    "int": _is_number,
    "float": _is_amount,
    "bool": lambda value: type(value) is bool,
    "bytes": lambda value: type(value) is bytes and len(value) <= MAX_BYTES,
    "str": lambda value: type(value) is str and len(value) <= MAX_TEXT,
    "Phase": lambda value: type(value) is Phase,
    "ErrorCode": lambda value: type(value) is ErrorCode,
    "CopyKind": lambda value: type(value) is CopyKind,
}
_RULES_BY_NAME: dict[str, Callable[[Any], bool]] = {
    "av_id": lambda value: _is_number(value) and value >= 1,
    "live": lambda value: type(value) is bytes and len(value) <= LIVE_MAX,
    "digest": lambda value: type(value) is bytes and len(value) == 32,
    "size": lambda value: _is_number(value) and value >= 1,
    "chunk_size": lambda value: _is_number(value) and 1 <= value <= MAX_BYTES,
    # A clock may start below zero.
    "sent": _is_finite,
    "echo_sent": _is_finite,
}
_FIELDS = {
    kind: [
        (item.name, _RULES_BY_NAME.get(item.name, _RULES[str(item.type)]))
        for item in dataclasses.fields(kind)
    ]
    for kind in get_args(Message)
}

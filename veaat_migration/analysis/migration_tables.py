"""Rows of the tables about twins that migrate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

PHASES = {
    0: "idle", 1: "requested", 2: "negotiating", 3: "transferring", 4: "queued",
    5: "reinstantiating", 6: "connected",
}  # fmt: skip
ERRORS = {
    0: "none", 1: "no_rsu_in_range", 2: "deadline_infeasible", 3: "target_refused",
    4: "transfer_broken", 5: "target_died", 6: "source_died", 7: "superseded", 8: "canceled",
}  # fmt: skip
KINDS = {
    0: "none", 1: "receiving", 2: "complete", 3: "prepared", 4: "owner", 5: "frozen", 6: "backup",
}  # fmt: skip
STANDINGS = {0: "settled", 1: "silent", 2: "searching"}

DELAYS = (
    "request_delay", "negotiation_delay", "transfer_delay", "queueing_delay",
    "reinstantiation_delay", "handover_delay", "total_delay", "migration_delay",
)  # fmt: skip
"""Parts of a migration, fields of a report [s]."""

_REPORT = (
    "av_id", "migration", "error", "message", "moved", "asked", "source_rsu_id",
    "target_rsu_id", "owner_rsu_id", "epoch", "bandwidth", "price", "payment",
    "spectral_efficiency", "data", "size", "expected_delay", "tolerated_delay", *DELAYS,
    "downtime", "age_max", "session",
)  # fmt: skip
_STATUS = (
    "av_id", "x", "y", "connected_rsu_id", "time_to_exit", "owner_rsu_id", "backup_rsu_id",
    "epoch", "standing", "lease", "recoveries", "migration", "phase", "source_rsu_id",
    "target_rsu_id", "candidate_rsu_ids", "bytes_done", "bytes_total", "queue_position",
    "serving_rsu_id", "actions", "age", "age_max", "downtime", "session",
)  # fmt: skip
_HOST = (
    "rsu_id", "quality", "reputation", "merit", "queue_length", "stored", "actions",
    "messages_rejected", "session",
)  # fmt: skip
_COPY = (
    "av_ids", "kinds", "acting", "epochs", "versions", "sizes", "bytes_done", "other_ids", "leases"
)  # fmt: skip
_ACTION = (
    "av_id", "rsu_id", "epoch", "version", "state", "previous_state", "sequence", "speed",
    "heading", "session",
)  # fmt: skip
_QUALITY = ("rsu_id", "quality", "reputation", "merit")
_WORDS: dict[str, Callable[[Any], Any]] = {
    "error": lambda value: ERRORS.get(value, value),
    "phase": lambda value: PHASES.get(value, value),
    "standing": lambda value: STANDINGS.get(value, value),
    "kinds": lambda value: KINDS.get(int(value), value),
    "moved": int,
    "asked": int,
    "acting": int,
    "candidate_rsu_ids": lambda ids: " ".join(map(str, ids)),
}

Row = tuple[Any, ...]


def _values(message: Any, names: tuple[str, ...]) -> Row:
    return tuple(
        _WORDS[name](getattr(message, name)) if name in _WORDS else getattr(message, name)
        for name in names
    )


def _rows(names: tuple[str, ...]) -> Callable[[Any], Iterator[Row]]:
    """One row of each message."""

    def rows_of(received: Any) -> Iterator[Row]:
        yield _values(received.message, names)

    return rows_of


def _copies(received: Any) -> Iterator[Row]:
    """One row for each copy of a twin at an RSU."""
    message = received.message
    columns = [[_WORDS.get(name, _same)(v) for v in getattr(message, name)] for name in _COPY]
    for copy in zip(*columns, strict=True):
        yield message.rsu_id, *copy, message.session


def _same(value: Any) -> Any:
    return value


MIGRATION_TABLES: dict[str, tuple[str, tuple[str, ...], Callable[[Any], Iterator[Row]]]] = {
    "migrations": ("migration_reports", _REPORT, _rows(_REPORT)),
    "twin_status": ("twin_status", _STATUS, _rows(_STATUS)),
    "host_status": ("host_status", _HOST, _rows(_HOST)),
    "twin_copies": (
        "host_status",
        ("rsu_id", "av_id", "kind", "acting", "epoch", "version", "size", "bytes_done", "other_id",
         "lease", "session"),
        _copies,
    ),
    "twin_actions": ("twin_actions", _ACTION, _rows(_ACTION)),
    "service_quality": ("service_quality", _QUALITY, _rows(_QUALITY)),
}  # fmt: skip
"""By table: topic, columns after the times, rows of one message."""

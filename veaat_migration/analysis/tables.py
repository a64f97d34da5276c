"""One tidy table per topic: a row is one observation, a column one quantity.

Columns that every table of a topic begins with: ``stamp`` (data time, header) and
``receive_time`` (when the recorder received it), both in seconds since the epoch, and
``latency_ms``, their difference. docs/analysis.md explains all columns.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from veaat_migration.analysis.migration_tables import MIGRATION_TABLES
from veaat_migration.analysis.reading import Received, Recording
from veaat_migration.analysis.topics import ROLES

Row = tuple[Any, ...]

_TIMES = ("stamp", "receive_time", "latency_ms")
_STATES = {1: "waiting", 2: "playing", 3: "finished"}
_POLICY = (
    "policy_version", "policy_sha256", "policy_decisions", "policy_fallbacks", "policy_errors"
)  # fmt: skip
"""Fields of a status that recordings of older releases lack."""
_SOURCES = {1: "policy", 2: "fallback"}
_TRAINING = {0: "idle", 1: "training", 2: "paused", 3: "stopped", 4: "finished", 5: "failed"}
_LEVELS = {0: "ok", 1: "warn", 2: "error", 3: "stale"}


def _seconds(nanoseconds: int) -> str:
    """Exact decimal seconds: a float64 of today's date resolves only a quarter microsecond."""
    sign, nanoseconds = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    return f"{sign}{nanoseconds // 1_000_000_000}.{nanoseconds % 1_000_000_000:09d}"


def _times(received: Received) -> Row:
    stamp = received.stamp
    if stamp is None:
        return "", _seconds(received.receive_time), ""
    latency = (received.receive_time - stamp) / 1e6
    return _seconds(stamp), _seconds(received.receive_time), round(latency, 6)


def _price_offers(received: Received) -> Iterator[Row]:
    m = received.message
    yield (
        m.round, m.rsu_id, m.price, m.quality, int(m.closing), m.settled_round,
        len(m.settled_av_ids), float(sum(m.settled_bandwidth)), m.session,
    )  # fmt: skip


def _bandwidth_bids(received: Received) -> Iterator[Row]:
    m = received.message
    if not len(m.rsu_ids):
        yield m.round, m.av_id, "", "", "", "", int(m.leaving), m.session
    for answer in zip(m.rsu_ids, m.prices, m.qualities, m.bandwidth, strict=True):
        yield (m.round, m.av_id, *answer, int(m.leaving), m.session)


def _settlements(received: Received) -> Iterator[Row]:
    m = received.message
    common = (m.price, m.quality, m.duration, m.session)
    accepted = zip(m.av_ids, m.bandwidth, m.matching_probability, m.payment, strict=True)
    for av_id, *account in accepted:
        yield (m.round, m.rsu_id, av_id, "accepted", *account, *common)
    for av_id in m.missing_av_ids:
        yield (m.round, m.rsu_id, av_id, "missing", "", "", "", *common)
    if not len(m.av_ids) and not len(m.missing_av_ids):
        yield (m.round, m.rsu_id, "", "no buyer", "", "", "", *common)


def _node_status(received: Received) -> Iterator[Row]:
    m = received.message
    yield (
        ROLES.get(m.role, m.role), m.player_id, _STATES.get(m.state, m.state), m.round,
        m.rounds_completed, m.policy, " ".join(map(str, m.peer_ids)), m.messages_accepted,
        sum(map(int, m.rejection_counts)), m.deadline_misses, m.retransmissions, m.session,
        *(getattr(m, name, "") for name in _POLICY),
    )  # fmt: skip


def _rejections(received: Received) -> Iterator[Row]:
    m = received.message
    for reason, count in zip(m.rejection_reasons, m.rejection_counts, strict=True):
        yield ROLES.get(m.role, m.role), m.player_id, reason, count, m.session


def _round_status(received: Received) -> Iterator[Row]:
    m = received.message
    common = (int(m.complete), m.max_utility_deviation, m.duration)
    for rsu_id, price, utility in zip(m.rsu_ids, m.prices, m.utility_rsu, strict=True):
        yield (m.round, "rsu", rsu_id, price, utility, *common)
    for av_id, utility in zip(m.av_ids, m.utility_av, strict=True):
        yield (m.round, "av", av_id, "", utility, *common)


def _migration_decisions(received: Received) -> Iterator[Row]:
    m = received.message
    yield (
        m.round, m.av_id, m.target_rsu_id, m.bandwidth, m.expected_utility, m.expected_delay,
        m.delay_margin, _SOURCES.get(m.source, m.source), m.reason, m.policy_version,
        m.policy_sha256, m.decision_time, m.session,
    )  # fmt: skip


def _releases(received: Received) -> Iterator[Row]:
    m = received.message
    for entry in m.policies:
        yield (
            m.policy_version, ROLES.get(entry.role, entry.role), entry.agent_id, entry.sha256,
            entry.size, entry.sparsity, int(len(entry.signature) > 0), m.seed, m.iteration,
            m.gap, m.exploitability,
        )  # fmt: skip


def _training(received: Received) -> Iterator[Row]:
    m = received.message
    yield (
        _TRAINING.get(m.state, m.state), m.algorithm, m.seed, m.iteration, m.iterations, m.steps,
        m.steps_per_second, m.seconds_left, m.gap, m.exploitability, m.policy_version, m.message,
    )  # fmt: skip


def _diagnostics(received: Received) -> Iterator[Row]:
    for status in received.message.status:
        level = status.level if isinstance(status.level, int) else int(status.level[0])
        common = (status.name, status.hardware_id, _LEVELS.get(level, level), status.message)
        if not len(status.values):
            yield (*common, "", "")
        for pair in status.values:
            yield (*common, pair.key, pair.value)


_RowsOf = Callable[[Received], Iterator[Row]]

_TABLES: dict[str, tuple[str, tuple[str, ...], _RowsOf]] = {
    "price_offers": (
        "price_offers",
        ("round", "rsu_id", "price", "quality", "closing", "settled_round", "settled_avs",
         "settled_bandwidth", "session"),
        _price_offers,
    ),
    "bandwidth_bids": (
        "bandwidth_bids",
        ("round", "av_id", "rsu_id", "price", "quality", "bandwidth", "leaving", "session"),
        _bandwidth_bids,
    ),
    "settlements": (
        "settlements",
        ("round", "rsu_id", "av_id", "outcome", "bandwidth", "matching_probability", "payment",
         "price", "quality", "duration", "session"),
        _settlements,
    ),
    "node_status": (
        "node_status",
        ("role", "player_id", "state", "round", "rounds_completed", "policy", "peer_ids",
         "messages_accepted", "messages_rejected", "deadline_misses", "retransmissions",
         "session", *_POLICY),
        _node_status,
    ),
    "rejections": (
        "node_status",
        ("role", "player_id", "reason", "count", "session"),
        _rejections,
    ),
    "round_status": (
        "round_status",
        ("round", "role", "player_id", "price", "utility", "complete",
         "max_utility_deviation", "duration"),
        _round_status,
    ),
    "migration_decisions": (
        "migration_decision",
        ("round", "av_id", "target_rsu_id", "bandwidth", "expected_utility", "expected_delay",
         "delay_margin", "source", "reason", "policy_version", "policy_sha256", "decision_time",
         "session"),
        _migration_decisions,
    ),
    "policy_releases": (
        "policy_manifest",
        ("policy_version", "role", "player_id", "sha256", "size", "sparsity", "signed", "seed",
         "iteration", "gap", "exploitability"),
        _releases,
    ),
    "training_status": (
        "training_status",
        ("state", "algorithm", "seed", "iteration", "iterations", "steps", "steps_per_second",
         "seconds_left", "gap", "exploitability", "policy_version", "message"),
        _training,
    ),
    "diagnostics": (
        "diagnostics",
        ("name", "hardware_id", "level", "message", "key", "value"),
        _diagnostics,
    ),
    **MIGRATION_TABLES,
}  # fmt: skip
"""By table: topic, columns after the times, rows of one message."""

TABLES = tuple(_TABLES)


def columns(table: str) -> tuple[str, ...]:
    """Column names of one of :data:`TABLES`."""
    return _TIMES + _TABLES[table][1]


def rows(recording: Recording, table: str) -> Iterator[Row]:
    """Rows of one of :data:`TABLES`, in the order of reception.

    Messages whose arrays do not fit together are left out.
    """
    topic, _, rows_of = _TABLES[table]
    for received in recording.messages[topic]:
        try:
            content = list(rows_of(received))
        except ValueError:
            continue
        times = _times(received)
        for row in content:
            yield times + row


def write_csv(path: Path, header: Iterable[str], content: Iterable[Row]) -> int:
    """Write a comma-separated table with a header line; returns the number of rows."""
    count = 0
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for row in content:
            writer.writerow(row)
            count += 1
    return count


def write_tables(recording: Recording, folder: Path) -> list[Path]:
    """Write every table whose topic is in the bag as ``folder/TABLE.csv``; returns the paths."""
    written = []
    for table, (topic, _, _) in _TABLES.items():
        if recording.messages[topic]:
            path = folder / f"{table}.csv"
            write_csv(path, columns(table), rows(recording, table))
            written.append(path)
    return written

"""Reads rosbag2's SQLite files, to the first page that is missing."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from veaat_migration.analysis.storage import Channel, FileReport, RawMessage, Wanted

MAGIC = b"SQLite format 3\x00"


def _connect(path: Path) -> sqlite3.Connection:
    """Open read-only, with the write-ahead log of a killed recorder if there is one."""
    uri = path.resolve().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True)
    try:
        # With this, SQLite opens a file that is shorter than its header says.
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:
        # Reading a write-ahead log needs a writable folder.
        connection.close()
        connection = sqlite3.connect(f"{uri}?immutable=1", uri=True)
        connection.execute("PRAGMA writable_schema = ON")
    return connection


def _page_layout(path: Path) -> tuple[int, int]:
    """Page size and number of pages according to the file's head; (1, 0) if it has none."""
    with path.open("rb") as stream:
        head = stream.read(32)
    if len(head) < 32 or not head.startswith(MAGIC):
        return 1, 0
    size = int.from_bytes(head[16:18], "big")
    return (65536 if size == 1 else max(size, 1)), int.from_bytes(head[28:32], "big")


def _whole_pages(path: Path, scratch: Path, report: FileReport) -> Path:
    """The file, or a copy without the torn page at its end: SQLite would read zeros there."""
    page, count = _page_layout(path)
    missing = page * count - report.size
    if missing <= 0:
        return path
    report.lost_bytes = missing
    report.add_problem(f"is cut off: {missing} bytes are missing")
    if report.size % page == 0:
        return path
    copy = scratch / path.name
    shutil.copyfile(path, copy)
    os.truncate(copy, report.size - report.size % page)
    return copy


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _definitions(connection: sqlite3.Connection, report: FileReport) -> dict[str, str]:
    """Definitions by message type; those of the installed package serve where one is damaged."""
    if "encoded_message_definition" not in _columns(connection, "message_definitions"):
        return {}
    query = "SELECT topic_type, encoded_message_definition FROM message_definitions"
    try:
        return {str(name): str(text) for name, text in connection.execute(query)}
    except sqlite3.Error as error:
        report.add_problem(f"its message definitions are damaged ({error})")
        return {}


def _channels(connection: sqlite3.Connection, report: FileReport) -> dict[int, Channel]:
    definitions = _definitions(connection, report)
    query = "SELECT id, name, type, serialization_format FROM topics"
    return {
        number: Channel(str(topic), str(kind), definitions.get(str(kind), ""), str(encoding))
        for number, topic, kind, encoding in connection.execute(query)
    }


def read_sqlite(path: Path, report: FileReport, wanted: Wanted) -> Iterator[RawMessage]:
    """Yield the wanted messages in recording order; ``report`` says what could not be read."""
    if report.size == 0:
        report.add_problem("is empty")
        return
    try:
        with (
            TemporaryDirectory() as scratch,
            closing(_connect(_whole_pages(path, Path(scratch), report))) as connection,
        ):
            if not {"name", "type"} <= _columns(connection, "topics"):
                report.add_problem("is an SQLite file, but not of rosbag2")
                return
            yield from _messages(connection, report, wanted)
        report.closed = not report.problems
    except sqlite3.Error as error:
        report.add_problem(
            f"cannot be read further ({error}): {report.messages} messages read before that"
        )


def _messages(
    connection: sqlite3.Connection, report: FileReport, wanted: Wanted
) -> Iterator[RawMessage]:
    channels = _channels(connection, report)
    damaged = 0
    handed_out = {number for number, channel in channels.items() if wanted(channel)}
    for number, time, data in connection.execute(
        "SELECT topic_id, timestamp, data FROM messages ORDER BY id"
    ):
        channel = channels.get(number)
        if channel is None or not isinstance(time, int) or not isinstance(data, bytes):
            damaged += 1
            continue
        report.counts[channel.topic, channel.message_type] += 1
        if number in handed_out:
            yield RawMessage(channel, time, time, data)
    if damaged:
        report.add_problem(f"{damaged} rows are damaged")

"""Reads rosbag2's SQLite files, to the first page that is missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from veaat_migration.analysis.storage import Channel, FileReport, RawMessage, Wanted

MAGIC = b"SQLite format 3\x00"


def _connect(path: Path) -> sqlite3.Connection:
    """Open read-only, with the write-ahead log of a killed recorder if there is one."""
    uri = path.resolve().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:
        # Reading a write-ahead log needs a writable folder.
        connection.close()
        connection = sqlite3.connect(f"{uri}?immutable=1", uri=True)
    return connection


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _channels(connection: sqlite3.Connection) -> dict[int, Channel]:
    definitions: dict[str, str] = {}
    if "encoded_message_definition" in _columns(connection, "message_definitions"):
        definitions = {
            str(name): str(text)
            for name, text in connection.execute(
                "SELECT topic_type, encoded_message_definition FROM message_definitions"
            )
        }
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
        with closing(_connect(path)) as connection:
            if not {"name", "type"} <= _columns(connection, "topics"):
                report.add_problem("is an SQLite file, but not of rosbag2")
                return
            yield from _messages(connection, report, wanted)
        report.closed = True
    except sqlite3.Error as error:
        report.add_problem(
            f"is cut off or damaged ({error}): {report.messages} messages read before that"
        )


def _messages(
    connection: sqlite3.Connection, report: FileReport, wanted: Wanted
) -> Iterator[RawMessage]:
    channels = _channels(connection)
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

"""Reads MCAP files front to back, to the last complete message of an unfinished file.

The readers of the ``mcap`` and ``rosbags`` packages want the index at the end of the file, which
a killed recorder never wrote, and refuse or silently shorten what is cut. Here only the framing
is our own; records are parsed by ``mcap.records``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel as ChannelRecord
from mcap.records import Schema as SchemaRecord

from veaat_migration.analysis.storage import Channel, FileReport, RawMessage, Wanted

MAGIC = b"\x89MCAP0\r\n"

_RECORD = struct.Struct("<BQ")
_MESSAGE = struct.Struct("<HIQQ")
_CHUNK = struct.Struct("<QQQII")
_MALFORMED = (McapError, struct.error, UnicodeDecodeError, ValueError)


class _ChunkError(ValueError):
    """A chunk whose content cannot be had."""


class _Reader:
    """Knows the schemas and channels seen so far."""

    def __init__(self, report: FileReport, wanted: Wanted) -> None:
        self._report = report
        self._wanted = wanted
        self._schemas: dict[int, SchemaRecord] = {}
        self._channels: dict[int, tuple[Channel, bool]] = {}
        self.orphans = 0

    def record(self, opcode: int, body: memoryview) -> RawMessage | None:
        """Take in one record of the data section; the message if it is a wanted one."""
        if opcode == Opcode.MESSAGE:
            return self._message(body)
        if opcode == Opcode.SCHEMA:
            schema = SchemaRecord.read(ReadDataStream(BytesIO(body)))
            self._schemas[schema.id] = schema
        elif opcode == Opcode.CHANNEL:
            self._add_channel(ChannelRecord.read(ReadDataStream(BytesIO(body))))
        return None

    def _add_channel(self, record: ChannelRecord) -> None:
        schema = self._schemas.get(record.schema_id)
        channel = Channel(
            topic=record.topic,
            message_type=schema.name if schema else "",
            definition=schema.data.decode() if schema else "",
            encoding=record.message_encoding,
        )
        self._channels[record.id] = channel, self._wanted(channel)

    def _message(self, body: memoryview) -> RawMessage | None:
        number, _, log_time, publish_time = _MESSAGE.unpack_from(body)
        known = self._channels.get(number)
        if known is None:
            self.orphans += 1
            return None
        channel, wanted = known
        self._report.counts[channel.topic, channel.message_type] += 1
        if not wanted:
            return None
        return RawMessage(channel, log_time, publish_time, bytes(body[_MESSAGE.size :]))

    def chunk(self, body: bytes, *, cut: bool) -> Iterator[RawMessage]:
        """Messages of a chunk; of a cut one, those whose bytes are there."""
        content, size = _content(body, cut=cut)
        view = memoryview(content)
        position = 0
        while position + _RECORD.size <= len(view):
            opcode, length = _RECORD.unpack_from(view, position)
            end = position + _RECORD.size + length
            if end > len(view):
                break
            message = self.record(opcode, view[position + _RECORD.size : end])
            if message is not None:
                yield message
            position = end
        self._report.lost_bytes += max(0, size - position)


def _content(body: bytes, *, cut: bool) -> tuple[bytes, int]:
    """The records inside a chunk as far as they are there, and how many bytes they were once."""
    if len(body) < _CHUNK.size:
        raise _ChunkError("its head is incomplete")
    _, _, size, crc, name_length = _CHUNK.unpack_from(body)
    start = _CHUNK.size + name_length + 8
    if len(body) < start:
        raise _ChunkError("its head is incomplete")
    compression = body[_CHUNK.size : _CHUNK.size + name_length].decode("ascii", "replace")
    content = _decompress(body[start:], compression, size)
    if not cut and crc and zlib.crc32(content) != crc:
        raise _ChunkError("its checksum is wrong")
    return content, size


def _decompress(data: bytes, compression: str, size: int) -> bytes:
    """What a (possibly cut) compressed block holds."""
    if not compression:
        return data
    try:
        if compression == "zstd":
            import zstandard

            return zstandard.ZstdDecompressor().decompressobj().decompress(data)
        if compression == "lz4":
            import lz4.frame  # type: ignore[import-untyped]

            content: bytes = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=size)
            return content
    except Exception as error:
        # Each library has its own error types; all mean the same here.
        raise _ChunkError(f"its {compression} data is damaged ({error})") from error
    raise _ChunkError(f"its compression {compression!r} is not supported")


def read_mcap(stream: BinaryIO, report: FileReport, wanted: Wanted) -> Iterator[RawMessage]:
    """Yield the wanted messages in file order; ``report`` says what was found and what is lost."""
    if stream.read(len(MAGIC)) != MAGIC:
        report.lost_bytes = report.size
        report.add_problem("is empty" if report.size == 0 else "does not begin like an MCAP file")
        return
    reader = _Reader(report, wanted)
    position = len(MAGIC)
    data_ended = False
    while position < report.size and not report.closed:
        head = stream.read(_RECORD.size)
        position += len(head)
        if len(head) < _RECORD.size:
            break
        opcode, length = _RECORD.unpack(head)
        if opcode == 0:
            report.lost_bytes += report.size - position
            report.add_problem(f"is damaged from byte {position} on")
            break
        body = stream.read(min(length, report.size - position))
        cut = len(body) < length
        report.closed = opcode == Opcode.FOOTER and not cut and stream.read(len(MAGIC)) == MAGIC
        data_ended = data_ended or opcode == Opcode.DATA_END
        try:
            if opcode == Opcode.CHUNK:
                yield from reader.chunk(body, cut=cut)
            elif not cut and (message := reader.record(opcode, memoryview(body))) is not None:
                yield message
            elif cut and opcode == Opcode.MESSAGE:
                report.lost_bytes += len(body)
        except _MALFORMED as error:
            report.lost_bytes += len(body)
            if not cut:
                report.add_problem(f"the record at byte {position} is damaged: {error}")
        position += len(body)
    if reader.orphans:
        report.add_problem(f"{reader.orphans} messages belong to topics that it does not describe")
    if not report.closed:
        report.add_problem(_unclosed(report, data_ended))


def _unclosed(report: FileReport, data_ended: bool) -> str:
    if data_ended:
        return "its index is cut off; every message was read"
    if report.lost_bytes:
        return (
            "ends in the middle of a record (cut off, or its recorder was killed): "
            f"{report.messages} complete messages read, {report.lost_bytes} bytes of data lost"
        )
    return (
        "was not closed by its recorder (killed, or still recording): "
        f"{report.messages} complete messages read"
    )

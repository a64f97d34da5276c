"""A bag cut off anywhere gives up all that is complete and never crashes."""

from __future__ import annotations

import bisect
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.analysis.bag_writer import BagWriter
from veaat_migration.analysis.definitions import definition_text
from veaat_migration.analysis.reading import read_bag
from veaat_migration.analysis.storage import BagError
from veaat_migration.analysis.topics import GAME_TOPICS

EVERY = 16
"""Messages between two flushes."""


class Recorded:
    """A closed bag, and how many messages its file held at which size."""

    def __init__(self, game: Any, folder: Path, compression: str) -> None:
        writer = BagWriter(folder, compression=compression)
        topics = {
            name: writer.add_topic(f"/veaat/{name}", kind, definition=definition_text(kind))
            for name, kind in GAME_TOPICS.items()
        }
        self.sizes, self.written = [writer.path.stat().st_size], [0]
        for count, entry in enumerate(game.entries, start=1):
            data = game.types.serialise(entry.topic, entry.message)
            writer.write(topics[entry.topic], data, entry.receive_time, entry.receive_time)
            if count % EVERY == 0:
                writer.flush()
                self.sizes.append(writer.path.stat().st_size)
                self.written.append(count)
        writer.close()
        self.content = writer.path.read_bytes()
        self.receive_times = sorted(entry.receive_time for entry in game.entries)

    def flushed_within(self, size: int) -> int:
        """Messages that had been flushed when the file was at most this large."""
        return self.written[max(bisect.bisect_right(self.sizes, size) - 1, 0)]


@pytest.fixture(scope="module")
def recorded(types: Any, tmp_path_factory: pytest.TempPathFactory, request: Any) -> Recorded:
    from importlib import import_module

    play = import_module(type(types).__module__).play
    folder = tmp_path_factory.mktemp("bags") / "bag"
    return Recorded(play(types, 20), folder, request.param)


def read_times(path: Path) -> list[int]:
    try:
        recording = read_bag(path)
    except BagError:
        return []
    assert recording.problems
    return sorted(
        received.receive_time for found in recording.messages.values() for received in found
    )


@pytest.mark.parametrize("recorded", ["none", "zstd"], indirect=True)
@given(share=st.floats(0.0, 1.0, exclude_max=True))
@settings(deadline=None, max_examples=60)
def test_a_cut_file_keeps_at_least_every_flushed_message(
    recorded: Recorded, tmp_path_factory: pytest.TempPathFactory, share: float
):
    size = int(share * len(recorded.content))
    path = tmp_path_factory.mktemp("cut") / "cut.mcap"
    path.write_bytes(recorded.content[:size])
    times = read_times(path)
    assert len(times) >= recorded.flushed_within(size)
    assert times == recorded.receive_times[: len(times)]


@pytest.mark.parametrize("recorded", ["none"], indirect=True)
def test_messages_of_an_unfinished_chunk_are_kept(recorded: Recorded, tmp_path: Path):
    size = recorded.sizes[-1] - 3000
    path = tmp_path / "cut.mcap"
    path.write_bytes(recorded.content[:size])
    assert len(read_times(path)) > recorded.flushed_within(size)


@pytest.mark.parametrize("recorded", ["none"], indirect=True)
def test_a_record_that_claims_to_be_huge_ends_the_file(recorded: Recorded, tmp_path: Path):
    path = tmp_path / "huge.mcap"
    claim = b"\x06" + (2**62).to_bytes(8, "little") + b"rest"
    path.write_bytes(recorded.content[: recorded.sizes[3]] + claim)
    assert len(read_times(path)) == recorded.written[3]


@pytest.mark.parametrize("recorded", ["none", "zstd"], indirect=True)
@given(position=st.floats(0.0, 1.0, exclude_max=True), flip=st.integers(1, 255))
@settings(deadline=None, max_examples=60)
def test_a_flipped_byte_never_crashes_the_reader(
    recorded: Recorded, tmp_path_factory: pytest.TempPathFactory, position: float, flip: int
):
    content = bytearray(recorded.content)
    content[int(position * len(content))] ^= flip
    path = tmp_path_factory.mktemp("flip") / "flip.mcap"
    path.write_bytes(bytes(content))
    try:
        recording = read_bag(path)
    except BagError:
        return
    assert recording.total_messages <= len(recorded.receive_times)


class Database:
    """A closed SQLite bag and when each of its messages was received."""

    def __init__(self, content: bytes, sent: list[int]) -> None:
        self.content, self.sent = content, sent


@pytest.fixture(scope="module")
def database(types: Any, tmp_path_factory: pytest.TempPathFactory) -> Database:
    from importlib import import_module

    game = import_module(type(types).__module__).play(types, 150)
    bag = game.write(tmp_path_factory.mktemp("bags") / "bag", storage="sqlite3")
    return Database((bag / "bag.db3").read_bytes(), [entry.receive_time for entry in game.entries])


@given(share=st.floats(0.0, 1.0, exclude_max=True))
@settings(deadline=None, max_examples=25)
def test_a_cut_database_gives_up_its_first_messages(
    database: Database, tmp_path_factory: pytest.TempPathFactory, share: float
):
    content, sent = database.content, database.sent
    path = tmp_path_factory.mktemp("cut") / "cut.db3"
    path.write_bytes(content[: int(share * len(content))])
    times = read_times(path)
    assert times == sorted(sent[: len(times)])


def test_half_a_database_is_not_lost(database: Database, tmp_path: Path):
    content, sent = database.content, database.sent
    path = tmp_path / "half.db3"
    path.write_bytes(content[: len(content) // 2])
    assert len(read_times(path)) > len(sent) // 4

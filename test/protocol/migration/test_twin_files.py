"""Twins and decisions in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from veaat_migration.protocol.migration.codes import CopyKind
from veaat_migration.protocol.migration.file_store import FileJournal, FileStore, StoreError
from veaat_migration.protocol.migration.store import Copy, MemoryStore, Ownership

COPY = Copy(
    av_id=7,
    kind=CopyKind.PREPARED,
    epoch=2**63,
    migration=12,
    other_id=3,
    image=12,
    digest=bytes(range(32)),
    size=9,
    version=4,
    live=b"\x00\xff",
    data=1.5,
    cycles=2.5,
)
OWNERSHIP = Ownership(session=2**62, epoch=9, owner_id=1, backup_id=2, granted=3, basis=4)


@pytest.mark.parametrize("sync", [True, False])
def test_what_was_written_is_read_by_the_next_life(tmp_path: Path, sync: bool) -> None:
    store = FileStore(tmp_path, sync=sync)
    store.write("coming", COPY)
    store.append_image(7, 12, b"abc")
    store.append_image(7, 12, b"def")

    after = FileStore(tmp_path)
    assert after.copies("coming") == [COPY]
    assert after.copies("held") == []
    assert after.images() == [(7, 12)]
    assert (after.image_size(7, 12), after.read_image(7, 12)) == (6, b"abcdef")

    after.erase("coming", 7)
    after.erase("coming", 7)
    after.drop_image(7, 12)
    after.drop_image(7, 12)
    assert (after.copies("coming"), after.images(), after.image_size(7, 12)) == ([], [], 0)


def test_files_and_memory_behave_alike(tmp_path: Path) -> None:
    for store in (FileStore(tmp_path), MemoryStore()):
        store.write("held", COPY)
        store.write("held", COPY)
        assert store.copies("held") == [COPY]
        assert store.read_image(1, 1) == b""


@pytest.mark.parametrize("damage", [b"", b"{}", b"00000000 {}", b"\xff\xfe", b"zz"])
def test_a_damaged_record_counts_as_lost_and_is_put_aside(tmp_path: Path, damage: bytes) -> None:
    FileStore(tmp_path).write("held", COPY)
    (tmp_path / "held" / "7.json").write_bytes(damage)
    store = FileStore(tmp_path)
    assert store.copies("held") == []
    assert (tmp_path / "held" / "7.damaged").read_bytes() == damage
    store.write("held", COPY)
    assert store.copies("held") == [COPY]


def test_a_flipped_bit_in_a_record_is_noticed(tmp_path: Path) -> None:
    FileStore(tmp_path).write("held", COPY)
    path = tmp_path / "held" / "7.json"
    content = bytearray(path.read_bytes())
    for position in range(0, len(content), 7):
        content[position] ^= 4
        path.write_bytes(content)
        assert FileStore(tmp_path).copies("held") == []
        content[position] ^= 4


def test_a_write_that_was_cut_short_leaves_the_old_record(tmp_path: Path) -> None:
    FileStore(tmp_path).write("held", COPY)
    (tmp_path / "held" / "7.new").write_text("half of a rec")
    assert FileStore(tmp_path).copies("held") == [COPY]


def test_an_av_remembers_its_decisions(tmp_path: Path) -> None:
    path = tmp_path / "av" / "7.json"
    assert FileJournal(path).load() is None
    FileJournal(path).save(OWNERSHIP)
    assert FileJournal(path).load() == OWNERSHIP
    path.write_text(path.read_text()[:-5])
    assert FileJournal(path).load() is None


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        FileStore(tmp_path / "file")
    with pytest.raises(StoreError, match="file"):
        FileJournal(tmp_path / "file" / "av" / "1.json")

"""What is on the disk before what depends on it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from veaat_migration.protocol.migration import file_store
from veaat_migration.protocol.migration.codes import CopyKind
from veaat_migration.protocol.migration.custody import Custody
from veaat_migration.protocol.migration.file_store import FileStore
from veaat_migration.protocol.migration.messages import Proposal
from veaat_migration.protocol.migration.store import MemoryStore
from veaat_migration.protocol.migration.twin import image_digest

IMAGE = bytes(range(250)) * 4


class Noting(MemoryStore):
    """A store that notes what is done."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Any] = []

    def write(self, slot: Any, copy: Any) -> None:
        self.done.append(copy.kind)
        super().write(slot, copy)

    def sync_image(self, av_id: int, image: int) -> None:
        super().sync_image(av_id, image)
        self.done.append("sync")

    def read_image(self, av_id: int, image: int, size: int = -1) -> bytes:
        self.done.append("read")
        return super().read_image(av_id, image, size)


def proposal() -> Proposal:
    digest = image_digest(IMAGE)
    return Proposal(4, 9, 1, 2, 1, len(IMAGE), 100, digest, 0, b"", 1.0, 1.0)


def received(store: Noting) -> Custody:
    custody = Custody(1, store)
    copy = custody.accept(proposal(), reuse=False)
    custody.append(copy, IMAGE[:600])
    custody.append(copy, IMAGE[600:])
    return custody


def test_an_image_is_on_the_disk_before_it_counts_as_complete():
    store = Noting()
    assert received(store).complete(4)
    assert store.done == [CopyKind.RECEIVING, "sync", CopyKind.COMPLETE]


def test_an_image_that_came_over_two_lives_is_read_again():
    store = Noting()
    custody = Custody(1, store)
    custody.append(custody.accept(proposal(), reuse=False), IMAGE[:600])
    again = Custody(1, store)
    again.append(again.coming[4], IMAGE[600:])
    store.done.clear()
    assert again.complete(4)
    assert store.done == ["read", "sync", CopyKind.COMPLETE]


@pytest.mark.parametrize("lives", [1, 2])
def test_a_damaged_image_is_dropped(lives: int):
    store = Noting()
    custody = Custody(1, store)
    copy = custody.accept(proposal(), reuse=False)
    custody.append(copy, IMAGE[:600])
    if lives == 2:
        custody = Custody(1, store)
    custody.append(copy, bytes(400))
    assert not custody.complete(4)
    assert custody.received(copy) == 0
    custody.append(copy, IMAGE)
    assert custody.complete(4)


def test_files_are_synced_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[str] = []
    monkeypatch.setattr(file_store, "SYNC_BYTES", 1000)
    monkeypatch.setattr(file_store, "_sync_file", lambda path: synced.append(path.name))
    store = FileStore(tmp_path)
    for _ in range(25):
        store.append_image(1, 2, bytes(100))
    assert synced == ["1-2.image"] * 2
    store.sync_image(1, 2)
    assert len(synced) == 3
    FileStore(tmp_path, sync=False).sync_image(1, 2)
    assert len(synced) == 3


def test_the_beginning_of_an_image_can_be_read(tmp_path: Path):
    store = FileStore(tmp_path)
    store.append_image(1, 2, IMAGE)
    assert store.read_image(1, 2, 10) == IMAGE[:10]
    assert store.read_image(1, 2) == IMAGE
    assert store.read_image(1, 3, 10) == b""

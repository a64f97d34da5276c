"""Twins and decisions in files, so that they outlive a process that is killed.

A record is one small JSON file with a checksum. It is written beside the old one and takes its
place at once (rename), so a reader finds the old or the new one, never half of it. An image is a
file that grows; what its record says about its size and digest decides whether it is all there.
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from veaat_migration.errors import VeaatError
from veaat_migration.protocol.migration.codes import CopyKind
from veaat_migration.protocol.migration.store import SLOTS, Copy, Ownership, Slot

RECORD = ".json"
IMAGE = ".image"
DAMAGED = ".damaged"
SYNC_BYTES = 2**23
"""So much of an image may be lost with the power before it is complete [bytes]."""


class StoreError(VeaatError, OSError):
    """A folder for twins cannot be used; the message says which and why."""


class FileStore:
    """A :class:`TwinStore` in a folder of its own."""

    def __init__(self, folder: Path, *, sync: bool = True) -> None:
        """Open or create it.

        Args:
            folder: only for this RSU.
            sync: wait for the disk at each write, to survive a loss of power as well as the end
                of the process.

        Raises:
            StoreError: it cannot be made or read.
        """
        self._folder = folder
        self._sync = sync
        self._unsynced: dict[tuple[int, int], int] = {}
        try:
            for slot in SLOTS:
                (folder / slot).mkdir(parents=True, exist_ok=True)
            (folder / "images").mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(f"{folder}: cannot keep twins here: {error.strerror}") from error

    def copies(self, slot: Slot) -> list[Copy]:
        """All that is written in a slot; a damaged record is put aside and counts as lost."""
        found = []
        for path in sorted((self._folder / slot).glob(f"*{RECORD}")):
            values = _read(path)
            copy = None if values is None else _copy(values)
            if copy is None or path.stem != str(copy.av_id):
                path.replace(path.with_suffix(DAMAGED))
            else:
                found.append(copy)
        return found

    def write(self, slot: Slot, copy: Copy) -> None:
        """Write or replace a copy."""
        values = asdict(copy)
        for name in ("digest", "live"):
            values[name] = base64.b64encode(values[name]).decode()
        _write(self._record(slot, copy.av_id), values, sync=self._sync)

    def erase(self, slot: Slot, av_id: int) -> None:
        """Forget a copy."""
        self._record(slot, av_id).unlink(missing_ok=True)
        if self._sync:
            _sync_folder(self._folder / slot)

    def image_size(self, av_id: int, image: int) -> int:
        """Bytes there are of an image."""
        path = self._image(av_id, image)
        return path.stat().st_size if path.exists() else 0

    def append_image(self, av_id: int, image: int, content: bytes) -> None:
        """Add bytes to the end of an image."""
        with self._image(av_id, image).open("ab") as file:
            file.write(content)
        # A little at a time: all of a large image at its end would take long.
        waiting = self._unsynced.get((av_id, image), 0) + len(content)
        self._unsynced[av_id, image] = waiting
        if waiting >= SYNC_BYTES:
            self.sync_image(av_id, image)

    def sync_image(self, av_id: int, image: int) -> None:
        """See to it that all bytes of an image are on the disk."""
        self._unsynced.pop((av_id, image), None)
        path = self._image(av_id, image)
        if self._sync and path.exists():
            _sync_file(path)
            _sync_folder(path.parent)

    def read_image(self, av_id: int, image: int, size: int = -1) -> bytes:
        """All bytes there are of an image, or the first ``size`` of them."""
        path = self._image(av_id, image)
        if not path.exists():
            return b""
        with path.open("rb") as file:
            return file.read(size)

    def drop_image(self, av_id: int, image: int) -> None:
        """Forget an image."""
        self._unsynced.pop((av_id, image), None)
        self._image(av_id, image).unlink(missing_ok=True)

    def images(self) -> list[tuple[int, int]]:
        """AV and name of all images."""
        found = []
        for path in (self._folder / "images").glob(f"*{IMAGE}"):
            av_id, _, image = path.stem.partition("-")
            if av_id.isdecimal() and image.isdecimal():
                found.append((int(av_id), int(image)))
        return found

    def _record(self, slot: Slot, av_id: int) -> Path:
        return self._folder / slot / f"{av_id}{RECORD}"

    def _image(self, av_id: int, image: int) -> Path:
        return self._folder / "images" / f"{av_id}-{image}{IMAGE}"


class FileJournal:
    """An :class:`OwnershipJournal` in a file."""

    def __init__(self, path: Path, *, sync: bool = True) -> None:
        """Use a file; its folder is created if missing.

        Raises:
            StoreError: the folder cannot be made.
        """
        self._path = path
        self._sync = sync
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"{path.parent}: cannot keep an AV's records here: {error.strerror}"
            raise StoreError(message) from error

    def load(self) -> Ownership | None:
        """What was saved last; a damaged file counts as lost."""
        values = _read(self._path)
        names = Ownership.__dataclass_fields__
        if values is None or set(values) != set(names):
            return None
        return Ownership(**values) if all(type(v) is int for v in values.values()) else None

    def save(self, ownership: Ownership) -> None:
        """Replace it."""
        _write(self._path, asdict(ownership), sync=self._sync)


def _write(path: Path, values: dict[str, Any], *, sync: bool) -> None:
    text = json.dumps(values)
    beside = path.with_suffix(".new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(f"{zlib.crc32(text.encode()):08x} {text}\n")
        if sync:
            file.flush()
            os.fsync(file.fileno())
    beside.replace(path)
    if sync:
        _sync_folder(path.parent)


def _read(path: Path) -> dict[str, Any] | None:
    """The content of a record; None: there is none, or it is damaged."""
    try:
        checksum, _, text = path.read_text(encoding="utf-8").rstrip("\n").partition(" ")
        if int(checksum, 16) != zlib.crc32(text.encode()):
            return None
        values = json.loads(text)
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def _copy(values: dict[str, Any]) -> Copy | None:
    try:
        for name in ("digest", "live"):
            values[name] = base64.b64decode(values[name], validate=True)
        values["kind"] = CopyKind(values["kind"])
        return Copy(**values)
    except (KeyError, TypeError, ValueError):
        return None


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename or removal last: it is a change of the folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

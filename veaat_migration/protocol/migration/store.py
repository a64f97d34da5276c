"""What an RSU and an AV must not forget when they die: interfaces, and stores in memory.

A record is on the disk when its write returns, an image when it was synced; machines write before
they say what depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from veaat_migration.protocol.migration.codes import CopyKind

Slot = Literal["held", "coming"]
"""An RSU may hold an old copy of a twin while a new one is coming."""

SLOTS: tuple[Slot, ...] = ("held", "coming")


@dataclass(frozen=True, slots=True)
class Copy:
    """What an RSU knows of one copy of a twin, without its image."""

    av_id: int
    kind: CopyKind
    epoch: int
    """In which the copy was owned; of a copy on its way: the source's."""
    migration: int
    """That brought the copy (coming, owner), or that takes it away (frozen, backup)."""
    other_id: int
    """Its source (coming), target (frozen) or successor (backup)."""
    image: int
    """Name of the image in the store: the migration that brought it."""
    digest: bytes
    size: int
    version: int
    live: bytes
    data: float
    cycles: float


@dataclass(frozen=True, slots=True)
class Ownership:
    """What an AV has decided about its twin."""

    session: int
    """Largest session of the AV so far."""
    epoch: int
    owner_id: int
    """0: the twin is at home in the AV."""
    backup_id: int
    granted: int
    basis: int


class TwinStore(Protocol):
    """An RSU's disk."""

    def copies(self, slot: Slot) -> list[Copy]:
        """All that is written in a slot."""
        ...

    def write(self, slot: Slot, copy: Copy) -> None:
        """Write or replace the copy of one AV's twin, all or nothing."""
        ...

    def erase(self, slot: Slot, av_id: int) -> None:
        """Forget a copy; harmless if there is none."""
        ...

    def image_size(self, av_id: int, image: int) -> int:
        """Bytes there are of an image."""
        ...

    def append_image(self, av_id: int, image: int, content: bytes) -> None:
        """Add bytes to the end of an image; they may be lost until :meth:`sync_image`."""
        ...

    def sync_image(self, av_id: int, image: int) -> None:
        """See to it that all bytes of an image are on the disk."""
        ...

    def read_image(self, av_id: int, image: int, size: int = -1) -> bytes:
        """All bytes there are of an image, or the first ``size`` of them."""
        ...

    def drop_image(self, av_id: int, image: int) -> None:
        """Forget an image; harmless if there is none."""
        ...

    def images(self) -> list[tuple[int, int]]:
        """AV and name of all images."""
        ...


class OwnershipJournal(Protocol):
    """An AV's disk."""

    def load(self) -> Ownership | None:
        """What was saved last; None: nothing, or the disk was lost."""
        ...

    def save(self, ownership: Ownership) -> None:
        """Replace it, all or nothing."""
        ...


class MemoryStore:
    """A :class:`TwinStore` that lasts as long as its owner keeps it."""

    def __init__(self) -> None:
        """Begin empty."""
        self._copies: dict[Slot, dict[int, Copy]] = {"held": {}, "coming": {}}
        self._images: dict[tuple[int, int], bytearray] = {}

    def copies(self, slot: Slot) -> list[Copy]:
        """All that is written in a slot."""
        return list(self._copies[slot].values())

    def write(self, slot: Slot, copy: Copy) -> None:
        """Write or replace a copy."""
        self._copies[slot][copy.av_id] = copy

    def erase(self, slot: Slot, av_id: int) -> None:
        """Forget a copy."""
        self._copies[slot].pop(av_id, None)

    def image_size(self, av_id: int, image: int) -> int:
        """Bytes there are of an image."""
        return len(self._images.get((av_id, image), b""))

    def append_image(self, av_id: int, image: int, content: bytes) -> None:
        """Add bytes to the end of an image."""
        self._images.setdefault((av_id, image), bytearray()).extend(content)

    def sync_image(self, av_id: int, image: int) -> None:
        """Nothing to do."""

    def read_image(self, av_id: int, image: int, size: int = -1) -> bytes:
        """All bytes there are of an image, or the first ``size`` of them."""
        content = bytes(self._images.get((av_id, image), b""))
        return content if size < 0 else content[:size]

    def drop_image(self, av_id: int, image: int) -> None:
        """Forget an image."""
        self._images.pop((av_id, image), None)

    def images(self) -> list[tuple[int, int]]:
        """AV and name of all images."""
        return list(self._images)


class MemoryJournal:
    """An :class:`OwnershipJournal` that lasts as long as its owner keeps it."""

    def __init__(self, ownership: Ownership | None = None) -> None:
        """Begin with what is known: None makes the AV look for its twin first."""
        self._ownership = ownership

    def load(self) -> Ownership | None:
        """What was saved last."""
        return self._ownership

    def save(self, ownership: Ownership) -> None:
        """Replace it."""
        self._ownership = ownership


AT_HOME = Ownership(session=0, epoch=0, owner_id=0, backup_id=0, granted=0, basis=0)
"""Of an AV that is known never to have deployed its twin."""

"""The state of a twin: bytes that must arrive as they left."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from veaat_migration.errors import VeaatError

LIVE_MAX = 65_536
"""Most bytes of the live state: it travels in one message."""
BITS_PER_MBIT = 1e6


class TwinError(VeaatError, ValueError):
    """A twin's state or what is asked of it makes no sense; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Twin:
    """One AV's twin: the image that a transfer moves in advance, and the state that goes last."""

    image: bytes
    """Vehicle configuration, history, model: does not change while the twin is at one RSU."""
    live: bytes = b""
    """What each step of the service changes, at most ``LIVE_MAX`` bytes."""
    version: int = 0
    """Number of changes of ``live``."""
    data: float = 0.0
    """D_i, amount that a transfer counts as [Mbit]; 0: as many as ``image`` has."""
    cycles: float = 0.0
    """C_i, work to re-instantiate it [Gcycles]."""

    def __post_init__(self) -> None:
        """Check sizes and fill in ``data``.

        Raises:
            TwinError: no image, too much live state, or a negative amount.
        """
        if not self.image:
            raise TwinError("image: must have at least one byte")
        check_live(self.live)
        if not (self.data >= 0.0 and self.cycles >= 0.0):
            raise TwinError(f"data, cycles: must be >= 0, got {self.data:g}, {self.cycles:g}")
        if self.data == 0.0:
            object.__setattr__(self, "data", 8 * len(self.image) / BITS_PER_MBIT)


def check_live(live: bytes) -> None:
    """Check that a live state fits a message.

    Raises:
        TwinError: it is longer than ``LIVE_MAX``.
    """
    if len(live) > LIVE_MAX:
        raise TwinError(f"live: must have at most {LIVE_MAX} bytes, got {len(live)}")


def image_digest(image: bytes) -> bytes:
    """SHA-256 of an image, 32 bytes."""
    return hashlib.sha256(image).digest()


class ImageHash:
    """The same of an image that comes piece by piece."""

    def __init__(self) -> None:
        """Of nothing yet."""
        self.size = 0
        self._hash = hashlib.sha256()

    def add(self, content: bytes) -> None:
        """Add the next bytes."""
        self.size += len(content)
        self._hash.update(content)

    def digest(self) -> bytes:
        """SHA-256 of all bytes so far."""
        return self._hash.digest()


def live_digest(version: int, live: bytes) -> bytes:
    """SHA-256 of a live state together with its version, 32 bytes."""
    return hashlib.sha256(struct.pack("<Q", version) + live).digest()

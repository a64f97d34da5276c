"""What one storage file of a bag yields, whatever its format and however it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from veaat_migration.errors import VeaatError


class BagError(VeaatError):
    """A bag that cannot be read at all."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic as a storage file describes it."""

    topic: str
    message_type: str
    definition: str = ""
    """Message definition text; "" if the file carries none."""
    encoding: str = "cdr"


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One serialised message; times in nanoseconds since the epoch."""

    channel: Channel
    receive_time: int
    publish_time: int
    data: bytes


@dataclass
class FileReport:
    """How far a storage file could be read."""

    path: Path
    size: int
    """[bytes]"""
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Messages read by (topic, message type)."""
    closed: bool = False
    """The file has its end: its recorder closed it and nothing is cut off."""
    lost_bytes: int = 0
    """Message data known to be missing or unusable [bytes]."""
    problems: list[str] = field(default_factory=list)

    @property
    def messages(self) -> int:
        """Complete messages of all topics in the file."""
        return sum(self.counts.values())

    def add_problem(self, text: str) -> None:
        """Note what is wrong, with the file's name in front."""
        self.problems.append(f"{self.path.name}: {text}")


Wanted = Callable[[Channel], bool]
"""Says whether the messages of a channel are to be handed out; the others are only counted."""

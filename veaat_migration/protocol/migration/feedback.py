"""What an AV's machine tells its user about a migration."""

from __future__ import annotations

from dataclasses import dataclass

from veaat_migration.protocol.migration.codes import ErrorCode, Phase


@dataclass(frozen=True, slots=True)
class Feedback:
    """Where a migration stands."""

    migration: int
    phase: Phase
    target_id: int = 0
    """0: not yet known."""
    bytes_done: int = 0
    bytes_total: int = 0
    position: int = 0
    """Jobs ahead in the target's queue."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a migration ended."""

    migration: int
    source_id: int
    target_id: int
    error: ErrorCode
    reason: str
    moved: bool
    """Whether the target owns the twin: with ``error`` 0, or when superseded or canceled late."""
    seconds: float
    """Since the request."""


@dataclass(frozen=True, slots=True)
class OwnerChanged:
    """The AV has decided who owns its twin."""

    epoch: int
    owner_id: int
    recovered: bool
    """An older copy took the place of one that was lost or out of reach."""


Report = Feedback | Outcome | OwnerChanged

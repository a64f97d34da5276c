"""What becomes of a policy that was offered: accepted, or refused for a reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.runtime import Actor


class RefusalReason(str, Enum):
    """Why a release or content was not taken."""

    ANNOUNCEMENT = "announcement"
    """What was announced makes no sense: no digest, no size, a version out of range."""
    OVERSIZED = "oversized"
    """More bytes than may be received."""
    SIZE = "size"
    """Another number of bytes than announced: cut off, or something else."""
    DIGEST = "digest"
    """Other bytes than announced."""
    UNSIGNED = "unsigned"
    """A signature is asked for and there is none."""
    SIGNATURE = "signature"
    """The signature is not that of the key's owner over these bytes."""
    CORRUPT = "corrupt"
    """Not a policy file, or of a format that is not known here."""
    MISMATCH = "mismatch"
    """A policy of another agent, other players, another game or another release."""
    OLDER = "older"
    """Not newer than the one in use."""
    SELF_TEST = "self_test"
    """It does not answer as a policy must, or not on this runtime."""
    STORE = "store"
    """What was kept on disk cannot be read."""


class EntryLike(Protocol):
    """One agent's part of a release, such as a PolicyEntry message."""

    role: int
    agent_id: int
    sha256: str
    size: int


@dataclass(frozen=True)
class Accepted:
    """A policy that may be played."""

    artifact: PolicyArtifact
    actor: Actor
    """Made from the artifact, tried, ready to be swapped in."""
    content: bytes
    """The file, as it came."""
    signature: bytes
    """Over the content; empty: not signed."""
    sha256: str
    """SHA-256 of the content, 64 hexadecimal digits."""
    version: int
    """policy_version of its release."""
    new: bool = True
    """False: it was in use already."""


@dataclass(frozen=True)
class Refused:
    """Why content was not accepted."""

    reason: RefusalReason
    message: str
    """For a person."""

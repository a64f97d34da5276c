"""One release of policies on disk, read with care."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veaat_migration.errors import VeaatError
from veaat_migration.policy.artifact import MAX_FILE_SIZE, PolicyFileError
from veaat_migration.policy.checks import MAX_COUNT, SchemaError, keys, list_of, whole
from veaat_migration.policy.network_file import parse_json
from veaat_migration.policy.policy_files import FILE_NAME, read_limited
from veaat_migration.policy.schema import FORMAT_VERSION, ROLES
from veaat_migration.policy.signature import SIGNATURE_SIZE, read_signature

RELEASE = "release.json"
RELEASE_FORMAT = "veaat-policy-release"
RELEASE_VERSION = 1
MAX_RELEASE_SIZE = 4 << 20
"""Most bytes of ``release.json``."""
_KEYS = (
    *("format", "version", "policy_version", "format_version", "training", "seed", "iteration"),
    *("game", "gap", "exploitability", "final", "released", "policies"),
)
POLICY_KEYS = ("role", "id", "file", "sha256", "size", "sparsity")


class ReleaseError(VeaatError):
    """A release that cannot be written, or a file that no release has."""


@dataclass(frozen=True)
class Figures:
    """How good policies are; NaN: not known."""

    gap: float
    """Largest relative distance of a utility from the equilibrium."""
    exploitability: float
    """Largest relative gain of one player who deviates."""


@dataclass(frozen=True)
class Origin:
    """Which training and which game policies come from."""

    training: str
    """SHA-256 of the training configuration."""
    seed: int
    iteration: int
    game: str
    """SHA-256 of the game's numbers: releases of one game can be compared."""


@dataclass(frozen=True)
class ReleasedPolicy:
    """One agent's file in a release."""

    role: str
    agent_id: int
    path: Path
    sha256: str
    """Digest of the file's bytes, 64 hexadecimal digits."""
    size: int
    sparsity: float
    signature: bytes
    """Empty: not signed."""

    def read(self) -> bytes:
        """The file's content.

        Raises:
            ReleaseError: it is no longer what was released.
        """
        try:
            content = read_limited(self.path, MAX_FILE_SIZE)
        except PolicyFileError as error:
            raise ReleaseError(str(error)) from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise ReleaseError(f"{self.path}: is no longer the file that was released")
        return content


@dataclass(frozen=True)
class Release:
    """Policies of all agents of a game, given out together."""

    policy_version: int
    origin: Origin
    figures: Figures
    final: bool
    """Whether they are those of the end of a training run."""
    released: float
    """When [s since 1970]."""
    policies: tuple[ReleasedPolicy, ...]
    """Leaders first, each role by id."""
    format_version: int = FORMAT_VERSION


def read_release(folder: Path, version: int) -> Release:
    """Read and check a release.

    Raises:
        SchemaError: ``release.json`` is malformed.
        PolicyFileError: a file is missing, damaged or cannot be read.
    """
    try:
        top = keys(RELEASE, parse_json(read_limited(folder / RELEASE, MAX_RELEASE_SIZE)), _KEYS)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"{RELEASE}: {error}") from error
    if top["format"] != RELEASE_FORMAT or top["version"] != RELEASE_VERSION:
        raise SchemaError(f"format: must be {RELEASE_FORMAT!r}, version {RELEASE_VERSION}")
    if top["policy_version"] != version:
        raise SchemaError(f"policy_version: must be {version}, as the folder is named")
    for name in ("format_version", "seed", "iteration"):
        whole(name, top[name], 0, MAX_COUNT)
    for name in ("training", "game"):
        if not isinstance(top[name], str):
            raise SchemaError(f"{name}: must be text")
    return Release(
        policy_version=version,
        origin=Origin(top["training"], top["seed"], top["iteration"], top["game"]),
        figures=Figures(_number("gap", top["gap"]), _number("gain", top["exploitability"])),
        final=top["final"] is True,
        released=_number("released", top["released"]),
        policies=tuple(
            _policy(f"policies[{k}]", entry, folder)
            for k, entry in enumerate(list_of("policies", top["policies"]))
        ),
        format_version=top["format_version"],
    )


def _policy(path: str, value: Any, folder: Path) -> ReleasedPolicy:
    entry = keys(path, value, POLICY_KEYS)
    if entry["role"] not in ROLES:
        raise SchemaError(f"{path}.role: must be one of {ROLES}")
    whole(f"{path}.id", entry["id"], 1, MAX_COUNT)
    whole(f"{path}.size", entry["size"], 1, MAX_FILE_SIZE)
    if not (isinstance(entry["file"], str) and FILE_NAME.fullmatch(entry["file"])):
        raise SchemaError(f"{path}.file: must be the name of a file in the same folder")
    file = folder / entry["file"]
    signature = read_signature(file)
    if len(signature) not in (0, SIGNATURE_SIZE):
        raise SchemaError(f"{path}: its signature must have {SIGNATURE_SIZE} bytes")
    policy = ReleasedPolicy(
        role=entry["role"],
        agent_id=entry["id"],
        path=file,
        sha256=str(entry["sha256"]),
        size=entry["size"],
        sparsity=_number(f"{path}.sparsity", entry["sparsity"]),
        signature=signature,
    )
    try:
        size = len(policy.read())
    except ReleaseError as error:
        raise SchemaError(f"{path}: {error}") from error
    if size != policy.size:
        raise SchemaError(f"{path}.size: must be {size}, as the file has")
    return policy


def _number(path: str, value: Any) -> float:
    if value is None:
        return math.nan
    if type(value) not in (int, float):
        raise SchemaError(f"{path}: must be a number or null")
    return float(value)

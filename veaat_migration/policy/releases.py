"""Releases of policies on disk: what a trainer has given out, the latest and a few before it.

A release is a folder that is named after its version and holds a bundle (:mod:`.policy_files`),
signatures if there is a key, and ``release.json``. It gets that name in one step when everything in
it is on disk: a folder whose name is a number is whole. One process writes, any number may read.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veaat_migration.errors import VeaatError
from veaat_migration.policy.artifact import MAX_FILE_SIZE, PolicyArtifact, PolicyFileError
from veaat_migration.policy.checks import MAX_COUNT, SchemaError, keys, list_of, whole
from veaat_migration.policy.network_file import canonical_json, parse_json
from veaat_migration.policy.policy_files import (
    FILE_NAME,
    file_name,
    make_folder,
    read_limited,
    write_bundle,
    write_file,
)
from veaat_migration.policy.schema import FORMAT_VERSION, ROLES
from veaat_migration.policy.signature import SIGNATURE_SIZE, SIGNATURE_SUFFIX, read_signature, sign

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

RELEASE = "release.json"
RELEASE_FORMAT = "veaat-policy-release"
RELEASE_VERSION = 1
MAX_RELEASE_SIZE = 4 << 20
"""Most bytes of ``release.json``."""
KEEP = 5
"""Releases that are kept."""
_UNFINISHED = ".unfinished-"
_KEYS = (
    *("format", "version", "policy_version", "format_version", "training", "seed", "iteration"),
    *("game", "gap", "exploitability", "final", "released", "policies"),
)
_POLICY_KEYS = ("role", "id", "file", "sha256", "size", "sparsity")


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


class ReleaseBook:
    """The releases in a folder."""

    def __init__(self, folder: Path, *, keep: int = KEEP) -> None:
        """Look into a folder, which need not exist; ``keep`` releases stay when one is added."""
        self.folder, self._keep = folder, max(keep, 1)
        self.problems: dict[int, str] = {}
        """Releases that are there but cannot be used, and why."""
        self._known: dict[int, Release] = {}
        self.refresh()

    @property
    def releases(self) -> list[Release]:
        """Usable ones, the latest first."""
        return [self._known[version] for version in sorted(self._known, reverse=True)]

    @property
    def latest(self) -> Release | None:
        """The one that is in force."""
        return self.releases[0] if self._known else None

    @property
    def last_version(self) -> int:
        """Of everything that was ever seen here, usable or not; 0: nothing."""
        return max([*self._known, *self.problems, 0])

    def next_version(self, *, above: int = 0, now: float | None = None) -> int:
        """Version of the next release.

        It is larger than that of any other, of this folder or (Unix time) of a lost one.

        Args:
            above: a version that was given out elsewhere.
            now: time [s since 1970]; None: the present.
        """
        seconds = time.time() if now is None else now
        return max(self.last_version + 1, above + 1, int(seconds))

    def refresh(self) -> None:
        """Notice what another process has added or removed."""
        there = self._versions()
        for known in (self._known, self.problems):
            for version in [version for version in known if version not in there]:
                del known[version]
        for version in there - set(self._known) - set(self.problems):
            try:
                self._known[version] = _load(self.folder / str(version), version)
            except (SchemaError, PolicyFileError) as error:
                self.problems[version] = f"{self.folder / str(version)}: {error}"

    def add(
        self,
        artifacts: Sequence[PolicyArtifact],
        *,
        game: str,
        figures: Figures,
        final: bool = False,
        key: Ed25519PrivateKey | None = None,
    ) -> Release:
        """Release policies of one game, signed where there is a key.

        Their ``policy_version`` must be one of :meth:`next_version`.

        Raises:
            ReleaseError: the version is not new, policies are not of one training run, or the
                folder cannot be written. Nothing has changed then.
        """
        versions = {artifact.schema.policy_version for artifact in artifacts}
        records = {artifact.schema.training for artifact in artifacts}
        if len(versions) != 1 or len(records) != 1:
            raise ReleaseError("release: must be policies of one version and one training run")
        (version,), (record,) = versions, records
        if version <= self.last_version:
            raise ReleaseError(f"release {version}: must be above {self.last_version}")
        target = self.folder / str(version)
        unfinished = self.folder / f"{_UNFINISHED}{os.getpid()}-{time.monotonic_ns()}"
        try:
            make_folder(self.folder)
            write_bundle(artifacts, unfinished)
            content = {
                "format": RELEASE_FORMAT,
                "version": RELEASE_VERSION,
                "policy_version": version,
                "format_version": FORMAT_VERSION,
                "training": record.config_sha256,
                "seed": record.seed,
                "iteration": record.iteration,
                "game": game,
                "gap": _number_or_none(figures.gap),
                "exploitability": _number_or_none(figures.exploitability),
                "final": final,
                "released": round(time.time(), 6),
                "policies": [_write_entry(artifact, unfinished, key) for artifact in artifacts],
            }
            write_file(unfinished / RELEASE, canonical_json(content).encode("ascii") + b"\n")
            release = _load(unfinished, version)
            unfinished.rename(target)
            _sync(self.folder)
            release = _load(target, version)
        except (OSError, SchemaError, PolicyFileError) as error:
            raise ReleaseError(f"release {version}: {error}") from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        self._known[version] = release
        self._tidy()
        return release

    def find(self, role: str, agent_id: int, sha256: str = "") -> tuple[Release, ReleasedPolicy]:
        """An agent's file in the latest release, or in the one with this digest.

        Raises:
            ReleaseError: there is none.
        """
        releases = self.releases
        if not releases:
            raise ReleaseError("nothing has been released yet")
        name = f"{role} {agent_id}"
        for release in releases if sha256 else releases[:1]:
            for policy in release.policies:
                if (policy.role, policy.agent_id) != (role, agent_id):
                    continue
                if sha256 in ("", policy.sha256):
                    return release, policy
        if sha256:
            raise ReleaseError(
                f"{name}: no release that is kept has a file of digest {sha256[:64]}; it may "
                "have been replaced: ask for the latest"
            )
        raise ReleaseError(f"{name}: release {releases[0].policy_version} has no policy for it")

    def _versions(self) -> set[int]:
        try:
            names = [entry.name for entry in os.scandir(self.folder) if entry.is_dir()]
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise ReleaseError(f"{self.folder}: {error.strerror}; check permissions") from error
        return {
            int(name)
            for name in names
            if name.isascii() and name.isdigit() and name == str(int(name)) and int(name) > 0
        }

    def _tidy(self) -> None:
        """Remove what is too old or was left behind; who is reading has it open."""
        for release in self.releases[self._keep :]:
            shutil.rmtree(self.folder / str(release.policy_version), ignore_errors=True)
            del self._known[release.policy_version]
        newest = self.last_version
        for version in [version for version in self.problems if version < newest]:
            shutil.rmtree(self.folder / str(version), ignore_errors=True)
            del self.problems[version]
        for entry in self.folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(entry, ignore_errors=True)


def _write_entry(
    artifact: PolicyArtifact, folder: Path, key: Ed25519PrivateKey | None
) -> dict[str, Any]:
    schema, data = artifact.schema, artifact.to_bytes()
    name = file_name(artifact, data)
    if key is not None:
        write_file(folder / f"{name}{SIGNATURE_SUFFIX}", sign(key, data))
    values = (
        *(schema.role, schema.agent_id, name, hashlib.sha256(data).hexdigest()),
        *(len(data), float(schema.sparsity)),
    )
    return dict(zip(_POLICY_KEYS, values, strict=True))


def _load(folder: Path, version: int) -> Release:
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
    entry = keys(path, value, _POLICY_KEYS)
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


def _number_or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Releases of policies on disk: what a trainer has given out, the latest and a few before it.

A release is a folder that is named after its version and holds a bundle (:mod:`.policy_files`),
signatures if there is a key, and ``release.json``. It gets that name in one step when everything in
it is on disk: a folder whose name is a number is whole. One process writes, any number may read.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veaat_migration.policy.artifact import PolicyArtifact, PolicyFileError
from veaat_migration.policy.checks import SchemaError
from veaat_migration.policy.network_file import canonical_json
from veaat_migration.policy.policy_files import file_name, make_folder, write_bundle, write_file
from veaat_migration.policy.release import (
    POLICY_KEYS,
    RELEASE,
    RELEASE_FORMAT,
    RELEASE_VERSION,
    Figures,
    Release,
    ReleasedPolicy,
    ReleaseError,
    read_release,
)
from veaat_migration.policy.schema import FORMAT_VERSION
from veaat_migration.policy.signature import SIGNATURE_SUFFIX, sign

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEEP = 5
"""Releases that are kept."""
_UNFINISHED = ".unfinished-"


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
                self._known[version] = read_release(self.folder / str(version), version)
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
        unfinished = self._unfinished()
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
            release = read_release(unfinished, version)
            unfinished.rename(target)
            _sync(self.folder)
            release = read_release(target, version)
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

    def _unfinished(self) -> Path:
        """A name for a folder that is not a release yet, or no longer one."""
        return self.folder / f"{_UNFINISHED}{os.getpid()}-{time.monotonic_ns()}"

    def _remove(self, version: int) -> None:
        """Take a release away, in one step too."""
        gone = self._unfinished()
        with contextlib.suppress(OSError):
            (self.folder / str(version)).rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    def _tidy(self) -> None:
        """Remove what is too old or was left behind; who is reading has it open."""
        for release in self.releases[self._keep :]:
            self._remove(release.policy_version)
            del self._known[release.policy_version]
        newest = self.last_version
        for version in [version for version in self.problems if version < newest]:
            self._remove(version)
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
    return dict(zip(POLICY_KEYS, values, strict=True))


def _number_or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

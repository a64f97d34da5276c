"""Policies on disk: single files and bundles, written whole or not at all.

A bundle is a folder with one file per agent and ``bundle.json``, which lists them. File names
contain their content's digest, so a new bundle never overwrites what the present one needs: the
folder holds the old bundle until ``bundle.json`` is replaced, and the new one from then on.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from veaat_migration.policy.artifact import MAX_FILE_SIZE, PolicyArtifact, PolicyFileError
from veaat_migration.policy.checks import SchemaError, keys, list_of, shown, whole
from veaat_migration.policy.network_file import canonical_json, parse_json

SUFFIX = ".safetensors"
SIGNATURE_SUFFIX = ".sig"
"""Appended to the name of a policy file: the file with its signature (:mod:`.signature`)."""
BUNDLE = "bundle.json"
BUNDLE_FORMAT = "veaat-policy-bundle"
BUNDLE_VERSION = 1
MAX_BUNDLE_SIZE = 4 << 20
"""Most bytes of ``bundle.json``."""
_ENTRY = ("role", "id", "file", "sha256", "size")
FILE_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,200}", re.ASCII)
"""Names that a file of a bundle may have: none leads out of its folder."""
_AGAIN = "copy or export the bundle again"


def read_policy(path: str | os.PathLike[str]) -> PolicyArtifact:
    """Read one agent's policy.

    Raises:
        PolicyFileError: there is no such file, it is too large, or not exactly as written.
    """
    path = Path(path)
    return PolicyArtifact.from_bytes(read_limited(path, MAX_FILE_SIZE), str(path))


def write_policy(artifact: PolicyArtifact, path: str | os.PathLike[str]) -> None:
    """Write one agent's policy; a reader finds the old file or the new one, never a part.

    Raises:
        PolicyFileError: the file cannot be written.
    """
    write_file(Path(path), artifact.to_bytes())


def read_bundle(folder: str | os.PathLike[str]) -> tuple[PolicyArtifact, ...]:
    """Read all policies of a bundle: leaders first, each role by id.

    Raises:
        PolicyFileError: a file is missing, damaged, or not the one that the bundle lists, or
            the policies were not made for one game.
    """
    listing = Path(folder) / BUNDLE
    artifacts = []
    for entry, path, data in _contents(Path(folder)):
        artifact = PolicyArtifact.from_bytes(data, str(path))
        schema = artifact.schema
        if (schema.role, schema.agent_id) != (entry["role"], entry["id"]):
            raise PolicyFileError(
                f"{path}: is the policy of {schema.role} {schema.agent_id}, but {listing} lists "
                f"it for {entry['role']} {entry['id']}; {_AGAIN}"
            )
        artifacts.append(artifact)
    try:
        return _one_game(artifacts)
    except SchemaError as error:
        raise PolicyFileError(f"{listing}: {error}; {_AGAIN}") from error


def policy_contents(path: str | os.PathLike[str]) -> list[tuple[Path, bytes]]:
    """Files and contents of a bundle's folder, or of one policy file.

    Raises:
        PolicyFileError: as :func:`read_bundle` and :func:`read_policy`.
    """
    path = Path(path)
    if path.is_dir():
        read_bundle(path)
        return [(file, data) for _, file, data in _contents(path)]
    return [(path, read_policy(path).to_bytes())]


def file_in_bundle(folder: str | os.PathLike[str], role: str, agent_id: int) -> Path:
    """The file of one agent's policy in a bundle; nothing but the list is read.

    Raises:
        PolicyFileError: there is no bundle, or none of its policies is the agent's.
    """
    listing = Path(folder) / BUNDLE
    for entry in _listing(listing):
        if (entry["role"], entry["id"]) == (role, agent_id):
            return listing.with_name(entry["file"])
    raise PolicyFileError(
        f"{listing}: holds no policy of {role} {agent_id}; name the bundle of its game"
    )


def write_bundle(artifacts: Iterable[PolicyArtifact], folder: str | os.PathLike[str]) -> Path:
    """Write policies of one game as a bundle; returns the path of ``bundle.json``.

    Files of the bundle that the folder held before are removed at the end.

    Raises:
        SchemaError: two policies of one agent, or policies of different games.
        PolicyFileError: the folder cannot be written.
    """
    folder = Path(folder)
    listing = folder / BUNDLE
    before = _listed(listing)
    entries: list[dict[str, Any]] = []
    contents = []
    for artifact in _one_game(list(artifacts)):
        data = artifact.to_bytes()
        role, agent = artifact.schema.role, artifact.schema.agent_id
        digest = hashlib.sha256(data).hexdigest()
        file = file_name(artifact, data)
        values = (role, agent, file, digest, len(data))
        entries.append(dict(zip(_ENTRY, values, strict=True)))
        contents.append(data)
    make_folder(folder)
    for entry, data in zip(entries, contents, strict=True):
        write_file(folder / entry["file"], data)
    bundle = {"format": BUNDLE_FORMAT, "version": BUNDLE_VERSION, "policies": entries}
    write_file(listing, canonical_json(bundle).encode("ascii") + b"\n")
    for name in before - {entry["file"] for entry in entries}:
        (folder / name).unlink(missing_ok=True)
        (folder / f"{name}{SIGNATURE_SUFFIX}").unlink(missing_ok=True)
    return listing


def file_name(artifact: PolicyArtifact, data: bytes) -> str:
    """Name of a policy's file in a bundle; ``data`` is its content."""
    digest = hashlib.sha256(data).hexdigest()
    return f"{artifact.schema.role}-{artifact.schema.agent_id}-{digest[:12]}{SUFFIX}"


def _contents(folder: Path) -> list[tuple[dict[str, Any], Path, bytes]]:
    """Entry, file and content of each policy that a bundle lists."""
    listing = folder / BUNDLE
    contents = []
    for entry in _listing(listing):
        path = folder / entry["file"]
        data = read_limited(path, MAX_FILE_SIZE)
        if len(data) != entry["size"] or hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise PolicyFileError(f"{path}: is not the file that {listing} lists; {_AGAIN}")
        contents.append((entry, path, data))
    return contents


def _listing(listing: Path) -> list[dict[str, Any]]:
    """Entries of ``bundle.json``, checked."""
    try:
        return _entries(parse_json(read_limited(listing, MAX_BUNDLE_SIZE)))
    except (ValueError, RecursionError) as error:
        raise PolicyFileError(f"{listing}: {error}; {_AGAIN}") from error


def _entries(value: Any) -> list[dict[str, Any]]:
    bundle = keys("bundle", value, ("format", "version", "policies"))
    if bundle["format"] != BUNDLE_FORMAT:
        raise SchemaError(f"format: must be {BUNDLE_FORMAT!r}, got {shown(bundle, 'format')}")
    if type(bundle["version"]) is not int or bundle["version"] != BUNDLE_VERSION:
        raise SchemaError(f"version: must be {BUNDLE_VERSION}, got {shown(bundle, 'version')}")
    entries = []
    for k, item in enumerate(list_of("policies", bundle["policies"])):
        entry = keys(f"policies[{k}]", item, _ENTRY)
        if not (isinstance(entry["file"], str) and FILE_NAME.fullmatch(entry["file"])):
            raise SchemaError(f"policies[{k}].file: must be the name of a file in the same folder")
        whole(f"policies[{k}].size", entry["size"], 1, MAX_FILE_SIZE)
        entries.append(entry)
    return entries


def _listed(listing: Path) -> set[str]:
    """Files of the bundle that is there now, if it is one."""
    try:
        entries = _listing(listing)
    except PolicyFileError:
        return set()
    return {entry["file"] for entry in entries if entry["file"].endswith(SUFFIX)}


def _one_game(artifacts: list[PolicyArtifact]) -> tuple[PolicyArtifact, ...]:
    """In order, if each is of another agent and all observe the same record."""
    if not artifacts:
        raise SchemaError("policies: must be one at least")
    ordered = sorted(artifacts, key=lambda a: (a.schema.role != "leader", a.schema.agent_id))
    agents = [(artifact.schema.role, artifact.schema.agent_id) for artifact in ordered]
    if len(set(agents)) != len(agents):
        raise SchemaError(f"policies: must be one for each agent, got {agents}")
    for artifact, agent in zip(ordered, agents, strict=True):
        if not artifact.schema.same_inputs(ordered[0].schema):
            raise SchemaError(
                f"policies: players, history or scales of {agent} differ from those of {agents[0]}"
            )
    return tuple(ordered)


def read_limited(path: Path, limit: int) -> bytes:
    """Content of a regular file of at most ``limit`` bytes.

    Raises:
        PolicyFileError: there is no such file, it cannot be read, or it is larger.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise PolicyFileError(f"{path}: is no file; name a policy file or a bundle's folder")
        if status.st_size > limit:
            raise PolicyFileError(
                f"{path}: {status.st_size} bytes, more than {limit}; this is the wrong file"
            )
        with path.open("rb") as file:
            return file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise PolicyFileError(
            f"{path}: cannot be read: {_reason(error)}; check path and permissions"
        ) from error


def make_folder(folder: Path) -> None:
    """Make a folder unless it is there.

    Raises:
        PolicyFileError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise PolicyFileError(
            f"{folder}: cannot be made: {_reason(error)}; check path and permissions"
        ) from error


def write_file(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Replace a file in one step that survives a power failure.

    Args:
        path: the file.
        data: its content.
        mode: permissions; None: the usual ones.

    Raises:
        PolicyFileError: it cannot be written.
    """
    # Not tempfile: it brings a megabyte of modules into the process of a vehicle.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{time.monotonic_ns()}.tmp")
    try:
        with temporary.open("xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, ValueError) as error:
        raise PolicyFileError(
            f"{path}: cannot be written: {_reason(error)}; check folder, permissions and space"
        ) from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink()


def _reason(error: OSError | ValueError) -> str:
    return str(getattr(error, "strerror", None) or error)

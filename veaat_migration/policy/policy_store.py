"""The newest good policy of one agent on disk, so that a vehicle starts with it without a network.

Three files in one folder: the policy, its signature if it has one, and a small JSON file that
names them. The JSON file is replaced last and in one step, so a loss of power leaves the old
policy or the new one. What is read back passes the same checks as what comes over a network.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any

from veaat_migration.policy.artifact import PolicyFileError
from veaat_migration.policy.checks import MAX_COUNT, SchemaError, keys, whole
from veaat_migration.policy.network_file import canonical_json, parse_json
from veaat_migration.policy.policy_files import SUFFIX, make_folder, read_limited, write_file
from veaat_migration.policy.reception import Reception
from veaat_migration.policy.verdict import Accepted, RefusalReason, Refused

FORMAT = "veaat-policy-store"
FORMAT_VERSION = 1
MAX_LISTING = 4096
"""Most bytes of the JSON file."""
_KEYS = ("format", "version", "file", "sha256", "policy_version", "signature")
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SIGNATURE = re.compile(r"(?:[0-9a-f]{128})?", re.ASCII)


class PolicyStore:
    """Keeps one agent's policy; several agents may share a folder."""

    def __init__(self, folder: str | os.PathLike[str], role: str, agent_id: int) -> None:
        """Nothing is read or written yet."""
        self._folder = Path(folder)
        self._name = f"{role}-{agent_id}"
        self._listing = self._folder / f"{self._name}.json"

    def save(self, accepted: Accepted) -> None:
        """Keep a policy in the place of the one before.

        Waits for the disk: call it beside the game, not within a round.

        Raises:
            PolicyFileError: the folder cannot be written; what it held is still there.
        """
        make_folder(self._folder)
        file = f"{self._name}-{accepted.sha256[:12]}{SUFFIX}"
        listing = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "file": file,
            "sha256": accepted.sha256,
            "policy_version": accepted.version,
            "signature": accepted.signature.hex(),
        }
        write_file(self._folder / file, accepted.content)
        write_file(self._listing, canonical_json(listing).encode("ascii") + b"\n")
        for path in self._folder.glob(f"{self._name}-{'?' * 12}{SUFFIX}"):
            if path.name != file:
                with contextlib.suppress(OSError):
                    path.unlink()

    def load(self, reception: Reception) -> Accepted | Refused | None:
        """Offer what is kept to its agent's reception.

        Returns:
            What the reception says, or why there is nothing to offer: such a refusal is worth a
            warning, and no reason not to start. None: nothing was ever kept here.
        """
        if not self._listing.exists():
            return None
        try:
            listing = self._read_listing()
            content = read_limited(self._folder / listing["file"], reception.max_size)
        except (PolicyFileError, ValueError, RecursionError) as error:
            return reception.refuse(
                RefusalReason.STORE, f"{self._listing}: {error}; the policy kept there is not used"
            )
        return reception.take(
            content,
            bytes.fromhex(listing["signature"]),
            listing["policy_version"],
            listing["sha256"],
        )

    def _read_listing(self) -> dict[str, Any]:
        listing = keys("store", parse_json(read_limited(self._listing, MAX_LISTING)), _KEYS)
        if (listing["format"], listing["version"]) != (FORMAT, FORMAT_VERSION):
            raise SchemaError(f"format: must be {FORMAT!r}, version {FORMAT_VERSION}")
        for key, pattern in (("sha256", _DIGEST), ("signature", _SIGNATURE)):
            if not (isinstance(listing[key], str) and pattern.fullmatch(listing[key])):
                raise SchemaError(f"{key}: must be hexadecimal")
        whole("policy_version", listing["policy_version"], 0, MAX_COUNT)
        if listing["file"] != f"{self._name}-{listing['sha256'][:12]}{SUFFIX}":
            raise SchemaError("file: must be the one of this agent and digest")
        return listing

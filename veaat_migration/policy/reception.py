"""Who plays decides what it plays: releases that are wanted, and content that is accepted.

Content comes over a network from whoever answered. It is looked at from the outside inwards:
size, digest, signature, form, whom and which game it was made for, its version, and at last how
it answers. Whatever fails leaves the policy in use as it is. No clock, no ROS.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from veaat_migration.errors import VeaatError
from veaat_migration.policy.artifact import MAX_FILE_SIZE, PolicyArtifact, PolicyFileError
from veaat_migration.policy.checks import MAX_COUNT
from veaat_migration.policy.policy_files import file_in_bundle, read_limited
from veaat_migration.policy.runtime import Actor, NumpyActor
from veaat_migration.policy.schema import MAX_ID, ROLES, PolicySchema
from veaat_migration.policy.self_test import SelfTestError, self_test
from veaat_migration.policy.signature import SignatureError, read_signature, verify
from veaat_migration.policy.verdict import Accepted, EntryLike, RefusalReason, Refused

__all__ = ["Accepted", "EntryLike", "Reception", "RefusalReason", "Refused"]

MAX_SIZE = 1 << 20
"""Most bytes of a policy that comes over a network [B]; those of the base case have 5 KiB."""
ROLE_CODES = {"leader": 1, "follower": 2}
"""Roles as numbers in messages (PolicyEntry.ROLE_*)."""
TOLERANCE = 1e-6
"""Relative difference that two ends of an interval may have and still count as the same."""
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MAY_COME_RIGHT = frozenset({RefusalReason.SIZE, RefusalReason.DIGEST, RefusalReason.OVERSIZED})
"""Faults of the way, not of the release: to ask again may help."""


class Reception:
    """Receives policies for one agent; keeps the last good one."""

    def __init__(
        self,
        role: str,
        agent_id: int,
        *,
        public_key: Any = None,
        max_size: int = MAX_SIZE,
        players: tuple[tuple[int, ...], tuple[int, ...]] | None = None,
        limits: tuple[float, float] | None = None,
        make_actor: Callable[[PolicyArtifact], Actor] = NumpyActor,
    ) -> None:
        """Begin without a policy.

        Args:
            role: "leader" or "follower".
            agent_id: rsu_id or av_id.
            public_key: of :func:`veaat_migration.policy.signature.load_public_key`; with it,
                only content signed by its owner is accepted. None: no signature is asked for.
            max_size: most bytes of a policy [B].
            players: (rsu_ids, av_ids) of the game, ascending; None: any that include the agent.
            limits: lowest and highest action that the agent may take, the price [money/MHz] or
                the bandwidth [MHz]. A policy must have been made for the same highest one and
                must not go below the lowest. None: any.
            make_actor: runtime of the policy; a VeaatError of its own refuses the policy.

        Raises:
            ValueError: the agent has no meaning.
        """
        if role not in ROLES or not 1 <= agent_id <= MAX_ID:
            raise ValueError(f"reception: no agent {role!r} {agent_id!r}")
        self.role = role
        self.agent_id = agent_id
        self.max_size = max_size
        """Most bytes of a policy [B]."""
        self.current: Accepted | None = None
        """The last good policy."""
        self.accepted = 0
        """Policies accepted since the start."""
        self.refusals = dict.fromkeys(RefusalReason, 0)
        """Releases and contents refused since the start, by reason."""
        self.last_refusal: str | None = None
        """The latest refusal, for a person."""
        self._public_key = public_key
        self._players = players
        self._limits = limits
        self._make_actor = make_actor
        self._hopeless: tuple[int, str] | None = None

    def wanted(self, version: int, entry: EntryLike) -> bool:
        """Whether to ask for the policy that a release announces.

        What is refused here counts like refused content. A release that is in use already, or
        whose content was refused for what it is, is not wanted and not counted.

        Args:
            version: policy_version of the release.
            entry: one of its policies; those of other agents are never wanted.
        """
        if (entry.role, entry.agent_id) != (ROLE_CODES[self.role], self.agent_id):
            return False
        current = self.current
        if current is not None and (version, entry.sha256) == (current.version, current.sha256):
            return False
        if (version, entry.sha256) == self._hopeless:
            return False
        return (
            self._announced(version, entry.sha256, entry.size) is None
            and self._newer(version, entry.sha256) is None
        )

    def take(
        self,
        content: bytes,
        signature: bytes = b"",
        version: int | None = None,
        sha256: str | None = None,
        *,
        size: int | None = None,
        allow_older: bool = False,
    ) -> Accepted | Refused:
        """Check content and, if it is good, make it the policy in use.

        Args:
            content: a policy file.
            signature: Ed25519 over ``content``; empty: not signed.
            version: policy_version of the release; None: as the file says.
            sha256: SHA-256 of ``content`` as announced, hexadecimal; None: not announced.
            size: bytes as announced; None: not announced.
            allow_older: whether an older version may replace a newer one (an operator's wish).
        """
        refused = self._outside(content, signature, version, sha256, size)
        if refused is not None:
            return self._give_up(refused, version, sha256)
        content = bytes(content)
        found = hashlib.sha256(content).hexdigest()
        current = self.current
        if current is not None and found == current.sha256 and version in (None, current.version):
            return Accepted(**{**vars(current), "new": False})
        try:
            artifact = PolicyArtifact.from_bytes(content)
        except PolicyFileError as error:
            return self._give_up(self.refuse(RefusalReason.CORRUPT, str(error)), version, sha256)
        refused = self._mismatch(artifact.schema, version)
        if refused is None and not allow_older:
            refused = self._newer(artifact.schema.policy_version, found)
        if refused is not None:
            return self._give_up(refused, version, sha256)
        try:
            actor = self._make_actor(artifact)
            self_test(actor, artifact)
        except (VeaatError, SelfTestError) as error:
            refused = self.refuse(RefusalReason.SELF_TEST, f"the policy failed its test: {error}")
            return self._give_up(refused, version, sha256)
        self.current = Accepted(
            artifact, actor, content, bytes(signature), found, artifact.schema.policy_version
        )
        self.accepted += 1
        return self.current

    def take_file(self, path: str | os.PathLike[str]) -> Accepted | Refused:
        """Check a policy that an operator names, with its signature beside it if it has one.

        It may be older than the policy in use.

        Args:
            path: a policy file, or a bundle's folder, which holds the agent's.

        Raises:
            PolicyFileError: there is no such file, or it cannot be read.
        """
        if Path(path).is_dir():
            path = file_in_bundle(path, self.role, self.agent_id)
        path = Path(path)
        content = read_limited(path, MAX_FILE_SIZE)
        return self.take(content, read_signature(path), allow_older=True)

    def refuse(self, reason: RefusalReason, message: str) -> Refused:
        """Count a refusal; also for those who fetch content and find fault with it."""
        self.refusals[reason] += 1
        self.last_refusal = message
        return Refused(reason, message)

    def _give_up(self, refused: Refused, version: int | None, sha256: str | None) -> Refused:
        """Do not ask for the same again where that cannot help."""
        if refused.reason not in _MAY_COME_RIGHT and version is not None and sha256 is not None:
            self._hopeless = (version, sha256)
        return refused

    def _announced(
        self, version: int | None, sha256: str | None, size: int | None
    ) -> Refused | None:
        """None if what is announced makes sense and is small enough."""
        if size is not None and size > self.max_size:
            return self.refuse(
                RefusalReason.OVERSIZED,
                f"{size} bytes are announced, more than the {self.max_size} that may be received",
            )
        if (
            (version is not None and not 0 <= version <= MAX_COUNT)
            or (sha256 is not None and not _DIGEST.fullmatch(sha256))
            or (size is not None and size < 1)
        ):
            return self.refuse(
                RefusalReason.ANNOUNCEMENT,
                f"the release announces version {version!r:.40}, digest {sha256!r:.80}, size "
                f"{size!r:.40}: no policy",
            )
        return None

    def _outside(
        self,
        content: bytes,
        signature: bytes,
        version: int | None,
        sha256: str | None,
        size: int | None,
    ) -> Refused | None:
        """Everything that needs no look into the content."""
        if len(content) > self.max_size:
            return self.refuse(
                RefusalReason.OVERSIZED,
                f"{len(content)} bytes came, more than the {self.max_size} that may be received",
            )
        refused = self._announced(version, sha256, size)
        if refused is not None:
            return refused
        if not content or (size is not None and len(content) != size):
            wanted = "a policy" if size is None else f"{size} bytes"
            return self.refuse(
                RefusalReason.SIZE, f"{len(content)} bytes came where {wanted} should have"
            )
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            return self.refuse(
                RefusalReason.DIGEST, f"the content is not the one announced as {sha256[:12]}..."
            )
        return self._unsigned(bytes(content), bytes(signature))

    def _unsigned(self, content: bytes, signature: bytes) -> Refused | None:
        if self._public_key is None:
            return None
        if not signature:
            return self.refuse(
                RefusalReason.UNSIGNED,
                "the policy is not signed, and this node has a public key: only policies signed "
                "with the private one are played ('veaat policy sign')",
            )
        try:
            verify(self._public_key, content, signature)
        except SignatureError as error:
            return self.refuse(RefusalReason.SIGNATURE, f"the policy's signature: {error}")
        return None

    def _mismatch(self, schema: PolicySchema, version: int | None) -> Refused | None:
        problem = None
        if (schema.role, schema.agent_id) != (self.role, self.agent_id):
            problem = f"made for {schema.role} {schema.agent_id}"
        elif version is not None and schema.policy_version != version:
            # The signature covers the file, not the announcement: an old file must not pass
            # for a new release.
            problem = f"of version {schema.policy_version}, announced as version {version}"
        elif self._players not in (None, (schema.rsu_ids, schema.av_ids)):
            problem = f"made for RSUs {_some(schema.rsu_ids)} and AVs {_some(schema.av_ids)}"
        elif self._limits is not None:
            (low, high), scale = self._limits, schema.action_scale
            slack = TOLERANCE * high
            if (abs(scale.high - high) > slack).any() or (scale.low < low - slack).any():
                problem = (
                    f"made for actions from {scale.low.min():g} to {scale.high.max():g}, but "
                    f"here they go from {low:g} to {high:g}"
                )
        if problem is None:
            return None
        return self.refuse(
            RefusalReason.MISMATCH, f"the policy for {self.role} {self.agent_id} is {problem}"
        )

    def _newer(self, version: int, sha256: str) -> Refused | None:
        current = self.current
        if current is None or version > current.version:
            return None
        if (version, sha256) == (current.version, current.sha256):
            return None
        order = "older than" if version < current.version else "another one with the version of"
        return self.refuse(
            RefusalReason.OLDER,
            f"the policy of version {version} is {order} the one in use ({current.version})",
        )


def _some(ids: tuple[int, ...]) -> str:
    return ", ".join(map(str, ids[:10])) + (", ..." if len(ids) > 10 else "")

"""What a trainer does for those who play: announces releases and hands out policies."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from typing import Any


class Releaser:
    """Publishes ``policy_manifest`` and serves ``get_policy`` on a listener's node."""

    def __init__(self, node: Any, *, serve: bool = True) -> None:
        from veaat_migration import msg, srv
        from veaat_migration.nodes import qos

        self.asked = 0
        self.hangs = 0
        """So many of the next requests are answered after a second."""
        self._msg = msg
        self._files: dict[str, tuple[int, bytes]] = {}
        self._publisher = node.create_publisher(msg.PolicyManifest, "policy_manifest", qos.LATCHED)
        if serve:
            node.create_service(srv.GetPolicy, "get_policy", self._serve)

    def release(
        self, artifacts: Iterable[Any], *, version: int | None = None, **announced: Any
    ) -> None:
        """Announce policies; ``announced`` replaces fields of all entries."""
        manifest = self._msg.PolicyManifest(format_version=1)
        for artifact in artifacts:
            schema, content = artifact.schema, artifact.to_bytes()
            manifest.policy_version = schema.policy_version if version is None else version
            self._files[digest(content)] = (manifest.policy_version, content)
            fields = {
                "role": 1 if schema.role == "leader" else 2,
                "agent_id": schema.agent_id,
                "sha256": digest(content),
                "size": len(content),
                "sparsity": schema.sparsity,
            }
            manifest.policies.append(self._msg.PolicyEntry(**(fields | announced)))
        self._publisher.publish(manifest)

    def replace(self, artifact: Any, content: bytes) -> None:
        """Hand out other bytes than were announced."""
        sha256 = digest(artifact.to_bytes())
        self._files[sha256] = (artifact.schema.policy_version, content)

    def _serve(self, request: Any, response: Any) -> Any:
        self.asked += 1
        if self.hangs:
            self.hangs -= 1
            time.sleep(1.0)
        found = self._files.get(request.sha256)
        response.success = found is not None
        if found is None:
            response.message = "not kept"
        else:
            response.policy_version, content = found
            response.content, response.sha256 = content, digest(content)
        return response


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

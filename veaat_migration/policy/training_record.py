"""Which training a policy comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from veaat_migration.policy.checks import MAX_COUNT, SchemaError, utc_time, whole

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_VERSION = re.compile(r"[0-9A-Za-z.+_-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class TrainingRecord:
    """Where a policy comes from."""

    config_sha256: str
    """Digest of the training configuration, 64 hexadecimal digits."""
    seed: int
    iteration: int
    package_version: str
    created: str
    """UTC, as in 2026-01-31T12:00:00Z."""

    def __post_init__(self) -> None:
        path = "training"
        if not (isinstance(self.config_sha256, str) and _DIGEST.fullmatch(self.config_sha256)):
            raise SchemaError(f"{path}.config_sha256: must be 64 digits of 0-9a-f")
        whole(f"{path}.seed", self.seed, 0, MAX_COUNT)
        whole(f"{path}.iteration", self.iteration, 0, MAX_COUNT)
        if not (isinstance(self.package_version, str) and _VERSION.fullmatch(self.package_version)):
            raise SchemaError(f"{path}.package_version: must be a version, such as 1.2.3")
        utc_time(f"{path}.created", self.created)

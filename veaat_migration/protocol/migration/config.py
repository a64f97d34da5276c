"""How long to wait for what, and how much to send at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

from veaat_migration.protocol.config import ProtocolConfigError


@dataclass(frozen=True)
class MigrationConfig:
    """Settings of RSUs and AVs, the same for all of them. Times in seconds."""

    lease: float = 2.0
    """An owner acts for this long after its last claim that the AV has answered."""
    clock_drift: float = 0.01
    """Most by which the clock of one machine runs faster than another's, as a share."""
    retransmit_period: float = 0.25
    """What has not been answered is sent again after this."""
    progress_period: float = 0.25
    """Time between two feedback messages."""
    inquiry_period: float = 2.0
    """Time between two claims of those who hold a copy and do not own it."""
    peer_timeout: float = 3.0
    """A migration ends when source or target is silent for this long."""
    handover_timeout: float = 2.0
    """A migration ends when a frozen source's target is silent for this long."""
    recovery_timeout: float = 10.0
    """The AV turns to the newest copy it hears of when the owner is silent for this long;
    infinite: never, the twin waits for its owner."""
    chunk_size: int = 65_536
    """Bytes of the image in one message."""
    window: int = 64
    """Most chunks that are under way."""
    image_retries: int = 3
    """Times that an image may arrive damaged as a whole."""
    reuse_images: bool = False
    """A target that has the same image already, as a backup, does not receive it again."""
    size_max: int = 2**30
    """Largest image that a target accepts [bytes]."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ProtocolConfigError: a setting is out of range.
        """
        for name in (
            "lease",
            "retransmit_period",
            "progress_period",
            "inquiry_period",
            "peer_timeout",
            "handover_timeout",
        ):
            value = getattr(self, name)
            if not 0.0 < value < math.inf:
                raise ProtocolConfigError(f"{name}: must be > 0 and finite, got {value!r}")
        if not 0.0 <= self.clock_drift < 1.0:
            raise ProtocolConfigError(f"clock_drift: must be in [0, 1), got {self.clock_drift!r}")
        if not self.recovery_timeout > self.lease:
            raise ProtocolConfigError(
                f"recovery_timeout: must be > lease ({self.lease:g} s), "
                f"got {self.recovery_timeout!r}"
            )
        for name in ("chunk_size", "window", "image_retries", "size_max"):
            if getattr(self, name) < 1:
                raise ProtocolConfigError(f"{name}: must be >= 1, got {getattr(self, name)!r}")

    @property
    def claim_period(self) -> float:
        """Time between two claims of an owner: three may be lost before its lease ends [s]."""
        return self.lease / 4.0

    @property
    def lease_bound(self) -> float:
        """Time after which the AV can be sure that a lease is over [s]."""
        return self.lease * (1.0 + self.clock_drift) / (1.0 - self.clock_drift)

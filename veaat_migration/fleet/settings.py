"""What a fleet simulation is told, beside its traffic and its RSUs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from veaat_migration.fleet.errors import FleetError
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.pilot import PilotConfig

PROTOCOL = MigrationConfig(
    lease=6.0,
    retransmit_period=0.5,
    progress_period=0.5,
    inquiry_period=10.0,
    recovery_timeout=math.inf,
    chunk_size=256,
)
"""Of all machines: the rules of docs/twins.md, with longer periods than on the road, because
hundreds of AVs share a process. A twin waits for its RSU when that dies; its disk lives on."""

IMAGE_SIZE = 2048
"""Real bytes of a twin's image: eight pieces, each takes its share of D / (b s)."""


@dataclass(frozen=True)
class Settings:
    """Times in seconds. All of it is part of a run's identity, see ``comparison.py``."""

    step: float = 0.5
    """Between two looks at positions, coverage and service."""
    tick: float = 1.0
    """Between two games; all AVs that ask meanwhile play the same one."""
    horizon: float = 10.0
    """An AV asks when it will leave its twin's RSU within this time, at constant velocity."""
    lead: float = 10.0
    """RSUs that cover the AV within this time take part in its game."""
    negotiation: float = 0.1
    """From the request to the end of the game."""
    retry: float = PilotConfig.retry_period
    """From a migration that failed to the AV's next request."""
    avoid: float = PilotConfig.avoid_period
    """For which an AV does not ask an RSU that refused its twin, died or lost bytes, if it can ask
    another."""
    fading: bool = True
    """Rayleigh fading, drawn anew in each block of ``coherence``."""
    coherence: float = 1.0
    follow_link: bool = True
    """The pace of a transfer follows position and fading; False: the link stays as it was when
    bandwidth was bought, as the model's D / (b s) has it."""
    hysteresis: float = 25.0
    """[m], see ``mobility/coverage.py``."""
    handover_margin: float = 50.0
    """[m], see ``mobility/coverage.py``."""
    deployment_bandwidth: float = 20.0
    """With which an AV brings its twin to its first RSU, outside any game [MHz]."""
    social: float = 0.02
    """Sum of one AV's social couplings with all others of its game [money/MHz^2]."""
    service: float = 0.001
    """Service coupling of each pair of RSUs [money/MHz^2]."""
    loss: float = 0.0
    """Share of messages that are lost."""
    rsu_life: float = math.inf
    """Mean time between two deaths of an RSU; infinite: none dies."""
    rsu_down: tuple[float, float] = (1.0, 10.0)
    """Range of the time until it is back."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            FleetError: a setting is out of range.
        """
        for name in ("step", "tick", "horizon", "retry", "coherence", "deployment_bandwidth"):
            value = getattr(self, name)
            if not 0.0 < value < math.inf:
                raise FleetError(f"{name}: must be > 0 and finite, got {value:g}")
        for name in (
            "lead",
            "negotiation",
            "avoid",
            "social",
            "service",
            "hysteresis",
            "handover_margin",
        ):
            value = getattr(self, name)
            if not value >= 0.0:
                raise FleetError(f"{name}: must be >= 0, got {value:g}")
        if not self.negotiation < self.step <= self.tick:
            raise FleetError(
                "negotiation, step, tick: must satisfy negotiation < step <= tick, got "
                f"{self.negotiation:g}, {self.step:g} and {self.tick:g} s"
            )
        if not 0.0 <= self.loss < 1.0:
            raise FleetError(f"loss: must be in [0, 1), got {self.loss:g}")
        if not self.rsu_life > 0.0:
            raise FleetError(f"rsu_life: must be > 0 s, got {self.rsu_life:g}")
        low, high = self.rsu_down
        if not 0.0 <= low <= high < math.inf:
            raise FleetError(f"rsu_down: must satisfy 0 <= low <= high, got {low:g}, {high:g}")

"""The inference node of one RSU: a learned policy sets the price, or else the best response."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

from veaat_migration.nodes import process
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.inference import InferenceNode
from veaat_migration.nodes.inference_parameters import RSU_INFERENCE
from veaat_migration.nodes.offered_profile import OfferedProfile
from veaat_migration.nodes.profile_parameters import (
    config_from_parameters,
    leader_from_parameters,
)
from veaat_migration.nodes.quality_feed import QualityFeed
from veaat_migration.nodes.specification import integer, number
from veaat_migration.nodes.topics import LeaderTopics
from veaat_migration.policy.best_response import BestResponseLeader
from veaat_migration.policy.slot import LeaderSlot
from veaat_migration.protocol.config import LeaderConfig, check_leader
from veaat_migration.protocol.leader import LeaderMachine


class RsuInference(InferenceNode[LeaderMachine]):
    """Plays an RSU with a learned policy."""

    role = "leader"

    def __init__(self, name: str = "rsu_inference", **node_options: Any) -> None:
        """Read the parameters of :mod:`veaat_migration.nodes.inference_parameters`.

        Raises:
            VeaatError: a parameter is missing or has no meaning.
        """
        super().__init__(name, RSU_INFERENCE, **node_options)
        self._feed: QualityFeed | None = None
        if self.values["follow_quality"]:
            self._feed = QualityFeed(self, self._profile.rsu_id, self._playing)

    def _playing(self) -> LeaderMachine | None:
        return None if self._life is None else self._life.machine

    def _read_profile(self) -> None:
        self._profile = leader_from_parameters(self.values)
        self._config = config_from_parameters(LeaderConfig, self.values)
        check_leader(self._profile)

    def _agent(self) -> tuple[int, tuple[float, float]]:
        return self._profile.rsu_id, (self._profile.price_min, self._profile.price_max)

    def _make_topics(self, stamp: Stamper) -> LeaderTopics:
        return LeaderTopics(self, stamp)

    def _make_slot(self) -> LeaderSlot:
        self._offered = OfferedProfile.of(self._profile)
        fallback = BestResponseLeader(self._offered, seed=integer(self.values, "seed"))
        return LeaderSlot(
            fallback,
            arrival_rate=self._rate("arrival_rate"),
            service_rate=self._rate("service_rate"),
        )

    def _rate(self, name: str) -> float | None:
        value = number(self.values, name)
        return None if math.isnan(value) else value

    def _make_machine(self, slot: LeaderSlot, session: int) -> LeaderMachine:
        machine = LeaderMachine(
            self._config,
            self._offered,
            slot,
            session=session,
            on_quality=self._offered.set_quality,
        )
        if self._feed is not None:
            self._feed.tell(machine)
        return machine


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one RSU until its last round or a signal; the exit status."""
    return process.run(lambda: [RsuInference()], arguments)


if __name__ == "__main__":
    sys.exit(main())

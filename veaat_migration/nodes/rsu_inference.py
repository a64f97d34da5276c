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
from veaat_migration.nodes.profile_parameters import (
    config_from_parameters,
    leader_from_parameters,
)
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

    def _read_profile(self) -> None:
        self._profile = leader_from_parameters(self.values)
        self._config = config_from_parameters(LeaderConfig, self.values)
        check_leader(self._profile)

    def _agent(self) -> tuple[int, tuple[float, float]]:
        return self._profile.rsu_id, (self._profile.price_min, self._profile.price_max)

    def _make_topics(self, stamp: Stamper) -> LeaderTopics:
        return LeaderTopics(self, stamp)

    def _make_slot(self) -> LeaderSlot:
        fallback = BestResponseLeader(self._profile, seed=integer(self.values, "seed"))
        return LeaderSlot(
            fallback,
            arrival_rate=self._rate("arrival_rate"),
            service_rate=self._rate("service_rate"),
        )

    def _rate(self, name: str) -> float | None:
        value = number(self.values, name)
        return None if math.isnan(value) else value

    def _make_machine(self, slot: LeaderSlot, session: int) -> LeaderMachine:
        return LeaderMachine(self._config, self._profile, slot, session=session)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one RSU until its last round or a signal; the exit status."""
    return process.run(lambda: [RsuInference()], arguments)


if __name__ == "__main__":
    sys.exit(main())

"""The inference node of one AV: a learned policy bids, the best response where it cannot."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from veaat_migration.nodes import process
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.inference import InferenceNode
from veaat_migration.nodes.inference_parameters import AV_INFERENCE
from veaat_migration.nodes.profile_parameters import (
    config_from_parameters,
    follower_from_parameters,
)
from veaat_migration.nodes.topics import FollowerTopics
from veaat_migration.policy.best_response import BestResponseFollower
from veaat_migration.policy.slot import FollowerSlot
from veaat_migration.protocol.config import FollowerConfig, check_follower
from veaat_migration.protocol.follower import FollowerMachine


class AvInference(InferenceNode[FollowerMachine]):
    """Plays an AV with a learned policy."""

    role = "follower"

    def __init__(self, name: str = "av_inference", **node_options: Any) -> None:
        """Read the parameters of :mod:`veaat_migration.nodes.inference_parameters`.

        Raises:
            VeaatError: a parameter is missing or has no meaning.
        """
        super().__init__(name, AV_INFERENCE, **node_options)

    def _read_profile(self) -> None:
        self._profile = follower_from_parameters(self.values)
        self._config = config_from_parameters(FollowerConfig, self.values)
        check_follower(self._profile)

    def _agent(self) -> tuple[int, tuple[float, float]]:
        return self._profile.av_id, (0.0, self._profile.bandwidth_max)

    def _make_topics(self, stamp: Stamper) -> FollowerTopics:
        return FollowerTopics(self, stamp)

    def _make_slot(self) -> FollowerSlot:
        return FollowerSlot(BestResponseFollower(self._profile))

    def _make_machine(self, slot: FollowerSlot, session: int) -> FollowerMachine:
        return FollowerMachine(self._config, self._profile, slot, session=session)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one AV until the last RSU closes or a signal comes; the exit status."""
    return process.run(lambda: [AvInference()], arguments)


if __name__ == "__main__":
    sys.exit(main())

"""The node of one RSU: offers a price each round, collects bids, settles."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

from veaat_migration.nodes import process
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.leader_parameters import LEADER
from veaat_migration.nodes.offered_profile import OfferedProfile
from veaat_migration.nodes.player import PlayerNode
from veaat_migration.nodes.profile_parameters import (
    config_from_parameters,
    leader_from_parameters,
)
from veaat_migration.nodes.quality_feed import QualityFeed
from veaat_migration.nodes.specification import Value, integer, number, text
from veaat_migration.nodes.topics import LeaderTopics
from veaat_migration.policy.factory import make_leader_policy
from veaat_migration.protocol.config import LeaderConfig
from veaat_migration.protocol.leader import LeaderMachine


class RsuLeader(PlayerNode[LeaderMachine]):
    """Plays an RSU; its policy is one of those that need no training."""

    def __init__(self, name: str = "rsu_leader", **node_options: Any) -> None:
        """Read the parameters of :mod:`veaat_migration.nodes.leader_parameters`.

        Raises:
            VeaatError: a parameter is missing or has no meaning.
        """
        super().__init__(name, LEADER, **node_options)
        if self.values["follow_quality"]:
            QualityFeed(self, integer(self.values, "rsu_id"), lambda: self._life.machine)

    def _make_machine(self, values: dict[str, Value], session: int) -> LeaderMachine:
        profile = OfferedProfile.of(leader_from_parameters(values))
        price = number(values, "equilibrium_price")
        policy = make_leader_policy(
            text(values, "policy"),
            profile,
            seed=integer(values, "seed"),
            equilibrium_price=None if math.isnan(price) else price,
        )
        config = config_from_parameters(LeaderConfig, values)
        return LeaderMachine(
            config, profile, policy, session=session, on_quality=profile.set_quality
        )

    def _make_topics(self, stamp: Stamper) -> LeaderTopics:
        return LeaderTopics(self, stamp)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one RSU until its last round or a signal; the exit status."""
    return process.run(lambda: [RsuLeader()], arguments)


if __name__ == "__main__":
    sys.exit(main())

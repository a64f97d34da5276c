"""The node of one AV: answers the offers of each round with one bid."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from veaat_migration.nodes import process
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.follower_parameters import FOLLOWER
from veaat_migration.nodes.player import PlayerNode
from veaat_migration.nodes.profile_parameters import (
    config_from_parameters,
    equilibrium_bandwidth,
    follower_from_parameters,
)
from veaat_migration.nodes.specification import Value, integer, text
from veaat_migration.nodes.topics import FollowerTopics
from veaat_migration.policy.factory import make_follower_policy
from veaat_migration.protocol.config import FollowerConfig
from veaat_migration.protocol.follower import FollowerMachine


class AvFollower(PlayerNode[FollowerMachine]):
    """Plays an AV; its policy is one of those that need no training."""

    def __init__(self, name: str = "av_follower", **node_options: Any) -> None:
        """Read the parameters of :mod:`veaat_migration.nodes.follower_parameters`.

        Raises:
            VeaatError: a parameter is missing or has no meaning.
        """
        super().__init__(name, FOLLOWER, **node_options)

    def _make_machine(self, values: dict[str, Value], session: int) -> FollowerMachine:
        profile = follower_from_parameters(values)
        policy = make_follower_policy(
            text(values, "policy"),
            profile,
            seed=integer(values, "seed"),
            equilibrium_bandwidth=equilibrium_bandwidth(values),
        )
        config = config_from_parameters(FollowerConfig, values)
        return FollowerMachine(config, profile, policy, session=session)

    def _make_topics(self, stamp: Stamper) -> FollowerTopics:
        return FollowerTopics(self, stamp)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one AV until the last RSU closes or a signal comes; the exit status."""
    return process.run(lambda: [AvFollower()], arguments)


if __name__ == "__main__":
    sys.exit(main())

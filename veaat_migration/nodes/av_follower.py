"""The node of one AV: answers the offers of each round with one bid."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rclpy.publisher import Publisher

from veaat_migration import msg
from veaat_migration.nodes import process, qos
from veaat_migration.nodes.connections import publish_on, subscribe_to
from veaat_migration.nodes.follower_parameters import FOLLOWER
from veaat_migration.nodes.player import PlayerNode, listener, speaker
from veaat_migration.nodes.profile_parameters import (
    config_from_parameters,
    equilibrium_bandwidth,
    follower_from_parameters,
)
from veaat_migration.nodes.specification import Value, integer, text
from veaat_migration.policy.factory import make_follower_policy
from veaat_migration.protocol.config import FollowerConfig
from veaat_migration.protocol.follower import FollowerMachine
from veaat_migration.protocol.messages import Bid
from veaat_migration.protocol.reading import PlainOffer


class AvFollower(PlayerNode[FollowerMachine]):
    """Publishes ``bandwidth_bids``, listens to ``price_offers``."""

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

    def _make_publishers(self) -> Sequence[Publisher]:
        bids = publish_on(self, msg.BandwidthBid, "bandwidth_bids", qos.ANSWERS)
        self._say = speaker(msg.BandwidthBid, bids, self._stamp)
        return (bids,)

    def _subscribe(self) -> None:
        on_offer = listener(msg.PriceOffer, PlainOffer, self._machine.on_offer, self._run)
        subscribe_to(self, msg.PriceOffer, "price_offers", qos.OFFERS, on_offer, raw=True)

    def _publish(self, outputs: Sequence[Bid]) -> None:
        for output in outputs:
            self._say(output)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one AV until the last RSU closes or a signal comes; the exit status."""
    return process.run(lambda: [AvFollower()], arguments)


if __name__ == "__main__":
    sys.exit(main())

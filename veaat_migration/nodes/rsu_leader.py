"""The node of one RSU: offers a price each round, collects bids, settles."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

from rclpy.publisher import Publisher

from veaat_migration import msg
from veaat_migration.nodes import process, qos
from veaat_migration.nodes.connections import publish_on, subscribe_to
from veaat_migration.nodes.leader_parameters import LEADER
from veaat_migration.nodes.player import PlayerNode, if_heard, listener, speaker
from veaat_migration.nodes.profile_parameters import (
    config_from_parameters,
    leader_from_parameters,
)
from veaat_migration.nodes.specification import Value, integer, number, text
from veaat_migration.policy.factory import make_leader_policy
from veaat_migration.protocol.config import LeaderConfig
from veaat_migration.protocol.leader import LeaderMachine
from veaat_migration.protocol.messages import Offer, Settlement
from veaat_migration.protocol.reading import PlainBid


class RsuLeader(PlayerNode[LeaderMachine]):
    """Publishes ``price_offers`` and ``settlements``, listens to ``bandwidth_bids``."""

    def __init__(self, name: str = "rsu_leader", **node_options: Any) -> None:
        """Read the parameters of :mod:`veaat_migration.nodes.leader_parameters`.

        Raises:
            VeaatError: a parameter is missing or has no meaning.
        """
        super().__init__(name, LEADER, **node_options)

    def _make_machine(self, values: dict[str, Value], session: int) -> LeaderMachine:
        profile = leader_from_parameters(values)
        price = number(values, "equilibrium_price")
        policy = make_leader_policy(
            text(values, "policy"),
            profile,
            seed=integer(values, "seed"),
            equilibrium_price=None if math.isnan(price) else price,
        )
        config = config_from_parameters(LeaderConfig, values)
        return LeaderMachine(config, profile, policy, session=session)

    def _make_publishers(self) -> Sequence[Publisher]:
        offers = publish_on(self, msg.PriceOffer, "price_offers", qos.OFFER)
        settlements = publish_on(self, msg.Settlement, "settlements", qos.ANSWERS)
        self._say_offer = speaker(msg.PriceOffer, offers, self._stamp)
        say_settlement = speaker(msg.Settlement, settlements, self._stamp)
        self._say_settlement = if_heard(say_settlement, settlements)
        return (offers, settlements)

    def _subscribe(self) -> None:
        on_bid = listener(msg.BandwidthBid, PlainBid, self._machine.on_bid, self._run)
        subscribe_to(self, msg.BandwidthBid, "bandwidth_bids", qos.ANSWERS, on_bid, raw=True)

    def _publish(self, outputs: Sequence[Offer | Settlement]) -> None:
        for output in outputs:
            if isinstance(output, Offer):
                self._say_offer(output)
            else:
                self._say_settlement(output)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one RSU until its last round or a signal; the exit status."""
    return process.run(lambda: [RsuLeader()], arguments)


if __name__ == "__main__":
    sys.exit(main())

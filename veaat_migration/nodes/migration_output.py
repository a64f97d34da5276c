"""Publishes where the twin should move to after each bid, beside the critical path."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rclpy.node import Node
from rclpy.publisher import Publisher

from veaat_migration import msg
from veaat_migration.nodes import qos
from veaat_migration.nodes.connections import publish_on
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.policy.migration import MigrationDecision
from veaat_migration.policy.slot import FollowerSlot
from veaat_migration.protocol.messages import Bid


class MigrationOutput:
    """The topic ``migration_decision`` of one AV."""

    def __init__(self, node: Node, stamp: Stamper, av_id: int) -> None:
        """Create the publisher on ``node``."""
        self._stamp = stamp
        self._av_id = av_id
        self.publisher: Publisher = publish_on(
            node, msg.MigrationDecision, "migration_decision", qos.ANSWERS
        )

    def publish(
        self,
        bid: Bid,
        decision: MigrationDecision,
        slot: FollowerSlot,
        *,
        unknown: str,
        decision_time: float,
    ) -> None:
        """Publish the decision on a bid.

        Args:
            bid: that was published.
            decision: where to, and why.
            slot: what decided the bid.
            unknown: why delays are not known; empty: they are, or nobody asks for them.
            decision_time: from the last needed offer to the bid [s].
        """
        message = self._begin(bid.session, bid.round, slot, [slot.reason, decision.reason, unknown])
        message.target_rsu_id = decision.target_rsu_id
        message.bandwidth = decision.bandwidth
        message.expected_utility = decision.expected_utility
        message.expected_delay = decision.expected_delay
        message.delay_margin = decision.delay_margin
        message.decision_time = decision_time
        message.rsu_ids = decision.rsu_ids
        message.prices = decision.prices
        message.bandwidths = decision.bandwidths
        message.delays = decision.delays
        self.publisher.publish(message)

    def withdraw(self, session: int, round_: int, slot: FollowerSlot, reason: str) -> None:
        """Say that there is no target any more, and why."""
        message = self._begin(session, round_, slot, [reason])
        message.expected_utility = message.expected_delay = message.delay_margin = math.nan
        self.publisher.publish(message)

    def _begin(
        self, session: int, round_: int, slot: FollowerSlot, reasons: Sequence[str]
    ) -> msg.MigrationDecision:
        message = msg.MigrationDecision()
        self._stamp(message.header)
        message.av_id = self._av_id
        message.session = session
        message.round = round_
        message.source = message.SOURCE_FALLBACK if slot.reason else message.SOURCE_POLICY
        message.reason = "; ".join(filter(None, reasons))
        accepted = slot.accepted
        if accepted is not None:
            message.policy_version = accepted.version
            message.policy_sha256 = accepted.sha256
        return message

"""What the state machines say, copied into ROS messages that are used again and again."""

from __future__ import annotations

import time

from rclpy.node import Node
from std_msgs.msg import Header

from veaat_migration import msg
from veaat_migration.protocol.messages import Bid, Offer, Settlement
from veaat_migration.protocol.status import PlayerStatus


class Stamper:
    """Stamps headers with the node's time: the system's, or that of /clock in a simulation."""

    def __init__(self, node: Node) -> None:
        """Use ``node``'s clock."""
        self._clock = node.get_clock()

    def nanoseconds(self) -> int:
        """Time now [ns]."""
        if self._clock.ros_time_is_active:
            now: int = self._clock.now().nanoseconds
            return now
        return time.time_ns()

    def __call__(self, header: Header) -> None:
        """Set the stamp to now."""
        header.stamp.sec, header.stamp.nanosec = divmod(self.nanoseconds(), 1_000_000_000)


def copy_offer(offer: Offer, message: msg.PriceOffer) -> None:
    """Everything but the header."""
    message.session = offer.session
    message.round = offer.round
    message.rsu_id = offer.rsu_id
    message.price = offer.price
    message.quality = offer.quality
    message.closing = offer.closing
    message.settled_round = offer.settled_round
    message.settled_av_ids = offer.settled_av_ids
    message.settled_bandwidth = offer.settled_bandwidth


def copy_bid(bid: Bid, message: msg.BandwidthBid) -> None:
    """Everything but the header."""
    message.session = bid.session
    message.round = bid.round
    message.av_id = bid.av_id
    message.leaving = bid.leaving
    message.rsu_ids = bid.rsu_ids
    message.sessions = bid.sessions
    message.prices = bid.prices
    message.qualities = bid.qualities
    message.bandwidth = bid.bandwidth


def copy_settlement(settlement: Settlement, message: msg.Settlement) -> None:
    """Everything but the header."""
    message.session = settlement.session
    message.round = settlement.round
    message.rsu_id = settlement.rsu_id
    message.price = settlement.price
    message.quality = settlement.quality
    message.av_ids = settlement.av_ids
    message.bandwidth = settlement.bandwidth
    message.matching_probability = settlement.matching_probability
    message.payment = settlement.payment
    message.missing_av_ids = settlement.missing_av_ids
    message.duration = settlement.duration


def copy_status(status: PlayerStatus, message: msg.NodeStatus) -> None:
    """Everything but the header."""
    message.role = int(status.role)
    message.player_id = status.player_id
    message.session = status.session
    message.state = int(status.state)
    message.round = status.round
    message.rounds_completed = status.rounds_completed
    message.policy = status.policy
    message.peer_ids = status.peer_ids
    message.messages_accepted = status.messages_accepted
    message.deadline_misses = status.deadline_misses
    message.retransmissions = status.retransmissions
    message.rejection_reasons = list(status.rejections)
    message.rejection_counts = list(status.rejections.values())

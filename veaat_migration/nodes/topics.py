"""What leaders and followers say and hear: the topics of each role for one state machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription

from veaat_migration import msg
from veaat_migration.nodes import qos
from veaat_migration.nodes.connections import publish_on, subscribe_to
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.wire import Codec, WireError
from veaat_migration.protocol.follower import FollowerMachine
from veaat_migration.protocol.leader import LeaderMachine
from veaat_migration.protocol.messages import Bid, Offer, Settlement
from veaat_migration.protocol.reading import PlainBid, PlainOffer

Machine = LeaderMachine | FollowerMachine
MachineT = TypeVar("MachineT", bound=Machine)
MachineIn = TypeVar("MachineIn", bound=Machine, contravariant=True)


Run = Callable[[Sequence[Any], float], None]
"""Called with what a machine returned and the time it was given [s of time.monotonic]."""


class Topics(Protocol[MachineIn]):
    """The topics of one role."""

    publishers: Sequence[Publisher]
    """Of what the role says."""

    def listen(self, machine: MachineIn, run: Run) -> Subscription:
        """Hand what is heard to ``machine``, and what it returns to ``run``."""

    def publish(self, outputs: Sequence[Any]) -> None:
        """Publish what a machine of the role returned."""


class FollowerTopics:
    """Of an AV: publishes ``bandwidth_bids``, listens to ``price_offers``."""

    def __init__(self, node: Node, stamp: Stamper) -> None:
        """Create the publisher on ``node``."""
        self._node = node
        bids = publish_on(node, msg.BandwidthBid, "bandwidth_bids", qos.ANSWERS)
        self.publishers: Sequence[Publisher] = (bids,)
        self._say = speaker(msg.BandwidthBid, bids, stamp)

    def listen(self, machine: FollowerMachine, run: Run) -> Subscription:
        """Hand every offer to ``machine``."""
        on_offer = listener(msg.PriceOffer, PlainOffer, machine.on_offer, run)
        return subscribe_to(
            self._node, msg.PriceOffer, "price_offers", qos.OFFERS, on_offer, raw=True
        )

    def publish(self, outputs: Sequence[Bid]) -> None:
        """Publish bids."""
        for output in outputs:
            self._say(output)


class LeaderTopics:
    """Of an RSU: publishes ``price_offers`` and ``settlements``, listens to ``bandwidth_bids``."""

    def __init__(self, node: Node, stamp: Stamper) -> None:
        """Create the publishers on ``node``."""
        self._node = node
        offers = publish_on(node, msg.PriceOffer, "price_offers", qos.OFFER)
        settlements = publish_on(node, msg.Settlement, "settlements", qos.ANSWERS)
        self.publishers: Sequence[Publisher] = (offers, settlements)
        self._say_offer = speaker(msg.PriceOffer, offers, stamp)
        self._say_settlement = if_heard(speaker(msg.Settlement, settlements, stamp), settlements)

    def listen(self, machine: LeaderMachine, run: Run) -> Subscription:
        """Hand every bid to ``machine``."""
        on_bid = listener(msg.BandwidthBid, PlainBid, machine.on_bid, run)
        return subscribe_to(
            self._node, msg.BandwidthBid, "bandwidth_bids", qos.ANSWERS, on_bid, raw=True
        )

    def publish(self, outputs: Sequence[Offer | Settlement]) -> None:
        """Publish offers and settlements."""
        for output in outputs:
            if isinstance(output, Offer):
                self._say_offer(output)
            else:
                self._say_settlement(output)


def listener(
    message_class: type[Any],
    plain_class: type[Any],
    handle: Callable[[Any, float], Sequence[Any]],
    run: Run,
) -> Callable[[bytes], None]:
    """The callback of a raw subscription: hands what the message says to the machine.

    ``plain_class`` is a named tuple with the fields of ``message_class`` but the header.
    """
    decode, clock = Codec(message_class, plain_class._make).decode, time.monotonic

    def on_message(data: bytes) -> None:
        now = clock()
        try:
            message = decode(data)
        except WireError:
            message = _deserialized(data, message_class)
        run(handle(message, now), now)

    return on_message


def _deserialized(data: bytes, message_class: type[Any]) -> Any:
    """A message in another form than we write; None, which no machine accepts, if in none."""
    try:
        return deserialize_message(data, message_class)
    except Exception:  # of the RMW, unspecified
        return None


def speaker(
    message_class: type[Any], publisher: Publisher, stamp: Stamper
) -> Callable[[Any], None]:
    """Publishes a machine's message of the same fields as ``message_class``."""
    codec = Codec(message_class)
    fields, encode, publish = codec.getter(), codec.encode, publisher.publish

    def say(output: Any) -> None:
        publish(encode(stamp.nanoseconds(), fields(output)))

    return say


def if_heard(say: Callable[[Any], None], publisher: Publisher) -> Callable[[Any], None]:
    """Says something only while somebody listens.

    For volatile topics: what is published while nobody is connected reaches nobody later either.
    """
    listeners = publisher.get_subscription_count

    def say_if_heard(output: Any) -> None:
        if listeners():
            say(output)

    return say_if_heard

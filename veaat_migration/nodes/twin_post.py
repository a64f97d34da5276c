"""The way of messages about twins: an inbox for each participant, and one for all RSUs together.

A topic for all would wake every node for each piece of every image. What is sent to somebody for
the first time may be lost, since a publisher has to be made and found first: as after any loss,
the protocol says it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.subscription import Subscription

from veaat_migration import msg
from veaat_migration.nodes import qos
from veaat_migration.nodes.connections import publish_on, subscribe_to
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.twin_wire import from_ros, to_ros
from veaat_migration.protocol.migration.messages import Address, Envelope

ALL_RSUS = "twin_requests"
"""Topic of what is for all RSUs."""


def inbox(address: Address) -> str:
    """Topic of what is for one participant, or for all RSUs."""
    role, number = address
    return f"{role}_{number}/twin_messages" if number else ALL_RSUS


class TwinPost:
    """Sends and receives for one participant."""

    def __init__(
        self,
        node: Node,
        stamp: Stamper,
        me: Address,
        on_message: Callable[[Any], None],
        *,
        elsewhere: bool = False,
    ) -> None:
        """Listen.

        Args:
            node: whose topics they are.
            stamp: of what is sent.
            me: the participant.
            on_message: takes every message that is for me; None for one that makes no sense.
            elsewhere: :meth:`send` is called from another thread than the executor's. Publishers
                are then made by the executor, and a message that finds none is lost.
        """
        self._node = node
        self._stamp = stamp
        self._me = me
        self._on_message = on_message
        self._elsewhere = elsewhere
        self._publishers: dict[Address, Publisher] = {}
        self._wanted: set[Address] = set()
        topics = [inbox(me)] + ([ALL_RSUS] if me.role == "rsu" else [])
        self._subscriptions: list[Subscription] = [
            subscribe_to(node, msg.TwinMessage, topic, qos.INBOX, self._take) for topic in topics
        ]
        self._connect(Address("rsu", 0))

    def send(self, envelopes: Iterable[Envelope]) -> None:
        """Send messages."""
        for envelope in envelopes:
            publisher = self._publishers.get(envelope.to)
            if publisher is None:
                self.connect(envelope.to)
                publisher = self._publishers.get(envelope.to)
                if publisher is None:
                    continue
            message = to_ros(envelope)
            self._stamp(message.header)
            publisher.publish(message)

    def connect(self, address: Address) -> None:
        """Prepare to send to somebody soon."""
        if address in self._publishers or address in self._wanted:
            return
        if not self._elsewhere:
            self._connect(address)
            return
        executor = self._node.executor
        if executor is not None:
            self._wanted.add(address)
            executor.create_task(self._connect, address)

    def _connect(self, address: Address) -> None:
        publisher = publish_on(self._node, msg.TwinMessage, inbox(address), qos.INBOX)
        self._publishers[address] = publisher
        self._wanted.discard(address)

    def _take(self, message: msg.TwinMessage) -> None:
        to, content = from_ros(message)
        if to == self._me or (to.role == self._me.role and to.number == 0):
            self._on_message(content)

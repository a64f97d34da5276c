"""Waiting until a recorder and a monitor listen, in whatever order nodes were started."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.node import Node
from rclpy.publisher import Publisher


class ObserverGate:
    """Open once every named node subscribes to ``node_status`` and all links are made.

    Recorder and monitor subscribe to ``node_status`` after the other topics, and subscriptions
    are announced in order, so that the last one stands for all.
    """

    def __init__(self, node: Node, names: str, publishers: Sequence[Publisher]) -> None:
        """``names`` are separated by blanks; the last of ``publishers`` is ``node_status``."""
        self._node = node
        self._names = frozenset(names.split())
        self._publishers = publishers

    def missing(self) -> list[str]:
        """Names of nodes that do not listen yet, or topics whose links are not made yet."""
        if not self._names:
            return []
        # The cheap question first: in a process with many nodes all of them ask.
        status = self._publishers[-1]
        if status.get_subscription_count() < len(self._names):
            return sorted(self._names)
        absent = self._names - set(self._listeners(status))
        if absent:
            return sorted(absent)
        return [
            publisher.topic_name
            for publisher in self._publishers
            if publisher.get_subscription_count() < len(self._listeners(publisher))
        ]

    def _listeners(self, publisher: Publisher) -> list[str]:
        infos = self._node.get_subscriptions_info_by_topic(publisher.topic_name)
        return [info.node_name for info in infos]

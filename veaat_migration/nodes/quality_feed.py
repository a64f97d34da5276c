"""An RSU offers the quality that its twins have earned it: ``service_quality`` of its twin_host."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node

from veaat_migration import msg
from veaat_migration.nodes import qos
from veaat_migration.nodes.connections import subscribe_to
from veaat_migration.protocol.leader import LeaderMachine


class QualityFeed:
    """Tells a leader's machine what its RSU has come to deserve, in this life and the next."""

    def __init__(
        self, node: Node, rsu_id: int, machine: Callable[[], LeaderMachine | None]
    ) -> None:
        """Subscribe.

        Args:
            node: of the RSU.
            rsu_id: other RSUs' qualities are left alone.
            machine: the one that plays now; None while none does.
        """
        self._node, self._rsu_id, self._machine = node, rsu_id, machine
        self._latest: float | None = None
        subscribe_to(
            node, msg.ServiceQuality, "service_quality", qos.MANY_LATCHED, self._on_message
        )

    def tell(self, machine: LeaderMachine) -> None:
        """Let a machine that begins a life offer what was heard last: it is not said again."""
        if self._latest is not None:
            machine.offer_quality(self._latest)

    def _on_message(self, message: msg.ServiceQuality) -> None:
        if message.rsu_id != self._rsu_id:
            return
        machine = self._machine()
        if machine is not None and not machine.offer_quality(message.quality):
            self._node.get_logger().warning(
                f"service_quality: {message.quality:g} cannot be offered"
            )
            return
        self._latest = message.quality

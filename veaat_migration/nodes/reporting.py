"""Status, diagnostics and log of a player, about once a second and off the critical path."""

from __future__ import annotations

from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher

from veaat_migration import msg
from veaat_migration.nodes import qos
from veaat_migration.nodes.connections import publish_on
from veaat_migration.nodes.conversion import Stamper, copy_status
from veaat_migration.nodes.health import Health, Level, assess
from veaat_migration.protocol.status import PlayerState, PlayerStatus


class Reporter:
    """Publishes ``node_status`` and ``/diagnostics`` and logs what changed."""

    def __init__(
        self,
        node: Node,
        stamp: Stamper,
        hardware_id: str,
        period: float,
        snapshot: Callable[[], PlayerStatus],
    ) -> None:
        """Report ``snapshot()`` of ``node`` every ``period`` seconds, and refresh ``stamp``."""
        self._node = node
        self._hardware_id = hardware_id
        self._snapshot = snapshot
        self._stamp = stamp
        self._before: PlayerStatus | None = None
        self._health: Health | None = None
        self.publisher: Publisher = publish_on(node, msg.NodeStatus, "node_status", qos.ANSWERS)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        node.create_timer(period, self.report, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def report(self) -> None:
        """Publish the status now."""
        self._stamp.refresh()
        status = self._snapshot()
        health = assess(status, self._before)
        self._log(status, health)
        message = msg.NodeStatus()
        copy_status(status, message)
        self._stamp(message.header)
        self.publisher.publish(message)
        diagnostics = DiagnosticArray(status=[self._diagnostic(status, health)])
        diagnostics.header.stamp = message.header.stamp
        self._diagnostics.publish(diagnostics)
        self._before, self._health = status, health

    def _diagnostic(self, status: PlayerStatus, health: Health) -> DiagnosticStatus:
        values = {
            "state": status.state.name.lower(),
            "round": status.round,
            "rounds completed": status.rounds_completed,
            "policy": status.policy,
            "peers": ", ".join(map(str, status.peer_ids)),
            "messages accepted": status.messages_accepted,
            "deadline misses": status.deadline_misses,
            "retransmissions": status.retransmissions,
            "policy errors": status.policy_errors,
            "last policy error": status.last_policy_error,
            "receipt mismatches": status.receipt_mismatches,
            **{f"rejected {reason}": count for reason, count in status.rejections.items()},
        }
        return DiagnosticStatus(
            level=bytes([health.level]),
            name=f"{self._node.get_name()}: game",
            message=health.message,
            hardware_id=self._hardware_id,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )

    def _log(self, status: PlayerStatus, health: Health) -> None:
        logger = self._node.get_logger()
        before = self._before
        if before is None or (status.state, status.peer_ids) != (before.state, before.peer_ids):
            peers = ", ".join(map(str, status.peer_ids)) or "none"
            if status.state is PlayerState.FINISHED:
                logger.info(f"finished after {status.rounds_completed} rounds")
            else:
                logger.info(f"{status.state.name.lower()}, round {status.round}, peers: {peers}")
        if health != self._health and status.state is not PlayerState.WAITING:
            if health.level is Level.ERROR:
                logger.error(health.message)
            elif health.level is Level.WARN:
                logger.warning(health.message)

"""Status, diagnostics and log of a player, about once a second and off the critical path."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.timer import Timer

from veaat_migration import msg
from veaat_migration.nodes import qos
from veaat_migration.nodes.connections import publish_on
from veaat_migration.nodes.conversion import Stamper, copy_status
from veaat_migration.nodes.health import Health, Level, Section, assess, game_values
from veaat_migration.protocol.status import PlayerState, PlayerStatus


class Reporter:
    """Publishes ``node_status`` and ``/diagnostics`` and logs what changed."""

    def __init__(
        self,
        node: Node,
        stamp: Stamper,
        hardware_id: str,
        sections: Callable[[], Iterable[Section]] = tuple,
    ) -> None:
        """Create the publishers of ``node``.

        Args:
            node: that is reported about.
            stamp: of the messages; refreshed with every report.
            hardware_id: of the diagnostics.
            sections: further diagnostics than those of the game.
        """
        self._node = node
        self._hardware_id = hardware_id
        self._sections = sections
        self._stamp = stamp
        self._before: PlayerStatus | None = None
        self._health: dict[str, Health] = {}
        self._snapshot: Callable[[], PlayerStatus] | None = None
        self._timer: Timer | None = None
        self.publisher: Publisher = publish_on(node, msg.NodeStatus, "node_status", qos.ANSWERS)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 10)

    def begin(self, period: float, snapshot: Callable[[], PlayerStatus]) -> None:
        """Report ``snapshot()`` every ``period`` seconds."""
        self.end()
        self._snapshot = snapshot
        self._timer = self._node.create_timer(
            period, self.report, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def end(self) -> None:
        """Report no more."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
        self._timer = self._snapshot = self._before = None
        self._health.clear()

    def destroy(self) -> None:
        """Report no more, and give the publishers back."""
        self.end()
        self._node.destroy_publisher(self.publisher)
        self._node.destroy_publisher(self._diagnostics)

    def report(self) -> None:
        """Publish the status now."""
        if self._snapshot is None:
            return
        self._stamp.refresh()
        status = self._snapshot()
        game = Section("game", assess(status, self._before), game_values(status))
        sections = [game, *self._sections()]
        self._log_state(status)
        for section in sections:
            self._log_health(section, quiet=status.state is PlayerState.WAITING)
        message = msg.NodeStatus()
        copy_status(status, message)
        self._stamp(message.header)
        self.publisher.publish(message)
        diagnostics = DiagnosticArray(status=[self._diagnostic(section) for section in sections])
        diagnostics.header.stamp = message.header.stamp
        self._diagnostics.publish(diagnostics)
        self._before = status

    def _diagnostic(self, section: Section) -> DiagnosticStatus:
        return DiagnosticStatus(
            level=bytes([section.health.level]),
            name=f"{self._node.get_name()}: {section.name}",
            message=section.health.message,
            hardware_id=self._hardware_id,
            values=[KeyValue(key=key, value=str(value)) for key, value in section.values.items()],
        )

    def _log_state(self, status: PlayerStatus) -> None:
        logger = self._node.get_logger()
        before = self._before
        if before is None or (status.state, status.peer_ids) != (before.state, before.peer_ids):
            peers = ", ".join(map(str, status.peer_ids)) or "none"
            if status.state is PlayerState.FINISHED:
                logger.info(f"finished after {status.rounds_completed} rounds")
            else:
                logger.info(f"{status.state.name.lower()}, round {status.round}, peers: {peers}")

    def _log_health(self, section: Section, *, quiet: bool) -> None:
        """Log a health that is new; ``quiet``: what is told of the game needs no warning."""
        health = section.health
        if health != self._health.get(section.name) and not (quiet and section.name == "game"):
            if health.level is Level.ERROR:
                self._node.get_logger().error(health.message)
            elif health.level is Level.WARN:
                self._node.get_logger().warning(health.message)
        self._health[section.name] = health

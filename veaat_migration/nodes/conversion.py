"""Time stamps, and a machine's status as a ROS message."""

from __future__ import annotations

import time

from rclpy.node import Node
from std_msgs.msg import Header

from veaat_migration import msg
from veaat_migration.protocol.status import PlayerStatus


class Stamper:
    """Stamps with the node's time: the system's, or that of /clock in a simulation.

    Which of the two is asked for at the beginning and with every :meth:`refresh`, since rclpy
    takes longer to tell than to read the time.
    """

    def __init__(self, node: Node) -> None:
        """Use ``node``'s clock."""
        self._clock = node.get_clock()
        self.refresh()

    def refresh(self) -> None:
        """Notice a change of the parameter ``use_sim_time``."""
        self._simulated = bool(self._clock.ros_time_is_active)

    def nanoseconds(self) -> int:
        """Time now [ns]."""
        if self._simulated:
            now: int = self._clock.now().nanoseconds
            return now
        return time.time_ns()

    def __call__(self, header: Header) -> None:
        """Set the stamp to now."""
        header.stamp.sec, header.stamp.nanosec = divmod(self.nanoseconds(), 1_000_000_000)


def copy_status(status: PlayerStatus, message: msg.NodeStatus) -> None:
    """Everything but the header."""
    message.role = int(status.role)
    message.player_id = status.player_id
    message.session = status.session
    message.state = int(status.state)
    message.round = status.round
    message.rounds_completed = status.rounds_completed
    message.policy = status.policy
    message.policy_version = status.learned.version
    message.policy_sha256 = status.learned.sha256
    message.policy_decisions = status.learned.decisions
    message.policy_fallbacks = sum(status.learned.fallbacks.values())
    message.policy_errors = status.policy_errors
    message.peer_ids = status.peer_ids
    message.messages_accepted = status.messages_accepted
    message.deadline_misses = status.deadline_misses
    message.retransmissions = status.retransmissions
    message.rejection_reasons = list(status.rejections)
    message.rejection_counts = list(status.rejections.values())

"""An action server whose goals are carried out by what happens, not by a coroutine that waits."""

from __future__ import annotations

from typing import Any

from rclpy.action import ActionServer
from rclpy.action.server import ServerGoalHandle


class DeferredActionServer(ActionServer):  # type: ignore[misc]  # rclpy has no stubs
    """Lets a goal be under way without a coroutine that waits for its end.

    Single-threaded executors of some releases turn at full load while one waits.
    """

    def notify_execute(self, goal_handle: ServerGoalHandle, execute_callback: Any) -> None:
        """Called by a goal that begins (without a callback), and by us at its end."""
        if execute_callback is not None:
            super().notify_execute(goal_handle, execute_callback)


def never(_goal: ServerGoalHandle) -> Any:
    """Stands for the coroutine of a goal that is carried out elsewhere."""
    raise AssertionError("goals are carried out elsewhere")

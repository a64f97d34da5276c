"""The action ``migrate_twin`` of one AV: a goal is a migration, a later goal takes its place."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rclpy.action import CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node

from veaat_migration import msg
from veaat_migration.action import MigrateTwin
from veaat_migration.nodes.deferred_action import DeferredActionServer, never


class MigrateAction:
    """Offers the action and keeps the goals that have not ended."""

    def __init__(
        self,
        node: Node,
        name: str,
        refuse: Callable[[MigrateTwin.Goal], str],
        begin: Callable[[MigrateTwin.Goal], None],
        cancel: Callable[[], None],
    ) -> None:
        """Offer the action.

        Args:
            node: whose action it is.
            name: of the action.
            refuse: why a goal makes no sense; empty: it does.
            begin: carries a goal out; :meth:`finish` is called at its end. Where another goal is
                under way, it ends first.
            cancel: ends the newest goal as soon as it can.
        """
        self._node, self._refuse, self._begin, self._cancel = node, refuse, begin, cancel
        self._goals: deque[ServerGoalHandle] = deque()
        self._server = DeferredActionServer(
            node,
            MigrateTwin,
            name,
            execute_callback=never,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
        )

    def feedback(self, feedback: MigrateTwin.Feedback) -> None:
        """Tell the client of the newest goal."""
        if self._goals:
            self._goals[-1].publish_feedback(feedback)

    def finish(self, report: msg.MigrationReport) -> None:
        """End the oldest goal as its report says."""
        if not self._goals:
            return
        goal = self._goals.popleft()
        if report.error == MigrateTwin.Result.ERROR_NONE:
            goal.succeed()
        elif report.error == MigrateTwin.Result.ERROR_CANCELED and goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        result = MigrateTwin.Result(report=report)
        self._server.notify_execute(goal, lambda _: result)

    def _on_goal(self, request: MigrateTwin.Goal) -> GoalResponse:
        reason = self._refuse(request)
        if reason:
            self._node.get_logger().warning(f"goal of migrate_twin rejected: {reason}")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _on_accepted(self, goal: ServerGoalHandle) -> None:
        self._goals.append(goal)
        goal.execute()
        self._begin(goal.request)

    def _on_cancel(self, goal: ServerGoalHandle) -> CancelResponse:
        if not self._goals or goal.goal_id != self._goals[-1].goal_id:
            return CancelResponse.REJECT
        # A goal may end as canceled only after this callback has said that it is accepted.
        executor = self._node.executor
        assert executor is not None
        executor.create_task(self._cancel)
        return CancelResponse.ACCEPT

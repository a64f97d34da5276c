"""The action ``train``: one goal at a time, which is carried out elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.action import CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node

from veaat_migration.action import Train
from veaat_migration.msg import TrainingStatus
from veaat_migration.nodes.deferred_action import DeferredActionServer, never


class TrainAction:
    """Offers the action and keeps the goal that is under way."""

    def __init__(
        self,
        node: Node,
        refuse: Callable[[], str],
        begin: Callable[[Train.Goal], None],
        cancel: Callable[[], None],
    ) -> None:
        """Offer ``train``.

        Args:
            node: whose action it is.
            refuse: why no goal can be accepted now; empty: one can.
            begin: carries out a goal; :meth:`finish` is called at its end.
            cancel: ends the goal that is under way as soon as it can.
        """
        self._node, self._refuse, self._begin, self._cancel = node, refuse, begin, cancel
        self._goal: ServerGoalHandle | None = None
        self.last_refusal = ""
        """Why the last goal was rejected; empty: it was not."""
        self._untold = ""
        self._server = DeferredActionServer(
            node,
            Train,
            "train",
            execute_callback=never,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
        )

    @property
    def under_way(self) -> bool:
        """Whether there is a goal that has not ended."""
        return self._goal is not None

    @property
    def cancel_requested(self) -> bool:
        """Whether its client wants the goal under way to end."""
        return self._goal is not None and bool(self._goal.is_cancel_requested)

    def take_refusal(self) -> str:
        """Why a goal has been rejected since the last call; empty: none has."""
        untold, self._untold = self._untold, ""
        return untold

    def feedback(self, status: TrainingStatus) -> None:
        """Tell the goal's client."""
        if self._goal is not None:
            self._goal.publish_feedback(Train.Feedback(status=status))

    def finish(self, result: Train.Result) -> None:
        """End the goal as its result says."""
        goal, self._goal = self._goal, None
        if goal is None:
            return
        if result.outcome == Train.Result.OUTCOME_FINISHED:
            goal.succeed()
        elif result.outcome == Train.Result.OUTCOME_CANCELED and goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        self._server.notify_execute(goal, lambda _: result)

    def _on_goal(self, _request: Train.Goal) -> GoalResponse:
        reason = self._refuse() or ("busy with another goal" if self._goal is not None else "")
        self.last_refusal = f"goal of train rejected: {reason}" if reason else ""
        self._untold = self.last_refusal
        if reason:
            self._node.get_logger().warning(self.last_refusal)
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _on_accepted(self, goal: ServerGoalHandle) -> None:
        self._goal = goal
        goal.execute()
        self._begin(goal.request)

    def _on_cancel(self, _goal: ServerGoalHandle) -> CancelResponse:
        self._cancel()
        return CancelResponse.ACCEPT

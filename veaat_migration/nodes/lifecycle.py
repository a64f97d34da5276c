"""Lifecycle nodes (REP 2002 states) that end like every other node of the project.

Subclasses override :meth:`LifecycleMixin.configure`, ``activate``, ``deactivate``, ``cleanup`` and
``shut_down``; each may raise. A :class:`VeaatError` refuses the transition, and its message says
why. Anything else is a fault of ours: it is logged with its traceback and the node goes back to
unconfigured. Neither ends the process, and nor does a transition that is asked for at a wrong time.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import ChangeState
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node

from veaat_migration.errors import VeaatError
from veaat_migration.nodes.common_parameters import AUTOSTART, EXECUTOR
from veaat_migration.nodes.parameters import declare
from veaat_migration.nodes.player import NAMESPACE
from veaat_migration.nodes.process import EXIT_INVALID, ManagedNode
from veaat_migration.nodes.specification import ParameterSpec, Value, text

_SOON = 0.001
_GOODBYE = 0.3
"""Time for the answer to a request to shut down to arrive before the process ends [s]."""


class LifecycleMixin(LifecycleNodeMixin):  # type: ignore[misc]  # rclpy has no stubs
    """Put before a :class:`ManagedNode` in the bases; call :meth:`begin_lifecycle` at the end."""

    last_error = ""
    """Why the last transition failed; empty: it did not."""

    def begin_lifecycle(self, *, autostart: bool) -> None:
        """Offer the lifecycle services; with ``autostart`` configure and activate when spinning.

        With ``autostart`` the process ends with status 2 if either fails, like that of any node
        with invalid parameters.
        """
        LifecycleNodeMixin.__init__(self)
        for service in self.services:
            if service.srv_type is ChangeState:
                service.callback = self._guarded(service.callback)
        if autostart:
            self._once(_SOON, self._autostart)

    # What subclasses do.

    def configure(self) -> None:
        """Unconfigured to inactive: read and check what is needed. If it fails, `cleanup` follows.

        Raises:
            VeaatError: it cannot; the node stays unconfigured.
        """

    def activate(self) -> None:
        """Inactive to active.

        Raises:
            VeaatError: it cannot; the node stays inactive.
        """

    def deactivate(self) -> None:
        """Active to inactive."""

    def cleanup(self) -> None:
        """Inactive to unconfigured; also after a failure in any state: it must bear repeating."""

    def shut_down(self) -> None:
        """Any state to finalized: what must be done before the process ends. Called once."""

    # State.

    @property
    def state_label(self) -> str:
        """``unconfigured``, ``inactive``, ``active`` or ``finalized``."""
        label: str = self._state_machine.current_state[1]
        return label

    @property
    def is_active(self) -> bool:
        """Whether the node is active."""
        return bool(self._state_machine.current_state[0] == State.PRIMARY_STATE_ACTIVE)

    def leave(self) -> None:
        """Shut down on the way out, if nobody has asked for it before."""
        if self.state_label in ("unconfigured", "inactive", "active"):
            self.trigger_shutdown()

    # Transitions as rclpy calls them.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Called by rclpy."""
        result = self._transition("configure", self.configure)
        if result == TransitionCallbackReturn.FAILURE:
            self._quietly(self.cleanup)
            return result
        return self._with_entities(result, super().on_configure, state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Called by rclpy."""
        result = self._transition("activate", self.activate)
        return self._with_entities(result, super().on_activate, state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Called by rclpy."""
        result = self._transition("deactivate", self.deactivate)
        return self._with_entities(result, super().on_deactivate, state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Called by rclpy."""
        result = self._transition("cleanup", self.cleanup)
        return self._with_entities(result, super().on_cleanup, state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Called by rclpy."""
        self._quietly(self.shut_down)
        if not self.ended:
            self._once(_GOODBYE, self.end)
        return self._with_entities(TransitionCallbackReturn.SUCCESS, super().on_shutdown, state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Called by rclpy after a fault of ours; the node can be configured again."""
        self._quietly(self.cleanup)
        super().on_error(state)
        return TransitionCallbackReturn.SUCCESS

    def _transition(self, name: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        logger = self.get_logger()
        try:
            action()
        except VeaatError as error:
            self.last_error = f"{name}: {error}"
            logger.error(f"{name} failed: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            self.last_error = f"{name}: {type(error).__name__}: {error}"
            logger.error(f"{name} failed unexpectedly:\n{traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR
        self.last_error = ""
        logger.info(f"{name}: done")
        return TransitionCallbackReturn.SUCCESS

    def _with_entities(
        self,
        result: TransitionCallbackReturn,
        pass_on: Callable[[LifecycleState], TransitionCallbackReturn],
        state: LifecycleState,
    ) -> TransitionCallbackReturn:
        """Also switch the managed entities (lifecycle publishers) of a node that has succeeded."""
        if result != TransitionCallbackReturn.SUCCESS:
            return result
        return pass_on(state)

    def _quietly(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:  # there is no state left to go back to
            self.get_logger().error(f"cleaning up failed:\n{traceback.format_exc()}")

    def _guarded(self, change: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Answer a request for an impossible transition; rclpy raises and with it ends the node."""

        def change_state(request: Any, response: Any) -> Any:
            before = self.state_label
            try:
                return change(request, response)
            except Exception as error:  # RCLError, which has no public name
                wanted = request.transition.label or f"number {request.transition.id}"
                self.get_logger().warning(
                    f"transition {wanted} is not possible in state {before}: "
                    f"{str(error).splitlines()[0]}"
                )
                response.success = False
                return response

        return change_state

    def _autostart(self) -> None:
        success = TransitionCallbackReturn.SUCCESS
        if self.state_label != "unconfigured":  # a manager was faster
            return
        if self.trigger_configure() != success or self.trigger_activate() != success:
            self.exit_code = EXIT_INVALID
            self.leave()
            self.end()

    def _once(self, delay: float, action: Callable[[], None]) -> None:
        def run() -> None:
            timer.cancel()
            action()

        timer = self.create_timer(delay, run, clock=Clock(clock_type=ClockType.STEADY_TIME))


class ManagedLifecycleNode(LifecycleMixin, ManagedNode):
    """A lifecycle node that is not a player."""

    def __init__(self, name: str, specs: Sequence[ParameterSpec], **node_options: Any) -> None:
        """Read the parameters, which ``self.values`` holds from then on.

        Args:
            name: name of the node.
            specs: its parameters, besides ``autostart`` and ``executor``.
            node_options: of :class:`rclpy.node.Node`.

        Raises:
            VeaatError: a parameter is missing or has no meaning.
        """
        node_options.setdefault("namespace", NAMESPACE)
        Node.__init__(self, name, **node_options)
        self.values: dict[str, Value] = declare(self, (*specs, AUTOSTART, EXECUTOR))
        self.executor_name = text(self.values, EXECUTOR.name)
        self.begin_lifecycle(autostart=bool(self.values[AUTOSTART.name]))

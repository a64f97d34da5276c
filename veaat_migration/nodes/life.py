"""One life of a player: a state machine with its topics, timer, status and observers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Generic

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from veaat_migration.nodes.observers import ObserverGate
from veaat_migration.nodes.reporting import Reporter
from veaat_migration.nodes.topics import MachineT, Topics
from veaat_migration.nodes.wakeup import WakeupTimer

POLL_PERIOD = 0.05
"""Time between two looks for observers [s]."""


class Life(Generic[MachineT]):
    """Hands messages and time to a state machine and publishes what it returns."""

    def __init__(
        self,
        node: Node,
        machine: MachineT,
        topics: Topics[MachineT],
        reporter: Reporter,
        *,
        publishers: Sequence[Publisher],
        observers: str,
        observer_timeout: float,
        status_period: float,
        on_finished: Callable[[], None],
        after: Callable[[Sequence[Any], float], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        """Begin to wait for the observers; with them, or without at last, play.

        Args:
            node: on which to play.
            machine: made for this life.
            topics: what the role says and hears.
            reporter: tells how it goes.
            publishers: what observers must be connected to; ``node_status`` is the last.
            observers: names of nodes that must listen first, separated by blanks.
            observer_timeout: longest wait for them [s].
            status_period: time between two statuses [s].
            on_finished: called when the machine has left the game by itself.
            after: called with what was published and the time the machine was given, off the
                critical path.
            meanwhile: called when something was heard and there is more to wait for.
        """
        self.machine = machine
        self._node = node
        self._topics = topics
        self._publish = topics.publish
        self._reporter = reporter
        self._on_finished = on_finished
        self._after = after
        self._meanwhile = meanwhile
        self._wakeup = WakeupTimer(node, self._on_wakeup)
        self._subscription: Subscription | None = None
        self._over = False
        self._gate = ObserverGate(node, observers, publishers)
        self._start_by = time.monotonic() + observer_timeout
        reporter.begin(status_period, machine.status)
        self._start_timer: Timer = node.create_timer(
            POLL_PERIOD, self._start, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def leave(self) -> None:
        """Say goodbye; the others stop waiting for this player at once."""
        if self._over:
            return
        self._over = True
        if self._subscription is not None and not self.machine.finished:
            self._publish(self.machine.leave(time.monotonic()))
        self._wakeup.cancel()
        self._reporter.report()

    def close(self) -> None:
        """Hear and say nothing any more. The topics stay, for another life."""
        self._over = True
        self._reporter.end()
        self._wakeup.destroy()
        self._node.destroy_timer(self._start_timer)
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)

    def _start(self) -> None:
        """Start once all observers are connected, or without them when they do not come."""
        if self._over:
            return
        missing = self._gate.missing()
        if missing and time.monotonic() < self._start_by:
            return
        if missing:
            self._node.get_logger().warning(f"started without {', '.join(missing)} listening")
        self._start_timer.cancel()
        self._subscription = self._topics.listen(self.machine, self._run)
        now = time.monotonic()
        self._run(self.machine.start(now), now)

    def _on_wakeup(self) -> None:
        if not self._over:
            now = time.monotonic()
            self._run(self.machine.on_timer(now), now)

    def _run(self, outputs: Sequence[Any], now: float) -> None:
        """Publish and wait for what comes next."""
        if self._over:
            return
        machine = self.machine
        if outputs:
            self._publish(outputs)
        if machine.finished:
            self._over = True
            self._wakeup.cancel()
            self._reporter.report()
            self._on_finished()
            return
        self._wakeup.set(machine.next_wakeup)
        if not outputs:
            if self._meanwhile is not None:
                self._meanwhile()
        elif self._after is not None:
            self._after(outputs, now)

"""One steady timer that calls back at a deadline which may move with every message."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

SLACK = 5e-5
"""A timer that fires this much early counts as on time [s]."""
_IDLE = 3600.0


class WakeupTimer:
    """Fires once at :meth:`set`'s deadline, on the steady clock of :func:`time.monotonic`.

    Deadlines that move back with every message (retransmissions) would cost a system call and
    a wakeup of the executor each time, so the timer is re-armed only for an earlier deadline;
    one that fires too early goes to sleep again for the rest.
    """

    def __init__(self, node: Node, callback: Callable[[], None]) -> None:
        """Call ``callback`` on ``node``'s executor when the deadline has passed."""
        self._node = node
        self._callback = callback
        self._deadline: float | None = None
        self._armed = False
        self._fires_at = 0.0
        self._timer = node.create_timer(
            _IDLE, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._timer.cancel()

    def set(self, deadline: float | None) -> None:
        """Call back at ``deadline`` [s of time.monotonic]; None: never."""
        self._deadline = deadline
        if deadline is not None and (not self._armed or deadline < self._fires_at - SLACK):
            self._arm(deadline, time.monotonic())

    def cancel(self) -> None:
        """Do not fire any more until the next :meth:`set`."""
        self._deadline = None
        self._armed = False
        self._timer.cancel()

    def destroy(self) -> None:
        """Give the timer back; it cannot be set any more."""
        self.cancel()
        self._node.destroy_timer(self._timer)

    def _arm(self, deadline: float, now: float) -> None:
        delay = max(deadline - now, 0.0)
        # At least a microsecond: a period of zero would fire without end.
        self._timer.timer_period_ns = max(int(delay * 1e9), 1000)
        self._timer.reset()
        self._armed = True
        self._fires_at = now + delay

    def _on_timer(self) -> None:
        deadline, now = self._deadline, time.monotonic()
        if deadline is None:
            self.cancel()
        elif deadline > now + SLACK:
            self._arm(deadline, now)
        else:
            # Ready to be set again by the callback; without that, fire no more.
            self.cancel()
            self._callback()

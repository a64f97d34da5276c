"""One process with nodes: start, spin on the chosen executor, and end on every path.

rclpy's own signal handlers shut the context down before a node can say goodbye, and the events
executor of some releases turns at full load without a finite timeout. So the shutdown path is
ours: a thread waits for signals and asks the executor to let the nodes leave; the last
acknowledgements are awaited for a bounded time.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import sys
import time
from collections.abc import Callable, Sequence

import rclpy
from rclpy.duration import Duration
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from veaat_migration.errors import VeaatError
from veaat_migration.nodes.parent import end_with_parent
from veaat_migration.nodes.stop_signals import ignore_signals, stop_watch

FLUSH = 1.0
"""Longest time to wait for the acknowledgement of the last messages [s]."""
TOLD_TO_STOP, ENDED = 2.5, 10.0
"""Longest time to give back what ROS and DDS have, after a signal and otherwise [s]. Now and then a
node does not come to an end there; its process then ends by force and says where it hung."""
SPIN_SLICE = 60.0
"""Longest wait inside the executor [s]; must be finite, see above."""

GC_THRESHOLD = 10_000
"""New containers after which the garbage collector runs (Python's own: 700)."""

EXIT_OK, EXIT_FAILURE, EXIT_INVALID = 0, 1, 2


class ManagedNode(Node):  # type: ignore[misc]  # rclpy has no stubs
    """A node that ends by itself when its work is done and says goodbye when told to stop."""

    executor_name = "events"
    exit_code = EXIT_OK

    def leave(self) -> None:
        """Publish what the others must know before this node goes. Called once."""

    def publishers_to_flush(self) -> Sequence[Publisher]:
        """Publishers whose last messages must arrive before the process ends."""
        return ()

    def end(self) -> None:
        """Tell the process that this node's work is done."""
        self.ended = True
        self.on_end()

    ended = False

    def on_end(self) -> None:
        """Set by the process."""


def make_executor(name: str) -> Executor:
    """The executor ``name``; single-threaded where this rclpy has no events executor."""
    if name == "events":
        try:
            from rclpy.experimental import EventsExecutor
        except ImportError:
            message = "this rclpy has no EventsExecutor; using single_threaded"
            rclpy.logging.get_logger("veaat_migration").warning(message)
        else:
            return EventsExecutor()
    return SingleThreadedExecutor()


def run(create: Callable[[], Sequence[ManagedNode]], arguments: Sequence[str] | None) -> int:
    """Run nodes in this process until all have ended or a signal comes.

    Args:
        create: makes the nodes; called after rclpy is ready.
        arguments: command line without the program's name (None: that of the process).

    Returns:
        0 when the nodes have ended or were told to stop, 2 for invalid parameters.
    """
    end_with_parent()
    stop_watch()
    rclpy.init(
        args=None if arguments is None else [sys.argv[0], *arguments],
        signal_handler_options=SignalHandlerOptions.NO,
    )
    try:
        nodes = list(create())
    except VeaatError as error:
        print(f"invalid configuration: {error}", file=sys.stderr, flush=True)
        rclpy.try_shutdown()
        return EXIT_INVALID
    try:
        _spin(nodes)
        _flush(nodes)
    finally:
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
        faulthandler.cancel_dump_traceback_later()
        ignore_signals()
    return max(node.exit_code for node in nodes)


def _spin(nodes: Sequence[ManagedNode]) -> None:
    executor = make_executor(nodes[0].executor_name)
    over: Future = Future()

    def finish(limit: float) -> None:
        if not over.done():
            _limit_rest(limit)
            over.set_result(None)

    def on_end() -> None:
        if all(node.ended for node in nodes):
            finish(ENDED)

    def stop() -> None:
        if not over.done():
            for node in nodes:
                node.leave()
            finish(TOLD_TO_STOP)

    for node in nodes:
        node.on_end = on_end  # type: ignore[method-assign]
        executor.add_node(node)
    on_end()
    stop_watch().on_stop(lambda: executor.create_task(stop))
    # What was made so far stays: the collector need not look at it again, and what a node makes
    # from now on is hardly ever circular.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    while not over.done():
        executor.spin_until_future_complete(over, SPIN_SLICE)
    for node in nodes:
        executor.remove_node(node)
    executor.shutdown(timeout_sec=1.0)


def _limit_rest(seconds: float) -> None:
    """End the process with status 1 if it is still there then.

    By a thread of the interpreter's own that needs no lock: what hangs may hold that of Python.
    """
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # no standard error to write to
        faulthandler.dump_traceback_later(seconds, exit=True)


def _flush(nodes: Sequence[ManagedNode]) -> None:
    deadline = time.monotonic() + FLUSH
    for node in nodes:
        for publisher in node.publishers_to_flush():
            left = max(deadline - time.monotonic(), 0.0)
            publisher.wait_for_all_acked(Duration(seconds=left))

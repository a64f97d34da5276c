"""What both players have in common: messages in, state machine, messages out, one timer."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from rclpy.clock import Clock, ClockType
from rclpy.publisher import Publisher
from rclpy.serialization import deserialize_message
from rclpy.timer import Timer

from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.observers import ObserverGate
from veaat_migration.nodes.parameters import declare
from veaat_migration.nodes.process import ManagedNode
from veaat_migration.nodes.reporting import Reporter
from veaat_migration.nodes.specification import ParameterSpec, Value, number, text
from veaat_migration.nodes.wakeup import WakeupTimer
from veaat_migration.nodes.wire import Codec, WireError
from veaat_migration.protocol.follower import FollowerMachine
from veaat_migration.protocol.leader import LeaderMachine

MachineT = TypeVar("MachineT", LeaderMachine, FollowerMachine)

NAMESPACE = "veaat"
"""Namespace of every node unless another one is given (``-r __ns:=/other``)."""
POLL_PERIOD = 0.05
"""Time between two looks for observers [s]."""


class PlayerNode(ManagedNode, Generic[MachineT]):
    """Hands messages and time to a state machine and publishes what it returns."""

    def __init__(self, name: str, specs: Sequence[ParameterSpec], **node_options: Any) -> None:
        """Read the parameters and prepare to play.

        Args:
            name: name of the node.
            specs: its parameters.
            node_options: of :class:`rclpy.node.Node`.

        Raises:
            VeaatError: a parameter is missing or has no meaning.
        """
        node_options.setdefault("namespace", NAMESPACE)
        super().__init__(name, **node_options)
        values = declare(self, specs)
        self.executor_name = text(values, "executor")
        self._stamp = Stamper(self)
        self._machine: MachineT = self._make_machine(values, time.time_ns())
        self._publishers_to_flush = list(self._make_publishers())
        self._wakeup = WakeupTimer(self, self._on_wakeup)
        self._reporter = Reporter(
            self,
            self._stamp,
            self.get_name(),
            number(values, "status_period"),
            self._machine.status,
        )
        self._publishers_to_flush.append(self._reporter.publisher)
        self._gate = ObserverGate(self, text(values, "observers"), self._publishers_to_flush)
        self._start_by = time.monotonic() + number(values, "observer_timeout")
        self._started = False
        self._start_timer: Timer = self.create_timer(
            POLL_PERIOD, self._start, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    @abstractmethod
    def _make_machine(self, values: dict[str, Value], session: int) -> MachineT:
        """The state machine of these parameters."""

    @abstractmethod
    def _make_publishers(self) -> Sequence[Publisher]:
        """The publishers of the machine's messages."""

    @abstractmethod
    def _subscribe(self) -> None:
        """Begin to listen."""

    @abstractmethod
    def _publish(self, outputs: Sequence[Any]) -> None:
        """Publish what the machine returned."""

    def publishers_to_flush(self) -> Sequence[Publisher]:
        """Everything this node says matters to the record."""
        return self._publishers_to_flush

    def leave(self) -> None:
        """Say goodbye; the others stop waiting for this player at once."""
        if self.ended:
            return
        if self._started and not self._machine.finished:
            self._publish(self._machine.leave(time.monotonic()))
        self._wakeup.cancel()
        self._reporter.report()

    def _start(self) -> None:
        """Start once all observers are connected, or without them when they do not come."""
        missing = self._gate.missing()
        if missing and time.monotonic() < self._start_by:
            return
        if missing:
            self.get_logger().warning(f"started without {', '.join(missing)} listening")
        self._start_timer.cancel()
        self._started = True
        self._subscribe()
        self._run(self._machine.start(time.monotonic()))

    def _on_wakeup(self) -> None:
        self._run(self._machine.on_timer(time.monotonic()))

    def _run(self, outputs: Sequence[Any]) -> None:
        """Publish and wait for what comes next."""
        machine = self._machine
        if outputs:
            self._publish(outputs)
        if machine.finished:
            self._wakeup.cancel()
            if not self.ended:
                self._reporter.report()
                self.end()
            return
        self._wakeup.set(machine.next_wakeup)


def listener(
    message_class: type[Any],
    plain_class: type[Any],
    handle: Callable[[Any, float], Sequence[Any]],
    run: Callable[[Sequence[Any]], None],
) -> Callable[[bytes], None]:
    """The callback of a raw subscription: hands what the message says to the machine.

    ``plain_class`` is a named tuple with the fields of ``message_class`` but the header.
    """
    decode, clock = Codec(message_class, plain_class._make).decode, time.monotonic

    def on_message(data: bytes) -> None:
        try:
            message = decode(data)
        except WireError:
            message = _deserialized(data, message_class)
        run(handle(message, clock()))

    return on_message


def _deserialized(data: bytes, message_class: type[Any]) -> Any:
    """A message in another form than we write; None, which no machine accepts, if in none."""
    try:
        return deserialize_message(data, message_class)
    except Exception:  # of the RMW, unspecified
        return None


def speaker(
    message_class: type[Any], publisher: Publisher, stamp: Stamper
) -> Callable[[Any], None]:
    """Publishes a machine's message of the same fields as ``message_class``."""
    codec = Codec(message_class)
    fields, encode, publish = codec.getter(), codec.encode, publisher.publish

    def say(output: Any) -> None:
        publish(encode(stamp.nanoseconds(), fields(output)))

    return say


def if_heard(say: Callable[[Any], None], publisher: Publisher) -> Callable[[Any], None]:
    """Says something only while somebody listens.

    For volatile topics: what is published while nobody is connected reaches nobody later either.
    """
    listeners = publisher.get_subscription_count

    def say_if_heard(output: Any) -> None:
        if listeners():
            say(output)

    return say_if_heard

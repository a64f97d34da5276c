"""Records the game into a rosbag2 folder where rosbag2 itself is not installed.

Messages are kept as the bytes that came from the network; nothing is decoded. They wait in the
middleware, which notes when each arrived, and are taken in batches: waking Python for every single
one would cost the players on the same machine ten times the time. What is older than
``flush_interval`` survives even SIGKILL. On a full ROS 2 ``ros2 bag record`` does the same job.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration, Infinite
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.subscription import Subscription

from veaat_migration.analysis.bag_writer import COMPRESSIONS, OVERRUNS, BagWriter
from veaat_migration.analysis.definitions import definition_text, type_hash
from veaat_migration.analysis.topics import (
    ALL_TOPICS,
    DIAGNOSTICS_TOPIC,
    DIAGNOSTICS_TYPE,
    RECORDED_TOPICS,
)
from veaat_migration.nodes import qos
from veaat_migration.nodes.event_callbacks import SubscriptionEventCallbacks
from veaat_migration.nodes.parameters import declare
from veaat_migration.nodes.player import NAMESPACE
from veaat_migration.nodes.process import EXIT_FAILURE, ManagedNode, run
from veaat_migration.nodes.specification import Kind, ParameterError, ParameterSpec, number, text

READY = "recorder ready"
"""The line on standard output that says that all subscriptions exist."""
DEPTH = 5000
"""Messages of one topic that may wait to be taken."""
TAKE_PERIOD = 0.05
"""Time between two batches [s]."""

PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec("output", Kind.STRING, "folder to create for the bag; must not exist"),
    ParameterSpec(
        "topics",
        Kind.STRING,
        "topics to record, separated by blanks: names of the game's topics, or NAME=TYPE such as "
        "/odom=nav_msgs/msg/Odometry for others; empty: all of the game and /diagnostics",
        "",
    ),
    ParameterSpec(
        "flush_interval",
        Kind.DOUBLE,
        "most that is lost if the recorder is killed",
        1.0,
        unit="s",
        minimum=0.05,
        maximum=3600.0,
    ),
    ParameterSpec(
        "compression", Kind.STRING, "compression of the bag", "none", choices=COMPRESSIONS
    ),
    ParameterSpec(
        "linger",
        Kind.DOUBLE,
        "time to go on recording after a signal to stop, for the goodbyes of the others",
        0.5,
        unit="s",
        minimum=0.0,
        maximum=3.0,
    ),
    ParameterSpec(
        "ready_file", Kind.STRING, "file to create when all subscriptions exist; empty: none", ""
    ),
)

_OFFERED = {
    "price_offers": qos.OFFER,
    "game_instance": qos.LATCHED,
    "policy_manifest": qos.LATCHED,
    "service_quality": qos.LATCHED,
}
"""What the publishers of topics other than qos.ANSWERS offer."""
_FOREIGN = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=DEPTH,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=DurabilityPolicy.VOLATILE,
)
"""What every publisher can serve."""


class _LeftToMiddleware(ReentrantCallbackGroup):  # type: ignore[misc]
    """Keeps subscriptions away from the executor, which would be woken by every message."""

    def can_execute(self, _entity: Any) -> bool:
        """Whether the executor may run the entity."""
        return False


class Recorder(ManagedNode):
    """Writes every message of its topics to a bag."""

    # The events executor takes messages whatever their callback group says.
    executor_name = "single_threaded"

    def __init__(self) -> None:
        """Create the bag and subscribe.

        Raises:
            VeaatError: a parameter is invalid, the bag exists already, or a message type is
                not installed.
        """
        super().__init__("recorder", namespace=NAMESPACE)
        values = declare(self, PARAMETERS)
        self._linger = number(values, "linger")
        self._overruns = 0
        topics = parse_topics(text(values, "topics"))
        types = {name: _message_class(kind) for name, kind in topics.items()}
        definitions = {kind: definition_text(kind) for kind in topics.values()}
        self._bag = BagWriter(
            Path(text(values, "output")).expanduser(), compression=text(values, "compression")
        )
        self._group = _LeftToMiddleware()
        self._inputs: dict[int, Subscription] = {}
        # Players take the subscription to node_status as the sign that the others exist too.
        for name, kind in sorted(topics.items(), key=lambda item: item[0] == "node_status"):
            self._record(name, kind, types[name], definitions[kind])
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(TAKE_PERIOD, self._guarded(self._take), clock=steady)
        interval = number(values, "flush_interval")
        self.create_timer(interval, self._guarded(self._bag.flush), clock=steady)
        self._announce(text(values, "ready_file"))

    def _record(self, name: str, kind: str, message_class: Any, definition: str) -> None:
        known = ALL_TOPICS.get(name.rpartition("/")[2]) == kind
        foreign = not known and name != DIAGNOSTICS_TOPIC
        offered = _FOREIGN if foreign else _OFFERED.get(name, qos.ANSWERS)
        topic = self._bag.add_topic(
            self.resolve_topic_name(name),
            kind,
            definition=definition,
            type_hash=type_hash(kind),
            qos=[qos_metadata(offered)],
        )

        self._inputs[topic] = self.create_subscription(
            message_class,
            name,
            _never_called,
            _deep(offered),
            raw=True,
            callback_group=self._group,
            # An event in the wait set wakes the executor for every message too.
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            qos_overriding_options=qos.overridable(),
        )

    def _announce(self, ready_file: str) -> None:
        if ready_file:
            path = Path(ready_file)
            try:
                path.write_text(f"{self._bag.folder}\n", encoding="utf-8")
            except OSError as error:
                raise ParameterError(f"ready_file: {path}: {error.strerror}") from error
        print(READY, flush=True)
        self.get_logger().info(f"recording {len(self._inputs)} topics into {self._bag.folder}")

    def _guarded(self, action: Callable[[], object]) -> Callable[[], None]:
        """``action`` as a callback that ends the recording when the disk refuses."""

        def callback() -> None:
            if not self.ended:
                try:
                    action()
                except OSError as error:
                    self._fail(error)

        return callback

    def _take(self) -> bool:
        """Write every message that waits; whether there was one."""
        before = self._bag.message_count
        for topic, subscription in self._inputs.items():
            for _ in range(DEPTH):
                with subscription.handle:
                    taken = subscription.handle.take_message(subscription.msg_type, True)
                if taken is None:
                    break
                data, info = taken
                received = info["received_timestamp"] or time.time_ns()
                self._bag.write(topic, data, received, info["source_timestamp"] or received)
            else:
                self._overruns += 1
                self.get_logger().warning(
                    f"{subscription.topic_name}: {DEPTH} messages were waiting; "
                    "there may have been more, which are lost"
                )
        return self._bag.message_count > before

    def _fail(self, error: OSError) -> None:
        self.get_logger().error(
            f"cannot write {self._bag.path} ({error.strerror}); recording ends here, what was "
            "written before is readable"
        )
        self.exit_code = EXIT_FAILURE
        self.end()

    def leave(self) -> None:
        """Take what is still on its way and close the bag."""
        self._guarded(self._close)()

    def _close(self) -> None:
        until = time.monotonic() + self._linger
        while self._take() or time.monotonic() < until:
            time.sleep(0.01)
        self._bag.close({OVERRUNS: str(self._overruns)})
        self.get_logger().info(f"{self._bag.message_count} messages in {self._bag.folder}")


def _never_called(message: bytes) -> None:
    """Callback of the subscriptions, whose messages are taken by hand."""


def parse_topics(listed: str) -> dict[str, str]:
    """Message types by topic name of the parameter ``topics``.

    Raises:
        ParameterError: an entry is neither a topic of the game nor NAME=TYPE.
    """
    known = {**RECORDED_TOPICS, DIAGNOSTICS_TOPIC: DIAGNOSTICS_TYPE}
    if not listed.strip():
        return known
    topics = {}
    for index, entry in enumerate(listed.replace(",", " ").split()):
        name, _, kind = entry.partition("=")
        if not name or not (kind or name in known):
            raise ParameterError(
                f"topics[{index}]: {entry!r} is not a topic of the game "
                f"({', '.join(known)}); write NAME=TYPE for another one"
            )
        topics[name] = kind or known[name]
    return topics


def _message_class(message_type: str) -> Any:
    definition_text(message_type)
    package, _, name = message_type.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise ParameterError(
            f"topics: message type {message_type} has no Python code on this machine ({error})"
        ) from error


def _deep(offered: QoSProfile) -> QoSProfile:
    """The subscription for a publisher's profile, with room for what waits."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=DEPTH,
        reliability=offered.reliability,
        durability=offered.durability,
    )


def qos_metadata(profile: QoSProfile) -> dict[str, Any]:
    """A profile as rosbag2 writes it into ``metadata.yaml``."""

    def duration(value: Duration) -> dict[str, int]:
        nanoseconds = value.nanoseconds or Infinite.nanoseconds
        return {"sec": nanoseconds // 10**9, "nsec": nanoseconds % 10**9}

    return {
        "history": profile.history.short_key,
        "depth": profile.depth,
        "reliability": profile.reliability.short_key,
        "durability": profile.durability.short_key,
        "deadline": duration(profile.deadline),
        "lifespan": duration(profile.lifespan),
        "liveliness": "automatic",  # nobody asks for another one
        "liveliness_lease_duration": duration(profile.liveliness_lease_duration),
        "avoid_ros_namespace_conventions": profile.avoid_ros_namespace_conventions,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the recorder until a signal comes."""
    return run(lambda: [Recorder()], arguments)


if __name__ == "__main__":
    sys.exit(main())

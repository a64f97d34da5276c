"""Looks at the ROS graph for some seconds with a node of its own; judges nothing."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)

from veaat_migration.doctor.network_facts import (
    TOPICS,
    Endpoint,
    NetworkFacts,
    OfferSeen,
    Qos,
    StatusSeen,
)

LOOK_PERIOD = 0.25
"""Time between two looks for players that were not asked yet [s]."""
_DEPTH = 1000


def network_facts(namespace: str, seconds: float, odometry: str = "") -> NetworkFacts:
    """What is on the network now, seen in so many seconds.

    Args:
        namespace: of the game, such as /veaat.
        seconds: how long to listen; statuses come once a second.
        odometry: topic of the vehicle's odometry; empty: not looked for.
    """
    context = Context()
    rclpy.init(args=[], context=context)
    try:
        node = Node(
            f"veaat_doctor_{os.getpid()}",
            context=context,
            enable_rosout=False,
            start_parameter_services=False,
            use_global_arguments=False,
        )
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        try:
            return _Listener(node, executor, namespace).listen(seconds, odometry)
        finally:
            executor.shutdown()
            node.destroy_node()
    finally:
        context.try_shutdown()


class _Listener:
    """Subscriptions that note what comes, and questions to the graph."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor, namespace: str) -> None:
        self._node = node
        self._executor = executor
        self._namespace = "/" + namespace.strip("/")
        self._statuses: list[StatusSeen] = []
        self._offers: list[OfferSeen] = []
        self._asked: dict[str, Any] = {}
        self._clients: dict[str, Any] = {}
        self._next_look = 0.0

    def listen(self, seconds: float, odometry: str) -> NetworkFacts:
        self._subscribe()
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=min(left, 0.1))
            self._ask_for_time()
        return NetworkFacts(
            namespace=self._namespace,
            seconds=seconds,
            endpoints={name: self._endpoints(self._topic(name)) for name in TOPICS},
            nodes=self._nodes(),
            statuses=tuple(self._statuses),
            offers=tuple(self._offers),
            sim_time=self._answers(),
            clocks=len(self._node.get_publishers_info_by_topic("/clock")),
            elsewhere=self._elsewhere(),
            odometry_topic=odometry,
            odometry=self._endpoints(odometry) if odometry else (),
        )

    def _subscribe(self) -> None:
        """As modestly as possible, to hear everybody."""
        try:
            messages = importlib.import_module("veaat_migration.msg")
        except ImportError:
            return  # the graph tells something without them, too
        modest = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=_DEPTH,
            reliability=ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.VOLATILE,
        )
        wanted: tuple[tuple[str, Any, Callable[[Any], None]], ...] = (
            ("node_status", messages.NodeStatus, self._on_status),
            ("price_offers", messages.PriceOffer, self._on_offer),
        )
        for name, kind, callback in wanted:
            self._node.create_subscription(kind, self._topic(name), callback, modest)

    def _topic(self, name: str) -> str:
        return f"{self._namespace.rstrip('/')}/{name}"

    def _on_status(self, status: Any) -> None:
        self._statuses.append(
            StatusSeen(
                status.role,
                status.player_id,
                status.session,
                status.policy,
                status.policy_version,
                status.policy_decisions,
                status.policy_fallbacks,
            )
        )

    def _on_offer(self, offer: Any) -> None:
        stamp = offer.header.stamp.sec + 1e-9 * offer.header.stamp.nanosec
        self._offers.append(
            OfferSeen(offer.rsu_id, offer.session, offer.round, time.time() - stamp)
        )

    def _endpoints(self, topic: str) -> tuple[Endpoint, ...]:
        found = [
            _endpoint(info, publishes)
            for publishes, infos in (
                (True, self._node.get_publishers_info_by_topic(topic)),
                (False, self._node.get_subscriptions_info_by_topic(topic)),
            )
            for info in infos
        ]
        own = self._node.get_fully_qualified_name()
        return tuple(end for end in found if end.node != own)

    def _nodes(self) -> tuple[str, ...]:
        own = self._node.get_fully_qualified_name()
        names = [
            f"{namespace.rstrip('/')}/{name}"
            for name, namespace in self._node.get_node_names_and_namespaces()
        ]
        # Those of the command line come and go, all with the same name.
        return tuple(name for name in names if name != own and not name.startswith("/_"))

    def _elsewhere(self) -> tuple[str, ...]:
        suffix = "/price_offers"
        return tuple(
            topic[: -len(suffix)] or "/"
            for topic, types in self._node.get_topic_names_and_types()
            if topic.endswith(suffix)
            and TOPICS["price_offers"].type in types
            and topic != self._topic("price_offers")
        )

    def _ask_for_time(self) -> None:
        """Ask players that were found whether they use simulated time, each once."""
        from rcl_interfaces.srv import GetParameters

        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_PERIOD
        for topic in ("price_offers", "bandwidth_bids"):
            for end in self._endpoints(self._topic(topic)):
                if end.publishes and end.node not in self._clients:
                    name = f"{end.node}/get_parameters"
                    self._clients[end.node] = self._node.create_client(GetParameters, name)
        for name, client in self._clients.items():
            if name not in self._asked and client.service_is_ready():
                self._asked[name] = client.call_async(GetParameters.Request(names=["use_sim_time"]))

    def _answers(self) -> dict[str, bool]:
        answers = {}
        for name, future in self._asked.items():
            if future.done() and future.exception() is None and future.result().values:
                answers[name] = bool(future.result().values[0].bool_value)
        return answers


def _endpoint(info: Any, publishes: bool) -> Endpoint:
    qos, type_hash = info.qos_profile, str(getattr(info, "topic_type_hash", ""))
    return Endpoint(
        node=f"{info.node_namespace.rstrip('/')}/{info.node_name}",
        publishes=publishes,
        type=info.topic_type,
        type_hash=type_hash if type_hash.startswith("RIHS") else "",
        qos=Qos(
            reliable=qos.reliability != ReliabilityPolicy.BEST_EFFORT,
            transient_local=qos.durability == DurabilityPolicy.TRANSIENT_LOCAL,
            deadline=_seconds(qos.deadline),
            manual_liveliness=qos.liveliness == LivelinessPolicy.MANUAL_BY_TOPIC,
            lease=_seconds(qos.liveliness_lease_duration),
        ),
    )


def _seconds(duration: Any) -> float:
    """A limit; none of it is a zero, or more than a century."""
    seconds = 1e-9 * float(duration.nanoseconds)
    return seconds if 0.0 < seconds < 3e9 else float("inf")

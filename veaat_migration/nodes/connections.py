"""Publishers and subscriptions of the project's topics, with help when they do not connect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, qos_policy_name_from_kind
from rclpy.subscription import Subscription

from veaat_migration.nodes import qos
from veaat_migration.nodes.event_callbacks import (
    PublisherEventCallbacks,
    SubscriptionEventCallbacks,
)


def _explain(node: Node, topic: str, other: str) -> Callable[[Any], None]:
    def on_incompatible(event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        node.get_logger().error(
            f"a {other} of {node.resolve_topic_name(topic)} does not connect: its {policy} is "
            f"incompatible. Give both sides the same profile, for example with the parameter "
            f"qos_overrides.{node.resolve_topic_name(topic)}.*; 'ros2 topic info -v' shows both."
        )

    return on_incompatible


def publish_on(node: Node, kind: type[Any], topic: str, profile: QoSProfile) -> Publisher:
    """A publisher whose QoS parameters files may override."""
    return node.create_publisher(
        kind,
        topic,
        profile,
        event_callbacks=PublisherEventCallbacks(
            incompatible_qos=_explain(node, topic, "subscription"), use_default_callbacks=False
        ),
        qos_overriding_options=qos.overridable(),
    )


def subscribe_to(
    node: Node,
    kind: type[Any],
    topic: str,
    profile: QoSProfile,
    callback: Callable[[Any], None],
    *,
    raw: bool = False,
) -> Subscription:
    """A subscription whose QoS parameters files may override; ``raw`` gives serialized bytes."""
    return node.create_subscription(
        kind,
        topic,
        callback,
        profile,
        raw=raw,
        event_callbacks=SubscriptionEventCallbacks(
            incompatible_qos=_explain(node, topic, "publisher"), use_default_callbacks=False
        ),
        qos_overriding_options=qos.overridable(),
    )

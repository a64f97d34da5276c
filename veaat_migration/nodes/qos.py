"""The quality-of-service profiles of the project, and why.

Every message counts in a lock-step game, so every topic is reliable. Three policies that the
data would suggest are left out on purpose:

* lifespan on offers: it compares the writer's stamp with the reader's clock, so a vehicle
  whose clock is off would silently see no offer at all. Rounds and sessions in the messages
  tell what is stale.
* deadline and liveliness: requested but not offered means no connection at all, with any tool
  or bag player that uses plain defaults. The state machines notice a silent peer by themselves.
* keep all: one reader that hangs would block every writer.

Change a profile from outside with ``qos_overrides./veaat/price_offers.publisher.depth`` and
the like (see config/qos_overrides.example.yaml).
"""

from __future__ import annotations

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions


def _profile(depth: int, durability: DurabilityPolicy) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=durability,
    )


OFFER = _profile(1, DurabilityPolicy.TRANSIENT_LOCAL)
"""Writer of price offers: an AV that drives up gets the open offer at once, and only that one.
An older offer is worth nothing to anybody once the next one is out."""

OFFERS = _profile(1000, DurabilityPolicy.TRANSIENT_LOCAL)
"""Readers of price offers: one history for all writers (the topics have no key), so its depth
bounds the number of RSUs that may speak while a node is busy."""

ANSWERS = _profile(1000, DurabilityPolicy.VOLATILE)
"""Bids, settlements and status, writers and readers: the depth bounds the number of players
that may speak while a node is busy. Nothing old: who comes later has no use for it."""

LATCHED = _profile(1, DurabilityPolicy.TRANSIENT_LOCAL)
"""One message that stays true, such as the game instance: who comes later gets it too."""


INBOX = _profile(200, DurabilityPolicy.VOLATILE)
"""Messages about twins: three windows of pieces of an image. What is lost is said again."""

MANY_LATCHED = _profile(1000, DurabilityPolicy.TRANSIENT_LOCAL)
"""Readers of one latched message of each of many writers."""


def overridable() -> QoSOverridingOptions:
    """Policies that a parameters file may change."""
    return QoSOverridingOptions(
        (
            QoSPolicyKind.HISTORY,
            QoSPolicyKind.DEPTH,
            QoSPolicyKind.RELIABILITY,
            QoSPolicyKind.DURABILITY,
        )
    )

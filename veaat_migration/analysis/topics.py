"""The topics of the game: what is recorded and what is looked for in a bag."""

from __future__ import annotations

import re

GAME_TOPICS = {
    "price_offers": "veaat_migration/msg/PriceOffer",
    "bandwidth_bids": "veaat_migration/msg/BandwidthBid",
    "settlements": "veaat_migration/msg/Settlement",
    "node_status": "veaat_migration/msg/NodeStatus",
    "round_status": "veaat_migration/msg/RoundStatus",
    "game_instance": "std_msgs/msg/String",
}
"""Message types by topic name, relative to the game's namespace."""

LEARNING_TOPICS = {
    "migration_decision": "veaat_migration/msg/MigrationDecision",
    "policy_manifest": "veaat_migration/msg/PolicyManifest",
    "training_status": "veaat_migration/msg/TrainingStatus",
}
"""The same of topics that a game has only if learned policies are played or trained."""

MIGRATION_TOPICS = {
    "twin_status": "veaat_migration/msg/TwinStatus",
    "host_status": "veaat_migration/msg/HostStatus",
    "migration_reports": "veaat_migration/msg/MigrationReport",
    "service_quality": "veaat_migration/msg/ServiceQuality",
}
"""The same of topics that a game has only if twins migrate."""

RECORDED_TOPICS = {**GAME_TOPICS, **LEARNING_TOPICS, **MIGRATION_TOPICS}
"""What a recorder records unless it is told otherwise."""

OWN_TOPICS = {
    "twin_actions": "veaat_migration/msg/TwinAction",
    "twin_task": "veaat_migration/msg/TwinTask",
}
"""Topics that each AV or RSU has for itself: ``av_3/twin_actions``."""

ALL_TOPICS = {**RECORDED_TOPICS, **OWN_TOPICS}

ROLES = {1: "rsu", 2: "av"}
"""Names of ``NodeStatus.role`` in tables and reports."""

DIAGNOSTICS_TOPIC = "/diagnostics"
DIAGNOSTICS_TYPE = "diagnostic_msgs/msg/DiagnosticArray"

_PARTICIPANT = re.compile(r"/(rsu|av)_[0-9]+$")

_TOPIC_OF_TYPE = {
    message_type: name
    for name, message_type in ALL_TOPICS.items()
    if message_type.startswith("veaat_migration/")
}


def identify(topic: str, message_type: str) -> tuple[str, str] | None:
    """(namespace, name in :data:`ALL_TOPICS` or "diagnostics") of a recorded topic.

    The project's own types are recognised under any topic name, others by name and type.
    None: the topic does not belong to a game.
    """
    if (topic, message_type) == (DIAGNOSTICS_TOPIC, DIAGNOSTICS_TYPE):
        return "", "diagnostics"
    namespace, _, last = topic.rpartition("/")
    namespace = _PARTICIPANT.sub("", namespace)
    if ALL_TOPICS.get(last) == message_type:
        return namespace or "/", last
    name = _TOPIC_OF_TYPE.get(message_type)
    return None if name is None else (namespace or "/", name)

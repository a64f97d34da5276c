"""Whether a player is well, judged from two snapshots of its status; without ROS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from veaat_migration.protocol.reject import RejectReason
from veaat_migration.protocol.status import PlayerState, PlayerStatus, Role

HARMLESS = frozenset({RejectReason.DUPLICATE.value, RejectReason.FINISHED.value})
"""Rejections that belong to a healthy game: retransmissions and goodbyes."""


class Level(IntEnum):
    """Values of ``diagnostic_msgs/DiagnosticStatus.level``."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass(frozen=True)
class Health:
    """What a person should know."""

    level: Level
    message: str


@dataclass(frozen=True)
class Section:
    """One entry of the diagnostics."""

    name: str
    health: Health
    values: Mapping[str, object]
    """By name, for people."""


def game_values(status: PlayerStatus) -> dict[str, object]:
    """What the diagnostics tell about the game."""
    return {
        "state": status.state.name.lower(),
        "round": status.round,
        "rounds completed": status.rounds_completed,
        "policy": status.policy,
        "peers": ", ".join(map(str, status.peer_ids)),
        "messages accepted": status.messages_accepted,
        "deadline misses": status.deadline_misses,
        "retransmissions": status.retransmissions,
        "policy errors": status.policy_errors,
        "last policy error": status.last_policy_error,
        "receipt mismatches": status.receipt_mismatches,
        **{f"rejected {reason}": count for reason, count in status.rejections.items()},
    }


def assess(now: PlayerStatus, before: PlayerStatus | None) -> Health:
    """Judge what happened since the snapshot ``before`` (None: since the start)."""
    grown = {
        reason: count - (before.rejections.get(reason, 0) if before else 0)
        for reason, count in now.rejections.items()
    }
    name = "rsu_id" if now.role is Role.LEADER else "av_id"
    if grown.get(RejectReason.OWN_ID.value, 0):
        return Health(
            Level.ERROR,
            f"another node uses {name} {now.player_id}: give every node an id of its own",
        )
    if now.policy_errors > (before.policy_errors if before else 0):
        return Health(Level.ERROR, f"policy {now.policy} failed: {now.last_policy_error}")
    if now.receipt_mismatches > (before.receipt_mismatches if before else 0):
        return Health(Level.WARN, "an RSU's receipt names a demand that was not bid")
    rejected = {reason: n for reason, n in grown.items() if n and reason not in HARMLESS}
    if rejected:
        shown = ", ".join(f"{n} {reason}" for reason, n in sorted(rejected.items()))
        return Health(Level.WARN, f"rejected messages: {shown}")
    misses = now.deadline_misses - (before.deadline_misses if before else 0)
    if misses:
        return Health(Level.WARN, f"{misses} answers did not come in time")
    if now.state is PlayerState.WAITING:
        others = "AVs" if now.role is Role.LEADER else "RSUs"
        return Health(Level.WARN, f"waiting for {others}")
    if now.state is PlayerState.FINISHED:
        return Health(Level.OK, f"finished after {now.rounds_completed} rounds")
    return Health(Level.OK, f"playing round {now.round}")

"""Parameters that leaders and followers share; protocol defaults come from its settings."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

from veaat_migration.nodes.specification import Kind, ParameterSpec, Value
from veaat_migration.policy.factory import POLICIES

MAX_ID = 2**32 - 1
"""Ids are uint32 in the messages."""
EXECUTORS = ("events", "single_threaded")


def setting(
    config: type[Any], name: str, kind: Kind, description: str, **rest: Any
) -> ParameterSpec:
    """A setting of the protocol, with the default that its dataclass has."""
    (default,) = [item.default for item in dataclasses.fields(config) if item.name == name]
    default = list(default) if kind.is_array else default  # type: ignore[arg-type]
    return ParameterSpec(name, kind, description, cast("Value", default), **rest)


EXECUTOR = ParameterSpec(
    "executor",
    Kind.STRING,
    "rclpy executor that runs the node; events needs least CPU and has the lowest latency",
    "events",
    choices=EXECUTORS,
)

AUTOSTART = ParameterSpec(
    "autostart",
    Kind.BOOL,
    "configure and activate by itself; false: a lifecycle manager does that",
    True,
)


def common(config: type[Any], peers: str) -> tuple[ParameterSpec, ...]:
    """The parameters of a player whose protocol settings are ``config``; ``peers`` in words."""
    return (
        ParameterSpec(
            "policy", Kind.STRING, "policy that decides", "best_response", choices=POLICIES
        ),
        ParameterSpec("seed", Kind.INTEGER, "seed of the policy's random numbers", 0, minimum=0),
        setting(
            config,
            "peer_ids",
            Kind.INTEGER_ARRAY,
            f"ids of the {peers} that may take part; left out: all",
            minimum=1,
            maximum=MAX_ID,
        ),
        setting(
            config, "max_peers", Kind.INTEGER, f"most {peers} remembered", minimum=1, maximum=10**6
        ),
        setting(
            config,
            "retransmit_period",
            Kind.DOUBLE,
            "the last message is sent again when nothing moved for this long",
            unit="s",
            above=0.0,
            maximum=3600.0,
        ),
        setting(
            config,
            "max_missed_rounds",
            Kind.INTEGER,
            f"{peers} that miss this many deadlines in a row are no longer waited for",
            minimum=1,
            maximum=10**6,
        ),
        setting(
            config,
            "resync_period",
            Kind.DOUBLE,
            "one of the others that contradicts what is known (a far round, an older session) "
            "is believed when it insists for this long",
            unit="s",
            above=0.0,
            maximum=3600.0,
        ),
        setting(
            config,
            "max_round_lead",
            Kind.INTEGER,
            "a round further ahead than this is rejected until the sender insists",
            minimum=1,
            maximum=10**9,
        ),
        ParameterSpec(
            "observers",
            Kind.STRING,
            "names of nodes (recorder, monitor), separated by blanks, that must be connected "
            "before the first message of this node, so that they miss nothing",
            "",
        ),
        ParameterSpec(
            "observer_timeout",
            Kind.DOUBLE,
            "longest time to wait for the observers; the game starts without them after it",
            10.0,
            unit="s",
            minimum=0.0,
            maximum=3600.0,
        ),
        ParameterSpec(
            "status_period",
            Kind.DOUBLE,
            "time between two node statuses and diagnostics",
            1.0,
            unit="s",
            minimum=0.1,
            maximum=3600.0,
        ),
        EXECUTOR,
    )

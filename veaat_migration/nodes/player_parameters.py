"""The parameters of both players; defaults of the protocol come from its own settings."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from veaat_migration.game.instance import Externality
from veaat_migration.nodes.specification import Kind, ParameterSpec
from veaat_migration.policy.factory import POLICIES
from veaat_migration.protocol.config import FollowerConfig, LeaderConfig

MAX_ID = 2**32 - 1
"""Ids are uint32 in the messages."""
EXECUTORS = ("events", "single_threaded")


def _setting(
    config: type[Any], name: str, kind: Kind, description: str, **rest: Any
) -> ParameterSpec:
    """A setting of the protocol, with the default that its dataclass has."""
    (default,) = [field.default for field in dataclasses.fields(config) if field.name == name]
    if kind.is_array:
        default = list(default)
    return ParameterSpec(name, kind, description, default, **rest)


EXECUTOR = ParameterSpec(
    "executor",
    Kind.STRING,
    "rclpy executor that runs the node; events needs least CPU and has the lowest latency",
    "events",
    choices=EXECUTORS,
)


def _common(config: type[Any], peers: str) -> tuple[ParameterSpec, ...]:
    return (
        ParameterSpec(
            "policy", Kind.STRING, "policy that decides", "best_response", choices=POLICIES
        ),
        ParameterSpec("seed", Kind.INTEGER, "seed of the policy's random numbers", 0, minimum=0),
        _setting(
            config,
            "peer_ids",
            Kind.INTEGER_ARRAY,
            f"ids of the {peers} that may take part; left out: all",
            minimum=1,
            maximum=MAX_ID,
        ),
        _setting(
            config, "max_peers", Kind.INTEGER, f"most {peers} remembered", minimum=1, maximum=10**6
        ),
        _setting(
            config,
            "retransmit_period",
            Kind.DOUBLE,
            "the last message is sent again when nothing moved for this long",
            unit="s",
            above=0.0,
            maximum=3600.0,
        ),
        _setting(
            config,
            "max_missed_rounds",
            Kind.INTEGER,
            f"{peers} that miss this many deadlines in a row are no longer waited for",
            minimum=1,
            maximum=10**6,
        ),
        _setting(
            config,
            "resync_period",
            Kind.DOUBLE,
            "one of the others that contradicts what is known (a far round, an older session) "
            "is believed when it insists for this long",
            unit="s",
            above=0.0,
            maximum=3600.0,
        ),
        _setting(
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


LEADER: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "rsu_id", Kind.INTEGER, "identity, unique among the RSUs", minimum=1, maximum=MAX_ID
    ),
    ParameterSpec("quality", Kind.DOUBLE, "q_j, quality of experience (Eq. 4)", above=0.0),
    ParameterSpec(
        "unit_cost", Kind.DOUBLE, "c_j, unit cost of bandwidth", unit="money/MHz", minimum=0.0
    ),
    ParameterSpec(
        "unit_cost_av_ids",
        Kind.INTEGER_ARRAY,
        "AVs with a unit cost of their own",
        [],
        minimum=1,
        maximum=MAX_ID,
    ),
    ParameterSpec(
        "unit_cost_by_av",
        Kind.DOUBLE_ARRAY,
        "c_ij of each of unit_cost_av_ids",
        [],
        unit="money/MHz",
        minimum=0.0,
    ),
    ParameterSpec("price_max", Kind.DOUBLE, "p_max, highest price", unit="money/MHz", above=0.0),
    ParameterSpec(
        "equilibrium_price",
        Kind.DOUBLE,
        "price that the policy 'equilibrium' asks; NaN: not known",
        math.nan,
        unit="money/MHz",
        minimum=0.0,
    ),
    _setting(
        LeaderConfig,
        "rounds",
        Kind.INTEGER,
        "rounds to play before the RSU closes; 0: endless",
        minimum=0,
        maximum=10**15,
    ),
    _setting(
        LeaderConfig,
        "round_period",
        Kind.DOUBLE,
        "time between two offers; 0: the next round follows as soon as one is settled",
        unit="s",
        minimum=0.0,
        maximum=3600.0,
    ),
    _setting(
        LeaderConfig,
        "round_timeout",
        Kind.DOUBLE,
        "time after an offer at which missing bids are given up; choose it at least twice the "
        "followers' offer_timeout",
        unit="s",
        above=0.0,
        maximum=3600.0,
    ),
    _setting(
        LeaderConfig,
        "join_listen",
        Kind.DOUBLE,
        "time to listen before the first offer, so that a restarted RSU joins the running round",
        unit="s",
        minimum=0.0,
        maximum=3600.0,
    ),
    _setting(
        LeaderConfig,
        "min_avs",
        Kind.INTEGER,
        "the first round stays open until this many AVs were heard",
        minimum=1,
        maximum=10**6,
    ),
    _setting(
        LeaderConfig,
        "bandwidth_max",
        Kind.DOUBLE,
        "a bid above this is rejected",
        unit="MHz",
        above=0.0,
        infinite=True,
    ),
    *_common(LeaderConfig, "AVs"),
)

FOLLOWER: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "av_id", Kind.INTEGER, "identity, unique among the AVs", minimum=1, maximum=MAX_ID
    ),
    ParameterSpec(
        "satisfaction", Kind.DOUBLE, "delta_i, satisfaction factor", unit="money", above=0.0
    ),
    ParameterSpec(
        "offset",
        Kind.DOUBLE,
        "E_i = e - alpha_i T_i^th inside the logarithm of Eq. (6)",
        unit="MHz",
    ),
    ParameterSpec(
        "bandwidth_max",
        Kind.DOUBLE,
        "b_max, most bandwidth bought from one RSU",
        unit="MHz",
        above=0.0,
    ),
    ParameterSpec(
        "social_av_ids",
        Kind.INTEGER_ARRAY,
        "AVs with a social coupling (Eq. 7) to this one",
        [],
        minimum=1,
        maximum=MAX_ID,
    ),
    ParameterSpec(
        "social", Kind.DOUBLE_ARRAY, "zeta_ik of each of social_av_ids", [], unit="money/MHz^2"
    ),
    ParameterSpec(
        "service_rsu_ids",
        Kind.INTEGER_ARRAY,
        "pairs of RSUs with a service coupling (Eq. 8), flat: j1, s1, j2, s2, ...; each pair once",
        [],
        minimum=1,
        maximum=MAX_ID,
    ),
    ParameterSpec(
        "service",
        Kind.DOUBLE_ARRAY,
        "eta_js of each pair of service_rsu_ids",
        [],
        unit="money/MHz^2",
    ),
    ParameterSpec(
        "externality",
        Kind.STRING,
        "how the couplings enter the utility",
        Externality.ADDITIVE.value,
        choices=tuple(kind.value for kind in Externality),
    ),
    ParameterSpec(
        "delay_rsu_ids",
        Kind.INTEGER_ARRAY,
        "RSUs whose link is known; given: the delay constraint (Eq. 11) holds",
        [],
        minimum=1,
        maximum=MAX_ID,
    ),
    ParameterSpec(
        "delay_spectral_efficiency",
        Kind.DOUBLE_ARRAY,
        "s_ij = log2(1 + SNR) of each of delay_rsu_ids",
        [],
        unit="bit/s/Hz",
        above=0.0,
    ),
    ParameterSpec(
        "delay_base",
        Kind.DOUBLE_ARRAY,
        "T0_ij, queueing plus re-instantiation delay at each of delay_rsu_ids",
        [],
        unit="s",
        minimum=0.0,
    ),
    ParameterSpec(
        "delay_data",
        Kind.DOUBLE,
        "D_i, twin data to move; needed with delay_rsu_ids",
        math.nan,
        unit="Mbit",
        minimum=0.0,
    ),
    ParameterSpec(
        "delay_max",
        Kind.DOUBLE,
        "T_i^max, tolerated expected delay; needed with delay_rsu_ids",
        math.nan,
        unit="s",
        above=0.0,
    ),
    ParameterSpec(
        "equilibrium_rsu_ids",
        Kind.INTEGER_ARRAY,
        "RSUs of equilibrium_bandwidth",
        [],
        minimum=1,
        maximum=MAX_ID,
    ),
    ParameterSpec(
        "equilibrium_bandwidth",
        Kind.DOUBLE_ARRAY,
        "demand that the policy 'equilibrium' asks from each of equilibrium_rsu_ids",
        [],
        unit="MHz",
        minimum=0.0,
    ),
    _setting(
        FollowerConfig,
        "offer_timeout",
        Kind.DOUBLE,
        "time after the first offer of a round at which missing offers are given up",
        unit="s",
        above=0.0,
        maximum=3600.0,
    ),
    _setting(
        FollowerConfig,
        "min_rsus",
        Kind.INTEGER,
        "no bid is made until this many RSUs were heard",
        minimum=1,
        maximum=10**6,
    ),
    _setting(
        FollowerConfig,
        "price_max",
        Kind.DOUBLE,
        "an offer above this price is rejected",
        unit="money/MHz",
        above=0.0,
        infinite=True,
    ),
    _setting(
        FollowerConfig,
        "finish_when_closed",
        Kind.BOOL,
        "finish when the last RSU closes; false: wait for another one (a vehicle drives on)",
    ),
    *_common(FollowerConfig, "RSUs"),
)

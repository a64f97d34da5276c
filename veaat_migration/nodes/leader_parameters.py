"""Parameters of an RSU."""

from __future__ import annotations

import math

from veaat_migration.nodes.common_parameters import MAX_ID, common, setting
from veaat_migration.nodes.specification import Kind, ParameterSpec
from veaat_migration.protocol.config import LeaderConfig

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
    setting(
        LeaderConfig,
        "rounds",
        Kind.INTEGER,
        "rounds to play before the RSU closes; 0: endless",
        minimum=0,
        maximum=10**15,
    ),
    setting(
        LeaderConfig,
        "round_period",
        Kind.DOUBLE,
        "time between two offers; 0: the next round follows as soon as one is settled",
        unit="s",
        minimum=0.0,
        maximum=3600.0,
    ),
    setting(
        LeaderConfig,
        "round_timeout",
        Kind.DOUBLE,
        "time after an offer at which missing bids are given up; choose it at least twice the "
        "followers' offer_timeout",
        unit="s",
        above=0.0,
        maximum=3600.0,
    ),
    setting(
        LeaderConfig,
        "join_listen",
        Kind.DOUBLE,
        "time to listen before the first offer, so that a restarted RSU joins the running round",
        unit="s",
        minimum=0.0,
        maximum=3600.0,
    ),
    setting(
        LeaderConfig,
        "min_avs",
        Kind.INTEGER,
        "the first round stays open until this many AVs were heard",
        minimum=1,
        maximum=10**6,
    ),
    setting(
        LeaderConfig,
        "bandwidth_max",
        Kind.DOUBLE,
        "a bid above this is rejected",
        unit="MHz",
        above=0.0,
        infinite=True,
    ),
    ParameterSpec(
        "follow_quality",
        Kind.BOOL,
        "offer the quality that this RSU's twin_host publishes as service_quality",
        False,
    ),
    *common(LeaderConfig, "AVs"),
)

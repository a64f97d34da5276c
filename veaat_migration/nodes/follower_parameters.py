"""Parameters of an AV."""

from __future__ import annotations

import math

from veaat_migration.game.instance import Externality
from veaat_migration.nodes.common_parameters import MAX_ID, common, setting
from veaat_migration.nodes.specification import Kind, ParameterSpec
from veaat_migration.protocol.config import FollowerConfig

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
    setting(
        FollowerConfig,
        "offer_timeout",
        Kind.DOUBLE,
        "time after the first offer of a round at which missing offers are given up",
        unit="s",
        above=0.0,
        maximum=3600.0,
    ),
    setting(
        FollowerConfig,
        "min_rsus",
        Kind.INTEGER,
        "no bid is made until this many RSUs were heard",
        minimum=1,
        maximum=10**6,
    ),
    setting(
        FollowerConfig,
        "price_max",
        Kind.DOUBLE,
        "an offer above this price is rejected",
        unit="money/MHz",
        above=0.0,
        infinite=True,
    ),
    setting(
        FollowerConfig,
        "finish_when_closed",
        Kind.BOOL,
        "finish when the last RSU closes; false: wait for another one (a vehicle drives on)",
    ),
    *common(FollowerConfig, "RSUs"),
)

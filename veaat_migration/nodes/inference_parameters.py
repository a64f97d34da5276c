"""Parameters of the inference nodes: those of a player, and where its policy comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable

from veaat_migration.game.delay import Channel
from veaat_migration.mobility.position_watch import MAX_SPEED, TIMEOUT
from veaat_migration.nodes.common_parameters import AUTOSTART, MAX_ID
from veaat_migration.nodes.follower_parameters import FOLLOWER
from veaat_migration.nodes.leader_parameters import LEADER
from veaat_migration.nodes.specification import Kind, ParameterSpec
from veaat_migration.policy.artifact import MAX_FILE_SIZE
from veaat_migration.policy.onnx_runtime import RUNTIMES
from veaat_migration.policy.reception import MAX_SIZE

_OF_OTHER_POLICIES = frozenset(
    {
        "policy",
        "equilibrium_price",
        "equilibrium_rsu_ids",
        "equilibrium_bandwidth",
    }
)

POLICY: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "policy_path",
        Kind.STRING,
        "policy to begin with: a file, the folder of a bundle, or the name of a shipped bundle; "
        "empty: none until one is released",
        "",
    ),
    ParameterSpec(
        "policy_releases",
        Kind.BOOL,
        "play newer policies that policy_manifest announces",
        True,
    ),
    ParameterSpec(
        "policy_store",
        Kind.STRING,
        "folder that keeps the newest accepted policy for the next start; empty: none",
        "",
    ),
    ParameterSpec(
        "policy_public_key",
        Kind.STRING,
        "public key (PEM, Ed25519); given: policies that are not signed with its private key are "
        "refused, also that of policy_path",
        "",
    ),
    ParameterSpec(
        "max_policy_size",
        Kind.INTEGER,
        "most bytes of a policy that are taken",
        MAX_SIZE,
        unit="B",
        minimum=1,
        maximum=MAX_FILE_SIZE,
    ),
    ParameterSpec(
        "policy_timeout",
        Kind.DOUBLE,
        "time after which an unanswered request for a policy is given up and made again",
        2.0,
        unit="s",
        above=0.0,
        maximum=600.0,
    ),
    ParameterSpec(
        "policy_runtime", Kind.STRING, "what runs the policy", RUNTIMES[0], choices=RUNTIMES
    ),
    ParameterSpec(
        "onnx_providers",
        Kind.STRING,
        "execution providers of onnxruntime in order of preference, separated by blanks: "
        "tensorrt, cuda, cpu",
        "cpu",
    ),
    ParameterSpec(
        "onnx_folder",
        Kind.STRING,
        "folder with ready ONNX files of 'veaat policy --onnx', for machines without the package "
        "onnx; empty: none",
        "",
    ),
)


VEHICLE: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "link_rsu_ids",
        Kind.INTEGER_ARRAY,
        "RSUs whose place is known; given: delays are reckoned from the vehicle's odometry",
        [],
        minimum=1,
        maximum=MAX_ID,
    ),
    ParameterSpec(
        "link_x",
        Kind.DOUBLE_ARRAY,
        "x of each of link_rsu_ids in the frame of the odometry",
        [],
        unit="m",
    ),
    ParameterSpec("link_y", Kind.DOUBLE_ARRAY, "y of each of link_rsu_ids", [], unit="m"),
    ParameterSpec(
        "link_base_delay",
        Kind.DOUBLE_ARRAY,
        "T0_ij, queueing plus re-instantiation delay at each of link_rsu_ids; left out: 0, or "
        "delay_base",
        [],
        unit="s",
        minimum=0.0,
    ),
    ParameterSpec(
        "coverage_radius",
        Kind.DOUBLE,
        "farthest distance at which an RSU serves",
        math.inf,
        unit="m",
        above=0.0,
        infinite=True,
    ),
    ParameterSpec(
        "antenna_gain",
        Kind.DOUBLE,
        "A, channel gain coefficient",
        Channel.antenna_gain,
        above=0.0,
    ),
    ParameterSpec(
        "carrier_frequency",
        Kind.DOUBLE,
        "f, frequency of the carrier",
        Channel.carrier_frequency,
        unit="GHz",
        above=0.0,
    ),
    ParameterSpec(
        "transmit_power",
        Kind.DOUBLE,
        "rho, power of the sender",
        Channel.transmit_power,
        unit="dBm",
        minimum=-100.0,
        maximum=100.0,
    ),
    ParameterSpec(
        "noise_power",
        Kind.DOUBLE,
        "sigma^2, power of the noise",
        Channel.noise_power,
        unit="dBm",
        minimum=-250.0,
        maximum=100.0,
    ),
    ParameterSpec(
        "odometry_frame",
        Kind.STRING,
        "frame_id that odometry must have to be taken; empty: any",
        "",
    ),
    ParameterSpec(
        "odometry_timeout",
        Kind.DOUBLE,
        "age at which a position is stale and delays count as unknown",
        TIMEOUT,
        unit="s",
        above=0.0,
        maximum=3600.0,
    ),
    ParameterSpec(
        "max_speed",
        Kind.DOUBLE,
        "a vehicle that seems to go faster has a new origin of its odometry",
        MAX_SPEED,
        unit="m/s",
        above=0.0,
    ),
    ParameterSpec(
        "task_tolerance",
        Kind.DOUBLE,
        "largest relative difference between twin_task and the parameters up to which the learned "
        "policy, which does not see the task, still answers",
        0.01,
        minimum=0.0,
        maximum=1.0,
    ),
    ParameterSpec(
        "offers_timeout",
        Kind.DOUBLE,
        "time without a new round after which migration_decision says that there is no target",
        5.0,
        unit="s",
        above=0.0,
        maximum=3600.0,
    ),
)


def _played(specs: Iterable[ParameterSpec]) -> tuple[ParameterSpec, ...]:
    """The parameters of a player without those of policies that need no training."""
    return tuple(spec for spec in specs if spec.name not in _OF_OTHER_POLICIES)


AV_INFERENCE: tuple[ParameterSpec, ...] = (*_played(FOLLOWER), *POLICY, *VEHICLE, AUTOSTART)

RSU_INFERENCE: tuple[ParameterSpec, ...] = (
    *_played(LEADER),
    ParameterSpec(
        "arrival_rate",
        Kind.DOUBLE,
        "lambda_j, arrival of tasks at this RSU; NaN: that of the policy's training",
        math.nan,
        unit="1/s",
        minimum=0.0,
    ),
    ParameterSpec(
        "service_rate",
        Kind.DOUBLE,
        "mu_j, service of tasks at this RSU; NaN: that of the policy's training",
        math.nan,
        unit="1/s",
        minimum=0.0,
    ),
    *POLICY,
    AUTOSTART,
)

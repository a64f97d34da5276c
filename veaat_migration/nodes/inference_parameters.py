"""Parameters of the inference nodes: those of a player, and where its policy comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable

from veaat_migration.nodes.common_parameters import AUTOSTART
from veaat_migration.nodes.follower_parameters import FOLLOWER
from veaat_migration.nodes.leader_parameters import LEADER
from veaat_migration.nodes.specification import Kind, ParameterSpec
from veaat_migration.policy.artifact import MAX_FILE_SIZE
from veaat_migration.policy.reception import MAX_SIZE

RUNTIMES = ("numpy", "onnxruntime")
_OF_OTHER_POLICIES = frozenset(
    {"policy", "equilibrium_price", "equilibrium_rsu_ids", "equilibrium_bandwidth"}
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
        "TensorRT, CUDA, CPU",
        "CPU",
    ),
)


def _played(specs: Iterable[ParameterSpec]) -> tuple[ParameterSpec, ...]:
    """The parameters of a player without those of policies that need no training."""
    return tuple(spec for spec in specs if spec.name not in _OF_OTHER_POLICIES)


AV_INFERENCE: tuple[ParameterSpec, ...] = (*_played(FOLLOWER), *POLICY, AUTOSTART)

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

"""Parameters of the trainer node."""

from __future__ import annotations

from veaat_migration.nodes.common_parameters import AUTOSTART, EXECUTOR
from veaat_migration.nodes.specification import Kind, ParameterSpec

MAX_SEED = 2**53
OWN: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "config",
        Kind.STRING,
        "training file, or the name of a shipped one (config/train/)",
        "base",
    ),
    ParameterSpec(
        "scenario",
        Kind.STRING,
        "game to learn, or the name of a shipped one; empty: that of config",
        "",
    ),
    ParameterSpec(
        "seed", Kind.INTEGER, "seed of all random numbers", 1, minimum=0, maximum=MAX_SEED
    ),
    ParameterSpec(
        "iterations",
        Kind.INTEGER,
        "iterations of the training run; 0: as config says",
        0,
        minimum=0,
        maximum=10**9,
    ),
    ParameterSpec(
        "folder",
        Kind.STRING,
        "for checkpoint, logs, policies and releases; empty: runs/trainer-<name of config>",
        "",
    ),
    ParameterSpec("device", Kind.STRING, "where PyTorch computes: cpu, cuda or cuda:N", "cpu"),
    ParameterSpec("tensorboard", Kind.BOOL, "write TensorBoard events", True),
    ParameterSpec(
        "train_on_activate",
        Kind.BOOL,
        "train as soon as the node is active; false: only when asked by the action train",
        True,
    ),
    ParameterSpec(
        "max_tries",
        Kind.INTEGER,
        "training processes in a row that may die without getting further before it is given up",
        3,
        minimum=1,
        maximum=1000,
    ),
    ParameterSpec(
        "release_period",
        Kind.DOUBLE,
        "least time between two releases; the final one does not wait",
        10.0,
        unit="s",
        minimum=0.0,
        maximum=86400.0,
    ),
    ParameterSpec(
        "release_improvement",
        Kind.DOUBLE,
        "share by which the gap (or else exploitability) must fall for a new release",
        0.1,
        minimum=0.0,
        maximum=1.0,
    ),
    ParameterSpec(
        "release_noise",
        Kind.DOUBLE,
        "relative gaps and gains that differ by less than this count as equal",
        0.001,
        minimum=0.0,
        maximum=1.0,
    ),
    ParameterSpec(
        "release_gap",
        Kind.DOUBLE,
        "policies with a larger gap are not released before the end of training",
        0.1,
        minimum=0.0,
        infinite=True,
    ),
    ParameterSpec(
        "keep_releases", Kind.INTEGER, "releases that are kept", 5, minimum=1, maximum=1000
    ),
    ParameterSpec(
        "max_message_size",
        Kind.INTEGER,
        "larger policy files are not sent in answers of get_policy; the manifest names their "
        "location instead",
        1 << 18,
        unit="bytes",
        minimum=0,
        maximum=1 << 24,
    ),
    ParameterSpec(
        "signing_key",
        Kind.STRING,
        "private key (PEM, Ed25519) that signs what is released; empty: not signed",
        "",
    ),
    ParameterSpec(
        "status_period",
        Kind.DOUBLE,
        "longest time between two training statuses, and between two diagnostics",
        1.0,
        unit="s",
        minimum=0.1,
        maximum=3600.0,
    ),
)
TRAINER: tuple[ParameterSpec, ...] = (*OWN, AUTOSTART, EXECUTOR)

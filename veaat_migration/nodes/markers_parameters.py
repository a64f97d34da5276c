"""Parameters of the node ``markers``."""

from __future__ import annotations

from veaat_migration.nodes.common_parameters import EXECUTOR
from veaat_migration.nodes.marker_scene import Look
from veaat_migration.nodes.specification import Kind, ParameterSpec

_LOOK = Look()

MARKERS: tuple[ParameterSpec, ...] = (
    ParameterSpec("frame", Kind.STRING, "frame_id of the markers: the frame of odom", "map"),
    ParameterSpec(
        "rate", Kind.DOUBLE, "marker arrays a second, as far as somebody listens", 5.0,
        unit="1/s", above=0.0, maximum=60.0,
    ),
    ParameterSpec(
        "odometry", Kind.STRING,
        "topic of an AV's odometry, {} standing for its id; empty: twin_status says where it is",
        "av_{}/odom",
    ),
    ParameterSpec(
        "size", Kind.DOUBLE, "length of a vehicle; all other sizes follow", _LOOK.size, unit="m",
        above=0.0, maximum=10_000.0,
    ),
    ParameterSpec("labels", Kind.BOOL, "names beside the vehicles", _LOOK.labels),
    ParameterSpec(
        "timeout", Kind.DOUBLE, "silence after which an AV is deleted and an RSU drawn grey",
        _LOOK.timeout, unit="s", above=0.0, maximum=3600.0,
    ),
    ParameterSpec(
        "forget", Kind.DOUBLE, "silence after which an RSU is deleted", _LOOK.forget, unit="s",
        above=0.0, maximum=86_400.0,
    ),
    EXECUTOR,
)  # fmt: skip

"""Parameters of the node ``traffic``."""

from __future__ import annotations

import math

from veaat_migration.nodes.common_parameters import EXECUTOR, MAX_ID
from veaat_migration.nodes.specification import Kind, ParameterSpec

TRAFFIC: tuple[ParameterSpec, ...] = (
    ParameterSpec("trace", Kind.STRING, "SUMO floating-car data, .xml or .xml.gz"),
    ParameterSpec(
        "av_ids", Kind.INTEGER_ARRAY, "AVs whose odometry is published", minimum=1, maximum=MAX_ID
    ),
    ParameterSpec(
        "vehicles",
        Kind.STRING,
        "the vehicle of the trace that each of av_ids is: a JSON list of ids",
    ),
    ParameterSpec(
        "start", Kind.DOUBLE, "time in the trace to begin at; NaN: its beginning", math.nan,
        unit="s",
    ),
    ParameterSpec(
        "duration", Kind.DOUBLE, "length of trace to play; infinite: all", math.inf, unit="s",
        above=0.0, infinite=True,
    ),
    ParameterSpec(
        "speed", Kind.DOUBLE, "seconds of trace per second; can be set at any time", 1.0,
        above=0.0, maximum=1000.0, changeable=True,
    ),
    ParameterSpec(
        "paused", Kind.BOOL, "time stands still; can be set at any time", False, changeable=True
    ),
    ParameterSpec(
        "patience", Kind.DOUBLE,
        "longest wait, before time begins, until somebody listens to the odometry of each AV",
        30.0, unit="s", minimum=0.0, maximum=3600.0,
    ),
    ParameterSpec("rate", Kind.DOUBLE, "odometry messages a second of each AV", 10.0, unit="1/s",
                  above=0.0, maximum=1000.0),
    ParameterSpec("frame", Kind.STRING, "frame_id of the odometry", "map"),
    EXECUTOR,
)  # fmt: skip

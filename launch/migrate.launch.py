"""Twins migrate in a city: a process for each RSU and AV, traffic, a monitor, and a recorder.

The same plan as ``veaat migrate``. Arguments: ``ros2 launch veaat_migration migrate.launch.py -s``.
"""

import os
import time
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from veaat_migration.bringup.plan import NodeSpec, Part
from veaat_migration.nodes.parent import VARIABLE

_YES_NO = ["true", "false"]

ARGUMENTS = [
    DeclareLaunchArgument(
        "trace",
        default_value="",
        description="SUMO floating-car data, .xml or .xml.gz; empty: a generated town",
    ),
    DeclareLaunchArgument(
        "start", default_value="", description="time in the trace [s]; empty: its beginning"
    ),
    DeclareLaunchArgument(
        "seconds", default_value="90.0", description="length of the trace to play [s]"
    ),
    DeclareLaunchArgument("speed", default_value="1.5", description="seconds of trace per second"),
    DeclareLaunchArgument("avs", default_value="4", description="vehicles that take part"),
    DeclareLaunchArgument("rsus", default_value="4", description="RSUs"),
    DeclareLaunchArgument("radius", default_value="250.0", description="coverage of an RSU [m]"),
    DeclareLaunchArgument("seed", default_value="1", description="seed of all random numbers"),
    DeclareLaunchArgument(
        "period", default_value="0.2", description="time between two rounds of the game [s]"
    ),
    DeclareLaunchArgument(
        "horizon",
        default_value="10.0",
        description="AVs ask when they leave coverage within this time [s]",
    ),
    DeclareLaunchArgument(
        "image_share",
        default_value="1.0",
        description="bytes that a twin really has, as a share of the data its transfer counts as",
    ),
    DeclareLaunchArgument(
        "composed",
        default_value="true",
        choices=_YES_NO,
        description="one process for each machine, not one for each node",
    ),
    DeclareLaunchArgument(
        "record", default_value="true", choices=_YES_NO, description="record a bag (MCAP)"
    ),
    DeclareLaunchArgument(
        "markers",
        default_value="false",
        choices=_YES_NO,
        description="draw it for RViz and Foxglove on the topic markers",
    ),
    DeclareLaunchArgument(
        "output", default_value="", description="folder for everything; left out: runs/<time>-..."
    ),
    DeclareLaunchArgument(
        "respawn", default_value="false", choices=_YES_NO, description="restart machines that die"
    ),
    DeclareLaunchArgument(
        "namespace", default_value="/veaat", description="namespace of nodes and topics"
    ),
    DeclareLaunchArgument(
        "executor",
        default_value="events",
        choices=["events", "single_threaded"],
        description="rclpy executor of the nodes",
    ),
    DeclareLaunchArgument("log_level", default_value="info", description="of all nodes"),
]


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; the nodes depend on their values."""
    return LaunchDescription(
        [
            *ARGUMENTS,
            # The nodes ask the kernel to end them with this process, however it ends.
            SetEnvironmentVariable(VARIABLE, str(os.getpid())),
            OpaqueFunction(function=nodes),
        ]
    )


def nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The nodes of the plan."""
    # Here and not above: '--show-args' works without pydantic and the like.
    from veaat_migration.bringup.city import make_city, write_town
    from veaat_migration.bringup.migration_plan import MigrationOptions, make_migration_plan

    value = {
        argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS
    }
    start = float(value["start"]) if value["start"] else None
    seconds, seed = float(value["seconds"]), int(value["seed"])
    name = Path(value["trace"]).name.partition(".")[0] or "town"
    output = value["output"] or f"runs/{time.strftime('%Y%m%d-%H%M%S')}-migrate-{name}"
    folder = Path(output).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    trace = Path(value["trace"]).expanduser().resolve()
    if not value["trace"]:
        trace = folder / "town.fcd.xml.gz"
        write_town(trace, (start or 0.0) + seconds + 1.0, seed)
    city = make_city(
        trace,
        start=start,
        duration=seconds,
        n_avs=int(value["avs"]),
        n_rsus=int(value["rsus"]),
        radius=float(value["radius"]),
        seed=seed,
        name=name,
    )
    options = MigrationOptions(
        state=str(folder / "state"),
        seed=seed,
        speed=float(value["speed"]),
        period=float(value["period"]),
        horizon=float(value["horizon"]),
        image_share=float(value["image_share"]),
        composed=value["composed"] == "true",
        bag=str(folder / "bag") if value["record"] == "true" else None,
        markers=value["markers"] == "true",
        namespace=value["namespace"],
        executor=value["executor"],
    )
    respawn = value["respawn"] == "true"
    return [
        LogInfo(msg=f"everything goes into {folder}; 'veaat bag {folder}/bag' analyses it"),
        *(
            node_action(spec, value["log_level"], respawn=respawn)
            for spec in make_migration_plan(city, options).nodes
        ),
    ]


def node_action(spec: NodeSpec, log_level: str, *, respawn: bool) -> Node:
    """One node of the plan; the end of the traffic is the end of the city."""
    return Node(
        package="veaat_migration",
        executable=spec.executable,
        name=spec.name,
        namespace=spec.namespace,
        parameters=[dict(spec.parameters)],
        remappings=list(spec.remappings.items()),
        ros_arguments=["--log-level", log_level],
        output="screen",
        respawn=respawn and spec.part is Part.PLAYER,
        respawn_delay=1.0,
        on_exit=[Shutdown(reason="the traffic is over")] if spec.part is Part.TRAFFIC else None,
    )

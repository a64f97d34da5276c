"""Plays a game: one process per RSU and AV (or one for all), a monitor, and a recorder.

The same plan as ``veaat sim``. Arguments: ``ros2 launch veaat_migration sim.launch.py -s``.
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

from veaat_migration.bringup.plan import (
    POLICIES,
    NodeSpec,
    Options,
    Part,
    make_plan,
    policies_by_player,
)
from veaat_migration.bringup.policies import SHIPPED, with_bundle
from veaat_migration.bringup.scenarios import find_scenario
from veaat_migration.nodes.parent import VARIABLE

_POLICIES = list(POLICIES)
_YES_NO = ["true", "false"]

ARGUMENTS = [
    DeclareLaunchArgument(
        "scenario",
        default_value="base",
        description="scenario or game instance (YAML, JSON), or the name of a shipped one",
    ),
    DeclareLaunchArgument(
        "rounds", default_value="200", description="rounds to play; 0: until Ctrl-C"
    ),
    DeclareLaunchArgument(
        "seed", default_value="1", description="seed of all players' random numbers"
    ),
    DeclareLaunchArgument(
        "policy",
        default_value="best_response",
        choices=_POLICIES,
        description="policy of all players",
    ),
    DeclareLaunchArgument(
        "leader_policy",
        default_value=LaunchConfiguration("policy"),
        choices=_POLICIES,
        description="policy of the RSUs",
    ),
    DeclareLaunchArgument(
        "follower_policy",
        default_value=LaunchConfiguration("policy"),
        choices=_POLICIES,
        description="policy of the AVs",
    ),
    DeclareLaunchArgument(
        "players",
        default_value="",
        description="policies of single players, separated by blanks: 'rsu_1=random av_2=greedy'",
    ),
    DeclareLaunchArgument(
        "policies",
        default_value=SHIPPED,
        description="policies of players that are 'learned': folder of a bundle, or the name of a "
        "shipped one",
    ),
    DeclareLaunchArgument(
        "period",
        default_value="0.0",
        description="time between two rounds [s]; 0: as fast as the players answer",
    ),
    DeclareLaunchArgument(
        "composed",
        default_value="false",
        choices=_YES_NO,
        description="all players in one process instead of one process each",
    ),
    DeclareLaunchArgument(
        "record", default_value="true", choices=_YES_NO, description="record a bag (MCAP)"
    ),
    DeclareLaunchArgument(
        "bag",
        default_value="",
        description="folder for the bag; left out: runs/<time>-<scenario>/bag",
    ),
    DeclareLaunchArgument(
        "respawn", default_value="false", choices=_YES_NO, description="restart players that die"
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
    from veaat_migration.scenario.load import load_game

    value = {
        argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS
    }
    scenario = find_scenario(value["scenario"])
    bag = Path(value["bag"] or f"runs/{time.strftime('%Y%m%d-%H%M%S')}-{scenario.stem}/bag")
    recording = value["record"] == "true"
    options = Options(
        rounds=int(value["rounds"]),
        seed=int(value["seed"]),
        leader_policy=value["leader_policy"],
        follower_policy=value["follower_policy"],
        policies=policies_by_player(value["players"].split()),
        period=float(value["period"]),
        composed=value["composed"] == "true",
        bag=str(bag.expanduser().resolve()) if recording else None,
        namespace=value["namespace"],
        executor=value["executor"],
    )
    instance = load_game(scenario)
    plan = make_plan(instance, with_bundle(options, value["policies"], instance))
    actions: list[LaunchDescriptionEntity] = [
        node_action(spec, value["log_level"], respawn=value["respawn"] == "true")
        for spec in plan.nodes
    ]
    if recording:
        bag.parent.mkdir(parents=True, exist_ok=True)
        note = f"recording into {bag}; 'veaat bag {bag}' analyses it"
        actions.insert(0, LogInfo(msg=note))
    return actions


def node_action(spec: NodeSpec, log_level: str, *, respawn: bool) -> Node:
    """One node of the plan; the end of the monitor is the end of the simulation."""
    is_player, is_monitor = spec.part is Part.PLAYER, spec.part is Part.MONITOR
    return Node(
        package="veaat_migration",
        executable=spec.executable,
        name=spec.name,
        namespace=spec.namespace,
        parameters=[dict(spec.parameters)],
        remappings=list(spec.remappings.items()),
        ros_arguments=["--log-level", log_level],
        output="screen",
        respawn=respawn and is_player,
        respawn_delay=1.0,
        on_exit=[Shutdown(reason="the game is over")] if is_monitor else None,
    )

"""Trains the agents of a game in a node, which hands out each better policy.

Arguments: ``ros2 launch veaat_migration train.launch.py -s``. Ctrl-C keeps the checkpoint: the same
command goes on from there. More: docs/training_node.md.
"""

import os

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from veaat_migration.nodes.parent import VARIABLE
from veaat_migration.nodes.specification import Kind
from veaat_migration.nodes.trainer_parameters import TRAINER

_YES_NO = ["true", "false"]
_NODE_ARGUMENTS = [
    DeclareLaunchArgument(
        "namespace", default_value="/veaat", description="namespace of the node and its topics"
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value="",
        description="parameters file (YAML); arguments that are given win over it",
    ),
    DeclareLaunchArgument(
        "respawn",
        default_value="false",
        choices=_YES_NO,
        description="start the node again if it dies; it goes on from its checkpoint",
    ),
    DeclareLaunchArgument("log_level", default_value="info", description="of the node"),
]


def _argument_of(spec) -> DeclareLaunchArgument:
    """A launch argument for a parameter of the node; empty: as the node has it."""
    unit = f" [{spec.unit}]" if spec.unit else ""
    default = str(spec.default).lower() if spec.kind is Kind.BOOL else spec.default
    return DeclareLaunchArgument(
        spec.name, default_value="", description=f"{spec.description}{unit}; default: {default!r}"
    )


PARAMETERS = {spec.name: spec for spec in TRAINER}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; one for each parameter of the node."""
    return LaunchDescription(
        [
            *(_argument_of(spec) for spec in TRAINER),
            *_NODE_ARGUMENTS,
            # The node asks the kernel to end it with this process, however it ends.
            SetEnvironmentVariable(VARIABLE, str(os.getpid())),
            OpaqueFunction(function=trainer),
        ]
    )


def trainer(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The node with the parameters that were given."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    given = {name: _read(spec, text) for name, spec in PARAMETERS.items() if (text := value(name))}
    file = value("params_file")
    return [
        Node(
            package="veaat_migration",
            executable="trainer",
            name="trainer",
            namespace=value("namespace"),
            parameters=[*([file] if file else []), given],
            ros_arguments=["--log-level", value("log_level")],
            output="screen",
            respawn=value("respawn") == "true",
            respawn_delay=1.0,
        )
    ]


def _read(spec, text: str):
    """A launch argument as the value of a parameter."""
    try:
        if spec.kind is Kind.BOOL:
            return {"true": True, "false": False}[text.lower()]
        if spec.kind is Kind.INTEGER:
            return int(text)
        if spec.kind is Kind.DOUBLE:
            return float(text)
        # Or launch_ros would take a name such as 007 for a number.
        return ParameterValue(text, value_type=str)
    except (KeyError, ValueError):
        raise RuntimeError(f"{spec.name}: must be {spec.expected}, got {text!r}") from None

"""The inference node of one vehicle; nothing else, so that your own launch file can include it.

Needs neither PyTorch nor scipy. Arguments: ``ros2 launch veaat_migration vehicle.launch.py -s``.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from veaat_migration.bringup.scenarios import find_config

TOPICS = ("odom", "twin_task", "migration_decision")
"""Topics that the vehicle's own stack shares; remapped by arguments of the same names."""

ARGUMENTS = [
    DeclareLaunchArgument(
        "params_file",
        default_value=str(find_config("vehicle.example.yaml")),
        description="parameters of the node, see config/vehicle.example.yaml",
    ),
    DeclareLaunchArgument("name", default_value="av_inference", description="name of the node"),
    DeclareLaunchArgument(
        "namespace", default_value="/veaat", description="namespace of the game's topics"
    ),
    DeclareLaunchArgument(
        "odom", default_value="/odom", description="odometry of the vehicle (nav_msgs/Odometry)"
    ),
    DeclareLaunchArgument(
        "twin_task", default_value="twin_task", description="task of the twin (TwinTask)"
    ),
    DeclareLaunchArgument(
        "migration_decision",
        default_value="migration_decision",
        description="where the twin should move to (MigrationDecision)",
    ),
    DeclareLaunchArgument(
        "policy_path",
        default_value="",
        description="policy file, folder of a bundle, or name of a shipped one; left out: as the "
        "parameters file says",
    ),
    DeclareLaunchArgument(
        "autostart",
        default_value="true",
        choices=["true", "false"],
        description="configure and activate by itself; false: your lifecycle manager does that",
    ),
    DeclareLaunchArgument(
        "use_sim_time",
        default_value="false",
        choices=["true", "false"],
        description="stamps are of /clock",
    ),
    DeclareLaunchArgument(
        "respawn",
        default_value="true",
        choices=["true", "false"],
        description="restart it if it dies",
    ),
    DeclareLaunchArgument("log_level", default_value="info", description="of the node"),
]


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; the node's parameters depend on their values."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=vehicle)])


def vehicle(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The node of the vehicle."""
    value = {
        argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS
    }
    parameters: dict[str, object] = {
        name: value[name] == "true" for name in ("autostart", "use_sim_time")
    }
    if value["policy_path"]:
        # A path that looks like a number stays a path.
        parameters["policy_path"] = ParameterValue(value["policy_path"], value_type=str)
    return [
        Node(
            package="veaat_migration",
            executable="av_inference",
            name=value["name"],
            namespace=value["namespace"],
            parameters=[value["params_file"], parameters],
            remappings=[(topic, value[topic]) for topic in TOPICS],
            ros_arguments=["--log-level", value["log_level"]],
            output="screen",
            respawn=value["respawn"] == "true",
            respawn_delay=1.0,
        )
    ]

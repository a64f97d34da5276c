"""Records a game with ``ros2 bag record`` (rosbag2), for games that run on their own.

Needs the Debian packages ros-$ROS_DISTRO-ros2bag and ros-$ROS_DISTRO-rosbag2-storage-mcap.
Stop it with Ctrl-C; 'veaat bag DIR' analyses the bag.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration

from veaat_migration.analysis.topics import DIAGNOSTICS_TOPIC, RECORDED_TOPICS
from veaat_migration.bringup.scenarios import find_config


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the recorder."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "bag", default_value="", description="folder to create; left out: rosbag2_<time>"
            ),
            DeclareLaunchArgument(
                "namespace", default_value="/veaat", description="namespace of the game"
            ),
            DeclareLaunchArgument(
                "storage", default_value="mcap", description="storage plugin of rosbag2"
            ),
            OpaqueFunction(function=recorder),
        ]
    )


def recorder(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """``ros2 bag record`` for all topics of the game."""
    bag = LaunchConfiguration("bag").perform(context)
    namespace = LaunchConfiguration("namespace").perform(context).rstrip("/")
    topics = [f"{namespace}/{name}" for name in RECORDED_TOPICS] + [DIAGNOSTICS_TOPIC]
    command = ["ros2", "bag", "record", "--storage", LaunchConfiguration("storage")]
    command += ["--qos-profile-overrides-path", str(find_config("qos_record.yaml"))]
    command += ["--output", bag] if bag else []
    return [ExecuteProcess(cmd=[*command, "--topics", *topics], output="screen")]

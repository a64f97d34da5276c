"""Which ROS 2 the set-up chooses."""

from __future__ import annotations

from pathlib import Path

import pytest

from environment.errors import SetupError
from environment.target import choose_target


def sourced(prefix: Path, place: str = "lib/python3.12/site-packages") -> dict[str, str]:
    """Variables of a sourced ROS 2 that has rclpy below ``prefix``."""
    package = prefix / place / "rclpy"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    return {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": f"/nowhere:{prefix}"}


def test_without_ros_the_jazzy_wheels_are_used(tmp_path: Path) -> None:
    target = choose_target(tmp_path, {})

    assert (target.distro, target.ros_prefix) == ("jazzy", None)
    assert target.venv == tmp_path / ".venv"
    assert target.state == tmp_path / ".ros" / "jazzy"


def test_other_wheels_have_folders_of_their_own(tmp_path: Path) -> None:
    target = choose_target(tmp_path, {"ROS_WHEELS": "kilted"})

    assert target.venv == tmp_path / ".venv-kilted"
    assert target.state == tmp_path / ".ros" / "kilted"


def test_an_unknown_wheel_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="ROS_WHEELS=humble: choose jazzy or kilted"):
        choose_target(tmp_path, {"ROS_WHEELS": "humble"})


@pytest.mark.parametrize(
    "place",
    [
        "lib/python3.12/site-packages",
        "lib/python3.12/dist-packages",
        "local/lib/python3.12/dist-packages",
    ],
)
def test_a_sourced_ros_is_used_with_the_python_it_was_built_for(tmp_path: Path, place: str) -> None:
    target = choose_target(tmp_path, sourced(tmp_path / "ros", place))

    assert target.ros_prefix == tmp_path / "ros"
    assert target.ros_python == "3.12"
    assert target.venv == tmp_path / ".venv-sourced-jazzy"
    assert target.state == tmp_path / ".ros" / "sourced-jazzy"


def test_wheels_asked_for_win_over_a_sourced_ros(tmp_path: Path) -> None:
    variables = {**sourced(tmp_path / "ros"), "ROS_WHEELS": "jazzy"}

    assert choose_target(tmp_path, variables).ros_prefix is None


def test_a_ros_without_rclpy_is_not_used(tmp_path: Path) -> None:
    variables = {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": str(tmp_path)}

    assert choose_target(tmp_path, variables).ros_prefix is None


def test_prefixes_without_a_distribution_are_not_a_sourced_ros(tmp_path: Path) -> None:
    variables = sourced(tmp_path / "ros")
    del variables["ROS_DISTRO"]

    assert choose_target(tmp_path, variables).ros_prefix is None

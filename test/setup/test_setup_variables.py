"""Environment variables of commands that run in the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from environment.target import Target
from environment.variables import build_variables, run_variables


@pytest.fixture
def wheels(tmp_path: Path) -> Target:
    target = Target(tmp_path, "jazzy")
    (target.venv / "lib/python3.12/site-packages/ros_rclpy.libs").mkdir(parents=True)
    (target.prefix / "lib/python3.12/site-packages/veaat_migration").mkdir(parents=True)
    return target


@pytest.fixture
def installed(tmp_path: Path) -> Target:
    target = Target(tmp_path, "jazzy", ros_prefix=Path("/opt/ros/jazzy"), ros_python="3.12")
    (target.venv / "lib/python3.12/site-packages").mkdir(parents=True)
    return target


def test_wheels_and_package_are_found_and_come_first(wheels: Target) -> None:
    variables = run_variables(wheels, {"PATH": "/usr/bin"})

    assert variables["PATH"].split(":") == [
        str(wheels.prefix / "bin"),
        str(wheels.venv / "bin"),
        "/usr/bin",
    ]
    assert variables["AMENT_PREFIX_PATH"] == f"{wheels.prefix}:{wheels.venv}"
    assert variables["PYTHONPATH"] == str(wheels.prefix / "lib/python3.12/site-packages")
    assert variables["LD_LIBRARY_PATH"].split(":") == [
        str(wheels.prefix / "lib"),
        str(wheels.venv / "lib"),
        str(wheels.venv / "lib/python3.12/site-packages/ros_rclpy.libs"),
    ]


def test_another_ros_does_not_leak_into_wheels(wheels: Target) -> None:
    ros = "/opt/ros/humble"
    inherited = {
        "PATH": f"{ros}/bin:/usr/bin",
        "AMENT_PREFIX_PATH": ros,
        "CMAKE_PREFIX_PATH": ros,
        "PYTHONPATH": f"{ros}/lib/python3.10/site-packages:/home/me/python",
        "LD_LIBRARY_PATH": f"{ros}/lib:/usr/local/cuda/lib64",
    }

    variables = run_variables(wheels, inherited)

    for name in ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "PYTHONPATH", "LD_LIBRARY_PATH"):
        assert ros not in variables[name]
    assert variables["PYTHONPATH"].endswith(":/home/me/python")
    assert variables["LD_LIBRARY_PATH"].endswith(":/usr/local/cuda/lib64")


def test_a_general_prefix_does_not_empty_the_path(wheels: Target) -> None:
    variables = run_variables(wheels, {"PATH": "/usr/bin", "AMENT_PREFIX_PATH": "/usr"})

    assert variables["PATH"].endswith(":/usr/bin")


def test_nested_calls_change_nothing(wheels: Target) -> None:
    once = run_variables(wheels, {"PATH": "/usr/bin"})

    assert run_variables(wheels, once) == once


def test_nested_calls_need_not_learn_because_the_outer_one_did(wheels: Target) -> None:
    assert "LEARNING" not in run_variables(wheels, {"PATH": "/usr/bin", "LEARNING": "1"})


def test_the_other_wheel_set_does_not_leak(wheels: Target) -> None:
    outer = run_variables(wheels, {"PATH": "/usr/bin"})

    variables = run_variables(Target(wheels.root, "kilted"), outer)

    assert f"{wheels.venv}/" not in "\n".join(variables.values())
    assert variables["ROS_WHEELS"] == variables["ROS_DISTRO"] == "kilted"


def test_a_sourced_ros_keeps_its_variables(installed: Target) -> None:
    inherited = {
        "PATH": "/opt/ros/jazzy/bin:/usr/bin",
        "AMENT_PREFIX_PATH": "/opt/ros/jazzy",
        "PYTHONPATH": "/opt/ros/jazzy/lib/python3.12/site-packages",
        "LD_LIBRARY_PATH": "/opt/ros/jazzy/lib",
        "ROS_DISTRO": "jazzy",
    }

    variables = build_variables(installed, inherited)

    for name in ("AMENT_PREFIX_PATH", "LD_LIBRARY_PATH", "ROS_DISTRO"):
        assert variables[name] == inherited[name]
    assert "ROS_WHEELS" not in variables
    assert variables["PYTHONPATH"].split(":") == [
        str(installed.venv / "lib/python3.12/site-packages"),
        inherited["PYTHONPATH"],
    ]


def test_empty_entries_are_not_passed_on(wheels: Target) -> None:
    # An empty entry means the current folder, which hides the installed package.
    variables = run_variables(wheels, {"PATH": "/usr/bin", "PYTHONPATH": ":/x:"})

    assert variables["PYTHONPATH"].split(":")[1:] == ["/x"]

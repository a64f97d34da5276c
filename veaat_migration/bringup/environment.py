"""The environment variables with which the nodes of a simulation run."""

from __future__ import annotations

import importlib.util
import os

from veaat_migration.bringup.domain import free_domain_id
from veaat_migration.errors import VeaatError

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""A node computes with vectors of a few numbers: threads of a numerics library only cost."""


class NoRosError(VeaatError):
    """ROS 2 or our message types are missing; the message says what to do."""


def ros_environment(domain_id: int | None = None) -> tuple[dict[str, str], str]:
    """Environment of all nodes, and a sentence about the ROS domain they meet in.

    Args:
        domain_id: ROS domain; None: that of the environment, else a free one.

    Raises:
        NoRosError: rclpy or the message types cannot be found.
        VeaatError: no free domain, or one that does not exist.
    """
    check_ros()
    environment = dict(os.environ)
    environment.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    environment["PYTHONUNBUFFERED"] = "1"
    for name in ONE_THREAD:
        environment.setdefault(name, "1")
    if domain_id is None and not environment.get("ROS_DOMAIN_ID"):
        domain_id, origin = free_domain_id(), "a free one"
    elif domain_id is None:
        domain_id, origin = _number(environment["ROS_DOMAIN_ID"]), "from the environment"
    else:
        origin = "as asked"
    if not 0 <= domain_id <= 232:
        raise VeaatError(f"ROS domain: must be between 0 and 232, got {domain_id}")
    environment["ROS_DOMAIN_ID"] = str(domain_id)
    return environment, f"ROS domain {domain_id} ({origin})"


def check_ros() -> None:
    """Make sure that nodes can be started.

    Raises:
        NoRosError: rclpy or the message types cannot be found.
    """
    for module in ("rclpy", "veaat_migration.msg"):
        if importlib.util.find_spec(module) is None:
            raise NoRosError(
                f"Python module {module} not found. Start with 'make sim' or "
                "'tools/run veaat sim', which set up what is needed, or source a ROS 2 workspace "
                "in which this package is built"
            )


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise VeaatError(f"ROS_DOMAIN_ID: must be a whole number, got {text!r}") from error

"""Checks of versions, messages and middleware settings: facts in, findings out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from veaat_migration.doctor.finding import Finding, fail, ok, skip, warn

OLDEST_PYTHON = (3, 10)
OLDEST_NUMPY = (1, 21)
END_OF_LIFE = {
    "foxy": date(2023, 6, 30),
    "galactic": date(2022, 12, 31),
    "humble": date(2027, 5, 31),
    "iron": date(2024, 12, 31),
    "jazzy": date(2029, 5, 31),
    "kilted": date(2026, 12, 31),
    "lyrical": date(2031, 5, 31),
}
"""Last day on which a ROS 2 distribution gets updates."""
SUPPORTED = ("humble", "jazzy", "kilted", "lyrical", "rolling")
_NEWER = "on Ubuntu 22.04 Humble and on Ubuntu 24.04 Jazzy are supported (docs/deployment.md)"


@dataclass(frozen=True)
class SoftwareFacts:
    """What is installed, and the environment."""

    python: tuple[int, int, int]
    numpy: str | None
    """None: not installed."""
    rclpy: str | None
    """Version, "" if it cannot be told; None: not installed."""
    distribution: str
    """ROS_DISTRO; empty: not set."""
    rmw: str | None
    """Identifier of the middleware in use; None: rclpy is not installed or none can be loaded."""
    rmw_error: str
    """Why none can be loaded."""
    onnxruntime: str | None
    """Version; None: not installed."""
    providers: tuple[str, ...]
    """Execution providers of onnxruntime."""
    environment: Mapping[str, str]
    existing_files: frozenset[str]
    """Those of the files named in the environment that exist."""


def check_python(facts: SoftwareFacts) -> Finding:
    """Version of Python."""
    version = ".".join(map(str, facts.python))
    if facts.python[:2] < OLDEST_PYTHON:
        return fail("python", version, f"Python 3.10 or newer is needed; {_NEWER}")
    return ok("python", version)


def check_numpy(facts: SoftwareFacts) -> Finding:
    """Version of numpy."""
    advice = "pip install 'numpy>=1.21', or apt install python3-numpy"
    if facts.numpy is None:
        return fail("numpy", "not installed", advice)
    if _leading(facts.numpy) < OLDEST_NUMPY:
        return fail("numpy", facts.numpy, advice)
    return ok("numpy", facts.numpy)


def check_ros(facts: SoftwareFacts, today: date) -> Finding:
    """Distribution of ROS 2, and how long it is looked after."""
    if facts.rclpy is None:
        return skip("ros", "rclpy is not installed or not sourced: nodes cannot run here")
    name = facts.distribution.lower()
    version = f"rclpy {facts.rclpy}" if facts.rclpy else "rclpy"
    if not name:
        return ok("ros", f"{version}; ROS_DISTRO is not set")
    end = END_OF_LIFE.get(name)
    if name not in SUPPORTED:
        return fail("ros", f"{name}, {version}: not supported", f"use another one: {_NEWER}")
    if end is None:
        return ok("ros", f"{name}, {version}")
    if end < today:
        return warn(
            "ros", f"{name}, {version}: no updates since {end:%B %Y}", f"use another one: {_NEWER}"
        )
    if (end - today).days < 183:
        return warn(
            "ros", f"{name}, {version}: updates end in {end:%B %Y}", "plan the move to a newer one"
        )
    return ok("ros", f"{name}, {version}: updates until {end:%B %Y}")


def check_onnxruntime(facts: SoftwareFacts, wanted: Sequence[str]) -> Finding:
    """Whether onnxruntime has the execution providers that are wanted (full names)."""
    if facts.onnxruntime is None:
        if wanted:
            return fail(
                "onnxruntime",
                "not installed",
                "pip install onnxruntime (on a Jetson the wheel with CUDA and TensorRT), or use "
                "the runtime numpy",
            )
        return ok("onnxruntime", "not installed; the runtime numpy needs nothing else")
    found = f"{facts.onnxruntime}: {', '.join(facts.providers)}"
    missing = [name for name in wanted if name not in facts.providers]
    if missing:
        return fail(
            "onnxruntime",
            f"{found}; lacks {', '.join(missing)}",
            "install the build of onnxruntime for this device (docs/deployment.md), or use the "
            "provider cpu",
        )
    return ok("onnxruntime", found)


def check_middleware(facts: SoftwareFacts) -> Finding:
    """Which RMW implementation is in use, and whether its configuration exists."""
    wanted = facts.environment.get("RMW_IMPLEMENTATION", "")
    if facts.rclpy is None:
        return skip("middleware", "rclpy is not installed or not sourced")
    if facts.rmw is None:
        return fail(
            "middleware",
            f"{wanted or 'the default one'} cannot be loaded: {facts.rmw_error}",
            "unset RMW_IMPLEMENTATION, or install its package (ros-$ROS_DISTRO-rmw-...)",
        )
    for variable in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE",
                     "CYCLONEDDS_URI"):  # fmt: skip
        value = facts.environment.get(variable, "")
        file = value.removeprefix("file://")
        if value and not value.lstrip().startswith("<") and file not in facts.existing_files:
            return fail(
                "middleware",
                f"{facts.rmw}; {variable} names {value}, which does not exist",
                f"correct or unset {variable}: without it other nodes may not be found",
            )
    return ok("middleware", f"{facts.rmw} (all nodes of a game should use the same)")


def check_domain(facts: SoftwareFacts) -> Finding:
    """ROS_DOMAIN_ID."""
    text = facts.environment.get("ROS_DOMAIN_ID", "")
    if not text.strip():
        return ok("domain", "0 (ROS_DOMAIN_ID is not set)")
    if not (text.strip().isascii() and text.strip().isdigit()) or int(text) > 232:
        return fail(
            "domain",
            f"ROS_DOMAIN_ID={text}",
            "set a whole number from 0 to 101, the same everywhere",
        )
    if int(text) > 101:
        return warn(
            "domain",
            f"ROS_DOMAIN_ID={text}",
            "above 101 ports may be taken by other programs of this machine; choose a lower one",
        )
    return ok("domain", f"{int(text)} (ROS_DOMAIN_ID)")


def check_discovery(facts: SoftwareFacts) -> Finding:
    """How far other nodes are looked for."""
    only = facts.environment.get("ROS_LOCALHOST_ONLY", "")
    reach = facts.environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "")
    peers = facts.environment.get("ROS_STATIC_PEERS", "")
    humble = facts.distribution.lower() in ("humble", "galactic", "foxy")
    across = "to reach other machines "
    if only == "1":
        return warn(
            "discovery",
            "ROS_LOCALHOST_ONLY=1: only nodes of this machine are found",
            f"{across}unset it"
            + ("" if humble else "; ROS_AUTOMATIC_DISCOVERY_RANGE has replaced it"),
        )
    if humble:
        if reach:
            return warn(
                "discovery",
                f"ROS_AUTOMATIC_DISCOVERY_RANGE={reach} means nothing to {facts.distribution}",
                "use ROS_LOCALHOST_ONLY=1 to stay on this machine",
            )
        return ok("discovery", "all machines of this network")
    if reach and reach not in ("SUBNET", "LOCALHOST", "OFF", "SYSTEM_DEFAULT"):
        return fail(
            "discovery",
            f"ROS_AUTOMATIC_DISCOVERY_RANGE={reach}",
            "must be SUBNET, LOCALHOST, OFF or SYSTEM_DEFAULT",
        )
    if reach in ("LOCALHOST", "OFF"):
        places = "only nodes of this machine" if reach == "LOCALHOST" else "no nodes"
        found = f"ROS_AUTOMATIC_DISCOVERY_RANGE={reach}: {places} are found"
        if peers:
            return ok("discovery", f"{found}, and {peers} (ROS_STATIC_PEERS)")
        return warn(
            "discovery",
            found,
            f"{across}set SUBNET, or name them in ROS_STATIC_PEERS",
        )
    return ok("discovery", "all machines of this network" + (f", and {peers}" if peers else ""))


def _leading(version: str) -> tuple[int, ...]:
    """The leading numbers of a version."""
    numbers = []
    for part in version.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)

"""What the machine must bring: platform, a Python, build tools."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from environment.errors import SetupError
from environment.target import Target

WHEEL_PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
OLDEST_GLIBC = (2, 28)
OLDEST_CMAKE = (3, 18)

ALTERNATIVE = """\
Alternative: install ROS 2 itself (https://docs.ros.org/en/jazzy/Installation.html), run
'source /opt/ros/jazzy/setup.bash' and start again; a sourced ROS 2 is used as it is."""

PROBE = """
import importlib.util, json, os, platform, sys, sysconfig
print(json.dumps({
    "executable": sys.executable,
    "version": "%d.%d" % sys.version_info[:2],
    "standard": platform.python_implementation() == "CPython"
        and not sysconfig.get_config_var("Py_GIL_DISABLED") and sys.maxsize > 2**32,
    "venv": all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")),
    "headers": os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")),
    "system": sys.base_prefix == "/usr",
}))
"""


@dataclass(frozen=True)
class Python:
    """An interpreter that can be the base of a virtual environment."""

    executable: str
    version: str
    standard: bool
    """CPython, 64 bit, with the global interpreter lock."""
    venv: bool
    headers: bool
    system: bool


def probe(executable: str) -> Python | None:
    """Facts about an interpreter; None if it does not start."""
    try:
        # Isolated: the caller's PYTHONPATH may belong to another version.
        answer = subprocess.run(
            [executable, "-I", "-c", PROBE], capture_output=True, text=True, timeout=60, check=True
        )
        return Python(**json.loads(answer.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return None


def require_wheel_platform(target: Target) -> None:
    """Check that the ROS 2 wheels exist for this machine.

    Raises:
        SetupError: They do not, or a ROS 2 seems to be half sourced.
    """
    system, machine = sys.platform, platform.machine()
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "no glibc").partition(" ")
        glibc = tuple(int(part) for part in version.split(".")[:2]) if name == "glibc" else (0,)
    except (ValueError, OSError):
        version, glibc = "none", (0,)
    if system == "linux" and machine in ("x86_64", "AMD64") and glibc >= OLDEST_GLIBC:
        return
    raise SetupError(
        f"the ROS 2 {target.distro.capitalize()} wheels exist for x86-64 Linux with glibc 2.28 or "
        f"newer only; this is {machine} {system}, glibc {version}.\n{ALTERNATIVE}"
    )


def choose_python(target: Target, variables: Mapping[str, str]) -> Python:
    """The interpreter for the virtual environment: $PYTHON, this one, or one found by name.

    Raises:
        SetupError: None fits.
    """
    versions = (target.ros_python,) if target.ros_python else WHEEL_PYTHONS
    wanted = variables.get("PYTHON", "")
    if wanted:
        names = [wanted]
    else:
        preferred = ("3.12", "3.11", "3.13", "3.14", "3.10")
        names = [sys.executable, "python3"]
        names += [f"python{v}" for v in preferred if v in versions]
        # Other environments (pyenv, conda) may hide the Python that ROS 2 was built for.
        names += [f"/usr/bin/python{v}" for v in versions]
    found = []
    for name in names:
        python = probe(name)
        if python and python.standard and python.version in versions:
            return python
        if python:
            kind = "" if python.standard else " (not standard 64-bit CPython)"
            found.append(f"{name} is {python.version}{kind}")
    raise SetupError(_no_python_message(target, wanted, found))


def _no_python_message(target: Target, wanted: str, found: list[str]) -> str:
    version = target.ros_python or "3.12"
    needs = f"Python {version}" if target.ros_python else "CPython 3.10 to 3.14"
    seen = ", ".join(dict.fromkeys(found)) or f"{wanted or 'python3'} does not start"
    return (
        f"{target.title} needs {needs}, but {seen}.\n"
        f"Install one (sudo apt install python{version} python{version}-venv python{version}-dev; "
        f"PYTHON=/path/to/python chooses one by hand)."
        + ("" if target.ros_prefix else f"\n{ALTERNATIVE}")
    )


def require_build_tools(target: Target, python: Python, variables: Mapping[str, str]) -> None:
    """Check for the compiler, cmake, make, headers and modules that the set-up calls.

    Raises:
        SetupError: Something is missing; the message names all of it.
    """
    path = variables.get("PATH")
    missing: list[tuple[str, str]] = []

    def need(what: str, package: str, *programs: str) -> None:
        if not any(shutil.which(program, path=path) for program in programs):
            missing.append((what, package))

    def compiler(variable: str, *programs: str) -> tuple[str, ...]:
        chosen = variables.get(variable, "").split()
        return (chosen[0],) if chosen else programs

    need("cmake", "cmake", "cmake")
    need("a C++ compiler (g++)", "g++", *compiler("CXX", "c++", "g++", "clang++"))
    need("a C compiler (gcc)", "gcc", *compiler("CC", "cc", "gcc", "clang"))
    if not variables.get("CMAKE_GENERATOR"):
        need("make", "make", "make", "gmake")
    if target.ros_prefix:
        need("colcon", "python3-colcon-common-extensions", "colcon")
    package = "python3" if python.system else f"python{python.version}"
    if not python.venv:
        missing.append((f"the venv module of {python.executable}", f"{package}-venv"))
    if not python.headers:
        missing.append((f"the C headers of {python.executable}", f"{package}-dev"))
    if missing:
        names = ", ".join(what for what, _ in missing)
        packages = " ".join(dict.fromkeys(package for _, package in missing))
        raise SetupError(f"missing: {names}.\nInstall: sudo apt install {packages}")
    _require_recent_cmake(path)


def _require_recent_cmake(path: str | None) -> None:
    cmake = shutil.which("cmake", path=path) or "cmake"
    answer = subprocess.run([cmake, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"version (\d+)\.(\d+)", answer.stdout)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if version < OLDEST_CMAKE:
        shown = match[0] if match else f"does not start (exit code {answer.returncode})"
        raise SetupError(
            f"{cmake}: {shown}; {OLDEST_CMAKE[0]}.{OLDEST_CMAKE[1]} or newer is needed.\n"
            "Install: pipx install cmake, or a newer package from https://cmake.org/download"
        )


def half_sourced(target: Target, variables: Mapping[str, str]) -> str | None:
    """A remark if the variables of some ROS 2 are set but rclpy was not found there."""
    distro = variables.get("ROS_DISTRO")
    if target.ros_prefix or variables.get("ROS_WHEELS") or not distro:
        return None
    setup = Path(f"/opt/ros/{distro}/setup.bash")
    how = f"'source {setup}' first to use it" if setup.is_file() else "source it to use it"
    return f"ROS_DISTRO={distro} is set, but no sourced prefix holds rclpy; {how}. Using wheels."

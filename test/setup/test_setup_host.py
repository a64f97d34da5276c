"""What the set-up says when the machine lacks something."""

from __future__ import annotations

import ast
import dataclasses
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from environment.errors import SetupError
from environment.host import (
    Python,
    choose_python,
    half_sourced,
    require_build_tools,
    require_wheel_platform,
)
from environment.target import Target

ROOT = Path(__file__).resolve().parents[2]
WHEELS = Target(Path("/project"), "jazzy")
SOURCED = Target(Path("/project"), "jazzy", ros_prefix=Path("/opt/ros/jazzy"), ros_python="3.12")
COMPLETE = Python("/usr/bin/python3", "3.12", standard=True, venv=True, headers=True, system=True)


def program(folder: Path, name: str, script: str = "exit 0") -> Path:
    """A program that runs a shell script."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Folder with all build tools."""
    program(tmp_path, "cmake", "echo cmake version 3.25.1")
    for name in ("g++", "gcc", "make"):
        program(tmp_path, name)
    return tmp_path


def test_a_complete_machine_passes(tools: Path) -> None:
    require_build_tools(WHEELS, COMPLETE, {"PATH": str(tools)})


def test_all_that_is_missing_comes_in_one_message() -> None:
    python = dataclasses.replace(COMPLETE, venv=False, headers=False)

    with pytest.raises(SetupError) as caught:
        require_build_tools(WHEELS, python, {"PATH": "/nowhere"})

    assert str(caught.value).splitlines() == [
        "missing: cmake, a C++ compiler (g++), a C compiler (gcc), make, "
        "the venv module of /usr/bin/python3, the C headers of /usr/bin/python3.",
        "Install: sudo apt install cmake g++ gcc make python3-venv python3-dev",
    ]


def test_packages_of_another_python_are_named_by_version(tools: Path) -> None:
    python = dataclasses.replace(COMPLETE, headers=False, system=False, version="3.13")

    with pytest.raises(SetupError, match=r"apt install python3\.13-dev$"):
        require_build_tools(WHEELS, python, {"PATH": str(tools)})


def test_chosen_compilers_count(tools: Path) -> None:
    (tools / "g++").rename(tools / "my-c++")
    (tools / "gcc").rename(tools / "my-cc")
    chosen = {"CXX": "my-c++ -m64", "CC": "my-cc"}

    require_build_tools(WHEELS, COMPLETE, {"PATH": str(tools), **chosen})
    with pytest.raises(SetupError, match=r"missing: a C\+\+ compiler"):
        require_build_tools(WHEELS, COMPLETE, {"PATH": str(tools), "CC": "my-cc"})


def test_a_sourced_ros_needs_colcon(tools: Path) -> None:
    with pytest.raises(SetupError, match="apt install python3-colcon-common-extensions"):
        require_build_tools(SOURCED, COMPLETE, {"PATH": str(tools)})


@pytest.mark.parametrize(
    ("script", "shown"),
    [("echo cmake version 3.10.2", "version 3.10"), ("exit 127", "does not start")],
)
def test_an_unusable_cmake_is_refused(tools: Path, script: str, shown: str) -> None:
    program(tools, "cmake", script)

    with pytest.raises(SetupError, match=rf"cmake: {shown}.*3\.18 or newer"):
        require_build_tools(WHEELS, COMPLETE, {"PATH": str(tools)})


@pytest.mark.parametrize(
    ("machine", "glibc"), [("aarch64", "glibc 2.39"), ("x86_64", "glibc 2.27"), ("x86_64", None)]
)
def test_other_platforms_get_the_alternative(
    monkeypatch: pytest.MonkeyPatch, machine: str, glibc: str | None
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(os, "confstr", lambda _name: glibc)

    with pytest.raises(SetupError, match=r"(?s)x86-64 Linux.*source /opt/ros/jazzy/setup\.bash"):
        require_wheel_platform(WHEELS)


def test_this_platform_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(os, "confstr", lambda _name: "glibc 2.28")

    require_wheel_platform(WHEELS)


def test_this_python_is_chosen() -> None:
    python = choose_python(WHEELS, {})

    assert python.version == "{}.{}".format(*sys.version_info)
    assert python.standard


def test_a_python_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    answer = (
        '{"executable": "old", "version": "3.9", "standard": true,'
        ' "venv": true, "headers": true, "system": false}'
    )
    old = program(tmp_path, "python", f"echo '{answer}'")

    with pytest.raises(SetupError, match=r"CPython 3\.10 to 3\.14, but .*python is 3\.9"):
        choose_python(WHEELS, {"PYTHON": str(old)})
    with pytest.raises(SetupError, match=r"(?s)needs Python 3\.12, but .*apt install python3\.12 "):
        choose_python(SOURCED, {"PYTHON": str(old)})
    with pytest.raises(SetupError, match="nothing does not start"):
        choose_python(WHEELS, {"PYTHON": "nothing"})


def test_a_half_sourced_ros_is_remarked() -> None:
    assert "ROS_DISTRO=jazzy is set" in (half_sourced(WHEELS, {"ROS_DISTRO": "jazzy"}) or "")
    assert half_sourced(WHEELS, {}) is None
    assert half_sourced(WHEELS, {"ROS_DISTRO": "jazzy", "ROS_WHEELS": "jazzy"}) is None
    assert half_sourced(SOURCED, {"ROS_DISTRO": "jazzy"}) is None


def test_the_entry_parses_on_an_old_python() -> None:
    ast.parse((ROOT / "tools" / "start.py").read_text(), feature_version=(3, 6))


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A copy of the set-up and, in bin/, only what a shell script needs."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    (tmp_path / "bin").mkdir()
    for name in ("sh", "dirname"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or name)
    return tmp_path


def run_bare(bare: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [bare / "tools" / "run", "true"],
        env={"PATH": str(bare / "bin"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_python_at_all(bare: Path) -> None:
    result = run_bare(bare)

    assert result.returncode == 1
    assert result.stderr.startswith("set-up: Python 3 not found. Install it: sudo apt install")


def test_too_old_a_python(bare: Path) -> None:
    start = bare / "tools" / "start.py"
    start.write_text(start.read_text().replace("OLDEST = (3, 10)", "OLDEST = (3, 99)"))
    (bare / "bin" / "python3").symlink_to(sys.executable)

    result = run_bare(bare)

    assert result.returncode == 1
    assert result.stderr.startswith("set-up: Python 3.99 or newer is needed, but ")
    assert "sudo apt install python3.12" in result.stderr


def test_a_newer_python_is_found_by_name(bare: Path) -> None:
    start = bare / "tools" / "start.py"
    program(bare / "bin", "python3.12", 'case "$*" in *start.py*) echo newer "$@" ;; esac')
    start.write_text(start.read_text().replace("OLDEST = (3, 10)", "OLDEST = (3, 99)"))
    (bare / "bin" / "python3").symlink_to(sys.executable)

    result = run_bare(bare)

    assert result.stdout.split()[0] == "newer"
    assert result.stdout.split()[-2:] == [str(start), "true"]


def test_missing_tools_end_the_set_up_before_anything_is_made(bare: Path) -> None:
    (bare / "bin" / "python3").symlink_to(sys.executable)

    result = run_bare(bare)

    assert result.returncode == 1
    assert result.stderr.startswith("set-up: missing: cmake, a C++ compiler (g++), a C compiler")
    assert len(result.stderr.splitlines()) == 2
    assert not (bare / ".venv").exists()

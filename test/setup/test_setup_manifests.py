"""The files that describe the package agree with each other."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from packaging.requirements import Requirement

from veaat_migration.nodes.start import EXECUTABLES

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "scripts").iterdir() if path.is_file())
WHEEL_PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


@pytest.fixture(scope="module")
def distribution() -> dict[str, Any]:
    """What setup.py declares."""
    script = (
        "import json, setuptools; from distutils.core import run_setup;"
        "d = run_setup('setup.py', stop_after='init');"
        "print(json.dumps([d.entry_points, d.packages, d.metadata.version, d.metadata.license,"
        " d.install_requires, d.python_requires, d.extras_require]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = ("entry_points", "packages", "version", "license", "requires", "python", "extras")
    return dict(zip(names, json.loads(result.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_start_what_they_are_named_after(name: str) -> None:
    file = ROOT / "scripts" / name
    module, call = ("nodes.start", f'start("{name}")')
    if name == "veaat":
        module, call = ("cli", "main()")

    assert file.read_text() == (
        "#!/usr/bin/env python3\nimport sys\n\n"
        f"from veaat_migration.{module} import {call.split('(')[0]}\n\nsys.exit({call})\n"
    )
    assert file.stat().st_mode & stat.S_IXUSR


def test_every_node_has_a_script() -> None:
    assert sorted([*EXECUTABLES, "veaat"]) == SCRIPTS
    for name in EXECUTABLES:
        source = ROOT / "veaat_migration" / "nodes" / f"{name}.py"
        assert re.search(r"^def main\(", source.read_text(), re.MULTILINE)


def test_cmake_installs_exactly_these_scripts() -> None:
    text = (ROOT / "CMakeLists.txt").read_text()
    programs = re.search(r"install\(PROGRAMS([^)]*)DESTINATION lib/", text)

    assert programs is not None
    assert programs[1].split() == [f"scripts/{name}" for name in SCRIPTS]


def test_pip_installs_the_same_command(distribution: dict[str, Any]) -> None:
    assert distribution["entry_points"] == {"console_scripts": ["veaat = veaat_migration.cli:main"]}
    assert "from veaat_migration.cli import main" in (ROOT / "scripts" / "veaat").read_text()


def test_pip_installs_every_package(distribution: dict[str, Any]) -> None:
    folders = {path.parent for path in (ROOT / "veaat_migration").rglob("*.py")}
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}

    assert set(distribution["packages"]) == names


def test_pip_users_can_add_learning_or_onnx(distribution: dict[str, Any]) -> None:
    extras = {
        name: {Requirement(line).name for line in lines}
        for name, lines in distribution["extras"].items()
    }

    assert {"torch", "pettingzoo", "tensorboard", "onnx"} <= extras["learning"]
    assert extras["onnx"] == {"onnxruntime"}
    required = {Requirement(line).name for line in distribution["requires"]}
    assert "safetensors" in required
    assert not extras["learning"] & required


def test_package_xml_is_valid_and_agrees_with_setup_py(distribution: dict[str, Any]) -> None:
    package = ElementTree.parse(ROOT / "package.xml").getroot()

    assert package.get("format") == "3"
    assert package.findtext("name") == "veaat_migration"
    assert package.findtext("version") == distribution["version"]
    assert package.findtext("license") == distribution["license"] == "Apache-2.0"
    maintainer = package.find("maintainer")
    assert maintainer is not None
    # catkin_pkg's rule; colcon skips the package silently if it fails.
    assert re.fullmatch(r"[-a-zA-Z0-9_%+]+(\.[-a-zA-Z0-9_%+]+)*@[-a-zA-Z0-9%]+(\.[-a-zA-Z0-9%]+)*"
                        r"\.[a-zA-Z]{2,}", maintainer.get("email", ""))  # fmt: skip
    assert package.findtext("member_of_group") == "rosidl_interface_packages"
    assert package.findtext("export/build_type") == "ament_cmake"


def test_cmake_and_package_xml_depend_on_the_same_messages() -> None:
    text = (ROOT / "CMakeLists.txt").read_text()
    found = set(re.findall(r"find_package\((\w+) REQUIRED\)", text))
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    tags = ("depend", "buildtool_depend", "build_depend", "test_depend")
    declared = {entry.text or "" for entry in package if entry.tag in tags}

    assert found == {name for name in declared if not name.startswith("python3-")}


def pins(name: str, python: str) -> dict[str, str]:
    """Pinned versions of a requirements file for one Python."""
    found: dict[str, str] = {}
    for line in (ROOT / "tools" / f"requirements-{name}.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            assert requirement.name not in found, f"{line}: pinned twice for {python}"
            (specifier,) = requirement.specifier
            assert specifier.operator == "==", line
            found[requirement.name] = specifier.version
    return found


@pytest.mark.parametrize("python", WHEEL_PYTHONS)
@pytest.mark.parametrize("name", ["runtime", "dev", "learning"])
def test_every_range_is_pinned_for_every_python(name: str, python: str) -> None:
    pinned = pins(name, python)
    ranges = (ROOT / "tools" / f"requirements-{name}.in").read_text().splitlines()
    for requirement in (Requirement(line) for line in ranges if not line.startswith("#")):
        marker = requirement.marker
        if marker is not None and not marker.evaluate({"python_version": python}):
            continue
        assert pinned[requirement.name.lower()] in requirement.specifier


@pytest.mark.parametrize("python", WHEEL_PYTHONS)
@pytest.mark.parametrize("wheels", ["jazzy", "kilted"])
def test_nothing_is_pinned_twice(wheels: str, python: str) -> None:
    files = [pins(name, python) for name in (wheels, "runtime", "dev", "learning")]

    assert len({name for file in files for name in file}) == sum(map(len, files))
    assert "ros-rclpy" in files[0]


@pytest.mark.parametrize(
    ("goal", "command"),
    [
        (
            ["sim", "SCENARIO=my town.yaml", "ROUNDS=7", "SEED=3", "POLICY=greedy"],
            "veaat sim 'my town.yaml' --rounds 7 --seed 3 --policy greedy --no-plots",
        ),
        (["train"], "veaat train --no-plots"),
        (
            ["train", "CONFIG=my x.yaml", "SEEDS=5"],
            "veaat train 'my x.yaml' --seeds 5 --no-plots",
        ),
        (["evaluate", "RUN=runs/my run"], "veaat evaluate 'runs/my run' --no-plots"),
    ],
)
def test_make_passes_its_variables_on(goal: list[str], command: str) -> None:
    clean = {"PATH": os.environ["PATH"]}
    result = subprocess.run(
        ["make", "-n", *goal, "ARGS=--no-plots"],
        cwd=ROOT,
        env=clean,
        capture_output=True,
        text=True,
        check=True,
    )

    words = result.stdout.replace("\\\n", " ").split()
    assert " ".join(words) == f"tools/run {command}"


def test_make_help_explains_every_variable() -> None:
    text = (ROOT / "Makefile").read_text()
    variables = set(re.findall(r"^(\w+) \?=", text, re.MULTILINE)) | {
        "ROS_WHEELS",
        "PYTHON",
        "LEARNING",
    }
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    shown = subprocess.run(
        ["make"], cwd=ROOT, env=clean, capture_output=True, text=True, check=True
    ).stdout

    assert {name for name in variables if f"{name}=" not in shown} == set()


def test_there_is_one_empty_package_file_for_both_installs() -> None:
    # The message generator installs a file of the same name.
    assert (ROOT / "veaat_migration" / "__init__.py").read_text() == ""


def test_make_test_ros_finds_every_ros_test() -> None:
    folders = {
        file.relative_to(ROOT).parts[1]
        for file in (ROOT / "test").rglob("*.py")
        if "mark.ros" in file.read_text() and file != Path(__file__)
    }
    command = next(
        line for line in (ROOT / "Makefile").read_text().splitlines() if "pytest -m ros" in line
    )

    assert folders == {word.removeprefix("test/") for word in command.split() if "test/" in word}

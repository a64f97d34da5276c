"""The virtual environment: make it, fill it, and mend it where it was left half done."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from environment.host import Python, probe
from environment.stamps import (
    learning_file,
    learning_fingerprint,
    learning_stamp,
    packages_stamp,
    requirement_files,
)
from environment.steps import Steps
from environment.target import Target
from environment.variables import build_variables

OFFLINE_HINT = "If pip could not reach its index, check the network or proxy and start again."
SPACE_HINT = "If the disk is full: PyTorch with CUDA needs about 10 GB while it is installed."

# Python of the machine that built the wheels, as their CMake files name it.
BUILD_PYTHON = r"/opt/python/cp3\d+-cp3\d+"
BUILD_INCLUDE = re.compile(BUILD_PYTHON + r"/include/python3\.\d+")
BUILD_PACKAGES = re.compile(BUILD_PYTHON + r"/lib/python3\.\d+/site-packages")


def usable_python(target: Target, variables: Mapping[str, str]) -> Python | None:
    """Interpreter of the virtual environment if that can be kept, else None."""
    python = probe(str(target.python)) if target.python.exists() else None
    if python is None or not _pip_belongs(target):
        return None
    wanted = target.ros_python
    if variables.get("PYTHON"):
        chosen = probe(variables["PYTHON"])
        wanted = chosen.version if chosen else None
    return python if wanted in (None, python.version) else None


def _pip_belongs(target: Target) -> bool:
    """Whether pip is there and the environment was not moved: scripts hold absolute paths."""
    try:
        first = (target.venv / "bin" / "pip").read_text().splitlines()[:3]
    except (OSError, UnicodeDecodeError):
        return False
    works = subprocess.run(
        [target.python, "-I", "-m", "pip", "--version"], capture_output=True, check=False
    )
    return works.returncode == 0 and f"{target.venv}/bin/python" in "\n".join(first)


def make_venv(target: Target, base: Python, steps: Steps, variables: Mapping[str, str]) -> None:
    """Make the virtual environment; what is in its folder is deleted.

    Raises:
        SetupError: The venv module failed.
    """
    options = ["--system-site-packages"] if target.ros_prefix else []
    steps.run(
        [base.executable, "-m", "venv", "--clear", *options, target.venv],
        {name: text for name, text in variables.items() if name != "PYTHONHOME"},
        cwd=target.root,
    )


def install_packages(
    target: Target, fingerprint: str, steps: Steps, variables: Mapping[str, str]
) -> None:
    """Bring the virtual environment to the pinned set.

    Raises:
        SetupError: pip failed, or the result does not work.
    """
    packages_stamp(target).remove()
    for name in forget_broken_packages(target):
        steps.note(f"half installed, installing again: {name}")
    for options in _pip_options(target, variables):
        _pip_install(target, options, steps, variables, hint=OFFLINE_HINT)
    if target.ros_prefix is None:
        patch_wheels(target)
    _check_imports(target, "rclpy, numpy, scipy, pydantic, pytest", steps, variables)
    packages_stamp(target).write(fingerprint)


def install_learning(target: Target, steps: Steps, variables: Mapping[str, str]) -> None:
    """Add PyTorch and what else learning needs to an environment that is complete without.

    Raises:
        SetupError: pip failed, or the result does not work.
    """
    learning_stamp(target).begin()
    for name in forget_broken_packages(target):
        steps.note(f"half installed, installing again: {name}")
    # With the packages below as requirements pip keeps them as they are where it can.
    files = [learning_file(target), *requirement_files(target)]
    options = [word for file in files for word in ("-r", file)]
    if target.ros_prefix:
        options += ["-c", _system_constraints(target, variables)]
    _pip_install(target, options, steps, variables, hint=f"{OFFLINE_HINT}\n{SPACE_HINT}")
    names = "gymnasium, onnx, onnxruntime, pettingzoo, tensorboard, torch"
    _check_imports(target, names, steps, variables)
    packages_stamp(target).forget_missing()
    learning_stamp(target).write(learning_fingerprint(target))


def _pip_install(
    target: Target,
    options: Sequence[str | Path],
    steps: Steps,
    variables: Mapping[str, str],
    *,
    hint: str,
) -> None:
    inside = build_variables(target, variables)
    # Pip settings of the user that cannot work inside a virtual environment.
    for name in ("PIP_USER", "PIP_TARGET", "PIP_PREFIX"):
        inside.pop(name, None)
    command: list[str | Path] = [target.python, "-m", "pip", "install", "--no-input"]
    command += ["--disable-pip-version-check", "--prefer-binary", "--progress-bar=off"]
    steps.run([*command, *options], inside, cwd=target.root, hint=hint)


def _check_imports(target: Target, names: str, steps: Steps, variables: Mapping[str, str]) -> None:
    inside = build_variables(target, variables)
    steps.run([target.python, "-c", f"import {names}"], inside, cwd=Path("/"))


def _pip_options(target: Target, variables: Mapping[str, str]) -> list[list[str | Path]]:
    """What is installed, one list for each call of pip."""
    files = requirement_files(target)
    if target.ros_prefix is None:
        return [[word for file in files for word in ("-r", file)]]
    runtime, tools = files
    constraints = _system_constraints(target, variables)
    # Programs such as pytest must be in the environment itself: those of the system start the
    # Python of the system, which does not see what is installed here.
    return [["-r", runtime, "-c", constraints], ["--ignore-installed", "-r", tools]]


def forget_broken_packages(target: Target) -> list[str]:
    """Delete the metadata of packages that are half installed, so that pip installs them again.

    Pip writes RECORD last, and takes a package for installed once METADATA is there.
    """
    packages = target.site_packages()
    if packages is None:
        return []
    broken = []
    for info in sorted(packages.glob("*.dist-info")):
        if not (info / "METADATA").is_file() or not _recorded_files_exist(info / "RECORD"):
            shutil.rmtree(info)
            broken.append(info.stem)
    for leftover in packages.glob("~*"):
        # Pip renames what it is about to replace.
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    return broken


def _recorded_files_exist(record: Path) -> bool:
    try:
        lines = record.read_text().splitlines()
    except OSError:
        return False
    folder = record.parents[1]
    names = (line.rsplit(",", 2)[0].strip('"') for line in lines)
    return all((folder / name).exists() for name in names if not name.endswith(".pyc"))


def patch_wheels(target: Target) -> int:
    """Let the wheels' CMake files name the local Python; returns how many files changed.

    CMake refuses the exported targets otherwise, because the folders do not exist here.
    """
    answer = subprocess.run(
        [target.python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('include'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    include, packages = answer.stdout.strip(), str(target.site_packages())
    changed = 0
    for file in target.venv.glob("share/*/cmake/*.cmake"):
        old = file.read_text()
        new = BUILD_PACKAGES.sub(lambda _: packages, old)
        new = BUILD_INCLUDE.sub(lambda _: include, new)
        if new != old:
            unfinished = file.with_suffix(".new")
            unfinished.write_text(new)
            unfinished.replace(file)
            changed += 1
    return changed


def _system_constraints(target: Target, variables: Mapping[str, str]) -> Path:
    """Constraints file: what pip must not replace beside the packages of a sourced ROS 2."""
    script = "import json, numpy; print(json.dumps(numpy.__version__))"
    inside = build_variables(target, variables)
    answer = subprocess.run(
        [target.python, "-c", script], env=inside, capture_output=True, check=False
    )
    lines = ["setuptools<80\n"]  # colcon says that it cannot work with newer ones
    if answer.returncode == 0:
        # ROS 2 was compiled for this one.
        lines.append(f"numpy=={json.loads(answer.stdout)}\n")
    file = target.state / "constraints.txt"
    file.write_text("".join(lines))
    return file

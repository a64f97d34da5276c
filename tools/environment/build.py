"""Build messages and link the Python code with colcon."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from environment.errors import SetupError
from environment.stamps import build_stamp
from environment.steps import Steps
from environment.target import Target
from environment.variables import build_variables, run_variables

IMPORT_CHECK = """
import rclpy
from veaat_migration.msg import PriceOffer
PriceOffer.__import_type_support__()
"""


def build(
    target: Target,
    fingerprint: str,
    steps: Steps,
    variables: Mapping[str, str],
    *,
    from_scratch: bool = False,
) -> None:
    """Run colcon; from scratch also if the last build was not finished or cannot be continued.

    Raises:
        SetupError: The build failed, or the result does not work.
    """
    stamp = build_stamp(target)
    finished = stamp.exists() and not from_scratch
    stamp.remove()
    if finished:
        try:
            _build_once(target, steps, variables)
        except SetupError as error:
            steps.note(f"building from scratch after: {error}")
            finished = False
    if not finished:
        for name in ("build", "install"):
            shutil.rmtree(target.state / name, ignore_errors=True)
        _build_once(target, steps, variables)
    build_stamp(target).write(fingerprint)


def _build_once(target: Target, steps: Steps, variables: Mapping[str, str]) -> None:
    inside = build_variables(target, variables)
    # A job server of the calling make cannot be used from here.
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        inside.pop(name, None)
    # The user's colcon defaults are for his own workspaces.
    inside["COLCON_DEFAULTS_FILE"] = os.devnull
    state = target.state
    command: list[str | Path] = [*_colcon(target), "--log-base", state / "log", "build"]
    command += ["--paths", target.root, "--symlink-install"]
    command += ["--build-base", state / "build", "--install-base", state / "install"]
    command += ["--event-handlers", "console_direct+", "--cmake-args"]
    command += ["-DBUILD_TESTING=OFF", "-DCMAKE_BUILD_TYPE=Release"]
    command += [f"-DPython3_EXECUTABLE={target.python}"]
    steps.run(command, inside, cwd=target.root)
    _remove_dangling_links(target.prefix)
    steps.run([target.python, "-c", IMPORT_CHECK], run_variables(target, variables), cwd=Path("/"))


def _colcon(target: Target) -> list[str | Path]:
    return ["colcon"] if target.ros_prefix else [target.python, "-m", "colcon"]


def _remove_dangling_links(prefix: Path) -> None:
    """Remove links to sources that are gone; colcon only adds."""
    for folder, _, files in os.walk(prefix):
        for name in files:
            path = os.path.join(folder, name)
            if os.path.islink(path) and not os.path.exists(path):
                os.unlink(path)

"""Entry: make the environment ready, then become the command."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from environment.build import build
from environment.errors import SetupError
from environment.host import (
    choose_python,
    half_sourced,
    require_build_tools,
    require_wheel_platform,
)
from environment.packages import (
    forget_broken_packages,
    install_learning,
    install_packages,
    make_venv,
    usable_python,
)
from environment.stamps import (
    build_fingerprint,
    build_stamp,
    learning_fingerprint,
    learning_stamp,
    packages_fingerprint,
    packages_stamp,
)
from environment.steps import Steps, locked, say, terminable
from environment.target import Target, choose_target
from environment.variables import run_variables

LEARNING_COMMANDS = ("train", "evaluate", "reproduce", "qoe")
"""Subcommands of veaat that need PyTorch."""

USAGE = """\
usage: tools/run [COMMAND [ARGUMENT ...]]

Runs COMMAND in the project's environment (ROS 2, Python packages, built messages), which is set
up first where needed; without COMMAND the set-up is checked thoroughly and mended.

  tools/run veaat solve config/base.yaml
  tools/run veaat train config/train/base.yaml
  tools/run ros2 topic list            # where ROS 2 is installed and sourced
  tools/run bash

A sourced ROS 2 is used as it is; otherwise wheels are installed into .venv. PyTorch and what else
learning needs are added when they are needed first: by 'veaat train', 'veaat evaluate', the tests.
Environment variables:
  ROS_WHEELS=jazzy|kilted   use these wheels even if a ROS 2 is sourced (kilted: .venv-kilted)
  PYTHON=/path/to/python    with the set-up: make the virtual environment with this Python
  LEARNING=1|0              add PyTorch whatever the command is, or do not add it
  PIP_EXTRA_INDEX_URL=URL   pip's own: with PyTorch's index of CPU builds the download is a tenth
"""

LEARNING_TITLE = "adding PyTorch for learning (downloads 0.3 GB; with CUDA 3 GB, many minutes)"
CPU_BUILD_HINT = """\
note: for PyTorch without CUDA set PIP_EXTRA_INDEX_URL to PyTorch's index of CPU builds and start
      again; Ctrl-C is safe"""


def main(arguments: Sequence[str], root: Path | None = None) -> int:
    """Set up and run a command; does not return if the command starts."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    root = root or Path(__file__).resolve().parents[2]
    try:
        target = choose_target(root, os.environ)
        learning = asks_for_learning(arguments, os.environ)
        if not arguments or not is_ready(target, learning=learning):
            set_up(target, os.environ, verify=not arguments, learning=learning)
    except SetupError as error:
        say(f"set-up: {error}")
        return 1
    except KeyboardInterrupt:
        say("set-up: interrupted; the next start continues it")
        return 130
    if not arguments:
        extra = " with PyTorch" if has_learning(target) else ""
        print(f"ready: {target.title}, {target.venv.name}{extra}; tools/run COMMAND uses it")
        return 0
    variables = run_variables(target, os.environ)
    try:
        os.execvpe(arguments[0], list(arguments), variables)
    except OSError as error:
        say(f"tools/run: {arguments[0]}: {error.strerror}")
        return 127 if isinstance(error, FileNotFoundError) else 126


def asks_for_learning(arguments: Sequence[str], variables: Mapping[str, str]) -> bool:
    """Whether the packages for learning must be there: LEARNING decides, else the command.

    Raises:
        SetupError: LEARNING is neither 1 nor 0.
    """
    setting = variables.get("LEARNING", "")
    if setting not in ("", "0", "1"):
        raise SetupError(f"LEARNING={setting}: choose 1 (add PyTorch) or 0 (do not)")
    if setting or len(arguments) < 2 or {"-h", "--help"} & set(arguments):
        return setting == "1"
    return Path(arguments[0]).name == "veaat" and arguments[1] in LEARNING_COMMANDS


def is_ready(target: Target, *, learning: bool) -> bool:
    """Whether nothing has to be installed or built."""
    return (
        packages_stamp(target).matches(packages_fingerprint(target))
        and build_stamp(target).matches(build_fingerprint(target))
        and (not learning or has_learning(target))
    )


def has_learning(target: Target) -> bool:
    """Whether the packages for learning are complete."""
    return learning_stamp(target).matches(learning_fingerprint(target))


def set_up(
    target: Target, variables: Mapping[str, str], *, verify: bool, learning: bool = False
) -> None:
    """Install and build what is missing.

    Args:
        target: What to set up.
        variables: Environment variables of the caller.
        verify: Look for damage that is_ready does not see, in all that was ever installed.
        learning: Add the packages for learning if they are not there.

    Raises:
        SetupError: The machine lacks something, or a step failed.
    """
    with locked(target.root / ".ros" / "setup.lock") as lock, terminable():
        if verify:
            # What is forgotten is missed by the stamps of the packages that it belongs to.
            forget_broken_packages(target)
            if not usable_python(target, variables):
                packages_stamp(target).remove()
            learning = learning or learning_stamp(target).exists()
        if is_ready(target, learning=learning):
            return
        if remark := half_sourced(target, variables):
            say(f"note: {remark}")
        packages = packages_fingerprint(target)
        python = usable_python(target, variables)
        install = python is None or not packages_stamp(target).matches(packages)
        compiles = install or not build_stamp(target).matches(build_fingerprint(target))
        adds = learning and (install or not has_learning(target))
        if install and target.ros_prefix is None:
            require_wheel_platform(target)
        base = python or choose_python(target, variables)
        if compiles:
            require_build_tools(target, base, variables)
        target.state.mkdir(parents=True, exist_ok=True)
        log = target.root / ".ros" / "setup.log"
        log.write_text("")
        with log.open("a") as file:
            steps = Steps(file, lock, (python is None) + install + compiles + adds)
            if python is None:
                with steps.step(f"making {target.venv.name} with Python {base.version}"):
                    make_venv(target, base, steps, variables)
            if install:
                what = ("" if target.ros_prefix else f"{target.title}, ") + "Python packages"
                with steps.step(f"installing {what} (1 to 2 minutes)"):
                    install_packages(target, packages, steps, variables)
            if compiles:
                with steps.step("building messages with colcon (up to a minute)"):
                    fingerprint = build_fingerprint(target)
                    build(target, fingerprint, steps, variables, from_scratch=install)
            if adds:
                # Last, so that all the rest works even if this download fails.
                with steps.step(LEARNING_TITLE):
                    if not variables.get("PIP_EXTRA_INDEX_URL"):
                        say(CPU_BUILD_HINT)
                    install_learning(target, steps, variables)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

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
    install_packages,
    make_venv,
    usable_python,
)
from environment.stamps import (
    build_fingerprint,
    build_stamp,
    packages_fingerprint,
    packages_stamp,
)
from environment.steps import Steps, locked, say, terminable
from environment.target import Target, choose_target
from environment.variables import run_variables

USAGE = """\
usage: tools/run [COMMAND [ARGUMENT ...]]

Runs COMMAND in the project's environment (ROS 2, Python packages, built messages), which is set
up first where needed; without COMMAND the set-up is checked thoroughly and mended.

  tools/run veaat solve config/base.yaml
  tools/run ros2 topic list            # where ROS 2 is installed and sourced
  tools/run bash

A sourced ROS 2 is used as it is; otherwise wheels are installed into .venv.
Environment variables:
  ROS_WHEELS=jazzy|kilted   use these wheels even if a ROS 2 is sourced (kilted: .venv-kilted)
  PYTHON=/path/to/python    with the set-up: make the virtual environment with this Python
"""


def main(arguments: Sequence[str], root: Path | None = None) -> int:
    """Set up and run a command; does not return if the command starts."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    root = root or Path(__file__).resolve().parents[2]
    try:
        target = choose_target(root, os.environ)
        if not arguments or not is_ready(target):
            set_up(target, os.environ, verify=not arguments)
    except SetupError as error:
        say(f"set-up: {error}")
        return 1
    except KeyboardInterrupt:
        say("set-up: interrupted; the next start continues it")
        return 130
    if not arguments:
        print(f"ready: {target.title}, {target.venv.name}; tools/run COMMAND uses it")
        return 0
    variables = run_variables(target, os.environ)
    try:
        os.execvpe(arguments[0], list(arguments), variables)
    except OSError as error:
        say(f"tools/run: {arguments[0]}: {error.strerror}")
        return 127 if isinstance(error, FileNotFoundError) else 126


def is_ready(target: Target) -> bool:
    """Whether nothing has to be installed or built."""
    return packages_stamp(target).matches(packages_fingerprint(target)) and build_stamp(
        target
    ).matches(build_fingerprint(target))


def set_up(target: Target, variables: Mapping[str, str], *, verify: bool) -> None:
    """Install and build what is missing; verify: look for damage that is_ready does not see.

    Raises:
        SetupError: The machine lacks something, or a step failed.
    """
    with locked(target.root / ".ros" / "setup.lock") as lock, terminable():
        if verify and (forget_broken_packages(target) or not usable_python(target, variables)):
            packages_stamp(target).remove()
        if is_ready(target):
            return
        if remark := half_sourced(target, variables):
            say(f"note: {remark}")
        packages = packages_fingerprint(target)
        install = not packages_stamp(target).matches(packages)
        python = usable_python(target, variables)
        if install and target.ros_prefix is None:
            require_wheel_platform(target)
        base = python or choose_python(target, variables)
        require_build_tools(target, base, variables)
        target.state.mkdir(parents=True, exist_ok=True)
        log = target.root / ".ros" / "setup.log"
        log.write_text("")
        total = (python is None) + install + 1
        with log.open("a") as file:
            steps = Steps(file, lock, total)
            if python is None:
                with steps.step(f"making {target.venv.name} with Python {base.version}"):
                    make_venv(target, base, steps, variables)
                install = True
            if install:
                what = ("" if target.ros_prefix else f"{target.title}, ") + "Python packages"
                with steps.step(f"installing {what} (1 to 2 minutes)"):
                    install_packages(target, packages, steps, variables)
            with steps.step("building messages with colcon (up to 30 seconds)"):
                fingerprint = build_fingerprint(target)
                build(target, fingerprint, steps, variables, from_scratch=install)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

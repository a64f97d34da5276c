"""The environment variables under which everything of the project runs.

Computed directly: sourcing the setup files of colcon costs about as much as starting a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from environment.target import Target

ROS_PATHS = (
    "AMENT_PREFIX_PATH",
    "CMAKE_PREFIX_PATH",
    "COLCON_PREFIX_PATH",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
)


def run_variables(target: Target, inherited: Mapping[str, str]) -> dict[str, str]:
    """Variables for a command that uses the built package."""
    variables = build_variables(target, inherited)
    packages = target.installed_package()
    _prepend(variables, "PATH", [target.prefix / "bin"])
    _prepend(variables, "AMENT_PREFIX_PATH", [target.prefix])
    _prepend(variables, "LD_LIBRARY_PATH", [target.prefix / "lib"])
    _prepend(variables, "PYTHONPATH", [packages] if packages else [])
    return variables


def build_variables(target: Target, inherited: Mapping[str, str]) -> dict[str, str]:
    """Variables for a command that uses ROS 2 and the virtual environment only."""
    variables = _without_other_environments(target, inherited)
    variables["VIRTUAL_ENV"] = str(target.venv)
    _prepend(variables, "PATH", [target.venv / "bin"])
    packages = target.site_packages()
    if target.ros_prefix:
        # The folders of a sourced ROS 2 would hide newer packages of the environment, and its
        # programs (ros2 launch) start the Python of the system, which has to see them too.
        _prepend(variables, "PYTHONPATH", [packages] if packages else [])
    else:
        # Nested calls stay with this wheel set.
        variables["ROS_WHEELS"] = target.distro
        variables["ROS_DISTRO"] = target.distro
        variables["ROS_VERSION"] = "2"
        variables["ROS_PYTHON_VERSION"] = "3"
        _prepend(variables, "AMENT_PREFIX_PATH", [target.venv])
        _prepend(variables, "CMAKE_PREFIX_PATH", [target.venv])
        _prepend(variables, "LD_LIBRARY_PATH", wheel_libraries(target))
        # The wheels start every Python a second time to set LD_LIBRARY_PATH; it is set already.
        variables["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] = "1"
    return variables


def wheel_libraries(target: Target) -> list[Path]:
    """Folders in which the wheels keep their shared libraries."""
    packages = target.site_packages()
    bundled = sorted(packages.glob("ros_*.libs")) if packages else []
    return [target.venv / "lib", *bundled]


def _without_other_environments(target: Target, inherited: Mapping[str, str]) -> dict[str, str]:
    """Inherited variables without other environments of this project and, for wheels, any ROS."""
    variables = dict(inherited)
    # LEARNING is for this start only: nested ones may be for another target.
    for name in ("PYTHONHOME", "_ROS_WHEELS_BOOTSTRAP_COMPLETE", "ROS_WHEELS", "LEARNING"):
        variables.pop(name, None)
    ros_prefixes = inherited.get("AMENT_PREFIX_PATH", "").split(":")
    others = [Path(prefix) for prefix in ros_prefixes if prefix] if not target.ros_prefix else []
    for name in ("PATH", *ROS_PATHS):
        # Prefixes of a ROS 2 can be as general as /usr, so PATH keeps them.
        unwanted = others if name != "PATH" else []
        kept = [
            entry
            for entry in inherited.get(name, "").split(":")
            if entry and not _of_project(Path(entry), target.root) and not _inside(entry, unwanted)
        ]
        if kept or name in inherited:
            variables[name] = ":".join(kept)
        if not kept:
            variables.pop(name, None)
    return variables


def _of_project(path: Path, root: Path) -> bool:
    if root not in path.parents:
        return False
    top = path.relative_to(root).parts[0]
    return top == ".ros" or top.startswith(".venv")


def _inside(entry: str, folders: Iterable[Path]) -> bool:
    path = Path(entry)
    return any(folder == path or folder in path.parents for folder in folders)


def _prepend(variables: dict[str, str], name: str, folders: Iterable[Path]) -> None:
    entries = [str(folder) for folder in folders]
    if variables.get(name):
        entries.append(variables[name])
    if entries:
        variables[name] = ":".join(entries)

"""Decide which ROS 2 is used: the one that is sourced, or a pinned set of wheels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from environment.errors import SetupError

WHEEL_SETS = ("jazzy", "kilted")


def python_folders(prefix: Path) -> Iterator[Path]:
    """Folders of an install prefix that can hold Python packages (Debian has its own places)."""
    for place in ("lib", "local/lib"):
        for packages in ("site-packages", "dist-packages"):
            yield from sorted(prefix.glob(f"{place}/python3.*/{packages}"))


@dataclass(frozen=True)
class Target:
    """A ROS 2 distribution and the folders that belong to it."""

    root: Path
    distro: str
    ros_prefix: Path | None = None
    """Prefix that holds rclpy of a sourced ROS 2; None: wheels."""
    ros_python: str | None = None
    """Python version that the sourced rclpy was built for, such as "3.12"."""

    @property
    def name(self) -> str:
        """Name of the state folder below .ros."""
        return self.distro if self.ros_prefix is None else f"sourced-{self.distro}"

    @property
    def title(self) -> str:
        """The target in words."""
        origin = "PyPI wheels" if self.ros_prefix is None else self.ros_prefix
        return f"ROS 2 {self.distro.capitalize()} ({origin})"

    @property
    def venv(self) -> Path:
        """Virtual environment."""
        return self.root / (".venv" if self.name == WHEEL_SETS[0] else f".venv-{self.name}")

    @property
    def python(self) -> Path:
        """Interpreter of the virtual environment."""
        return self.venv / "bin" / "python"

    @property
    def state(self) -> Path:
        """Folder of everything that colcon makes."""
        return self.root / ".ros" / self.name

    @property
    def prefix(self) -> Path:
        """Where colcon installs the package."""
        return self.state / "install" / "veaat_migration"

    def site_packages(self) -> Path | None:
        """Package folder of the virtual environment; None: there is none."""
        return next(python_folders(self.venv), None)

    def installed_package(self) -> Path | None:
        """Python folder that holds the built veaat_migration package; None: not built."""
        folders = python_folders(self.prefix)
        return next((folder for folder in folders if (folder / "veaat_migration").is_dir()), None)


def choose_target(root: Path, variables: Mapping[str, str]) -> Target:
    """The target that the environment variables ask for.

    ROS_WHEELS decides if it is set. Otherwise a sourced ROS 2 (ROS_DISTRO and AMENT_PREFIX_PATH
    are set, and a prefix holds rclpy) is used, and without one the Jazzy wheels.

    Raises:
        SetupError: ROS_WHEELS names no wheel set.
    """
    wheels = variables.get("ROS_WHEELS", "")
    if wheels:
        if wheels not in WHEEL_SETS:
            raise SetupError(f"ROS_WHEELS={wheels}: choose {' or '.join(WHEEL_SETS)}")
        return Target(root, wheels)
    distro = variables.get("ROS_DISTRO", "")
    prefixes = variables.get("AMENT_PREFIX_PATH", "").split(":") if distro else []
    for prefix in filter(None, prefixes):
        for folder in python_folders(Path(prefix)):
            if (folder / "rclpy" / "__init__.py").is_file():
                version = folder.parent.name[len("python") :]
                return Target(root, distro, ros_prefix=Path(prefix), ros_python=version)
    return Target(root, WHEEL_SETS[0])

"""What was set up, noted next to it, so that the next start sees at once that it is still right."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from environment.target import Target

FORMAT = 1
"""Raise this when the set-up itself changes so much that old results must not be reused."""

TOOLS = Path(__file__).resolve().parents[1]


def packages_fingerprint(target: Target) -> str:
    """Changes when the virtual environment must be made or filled anew."""
    facts = [FORMAT, str(target.venv), str(target.ros_prefix), target.ros_python]
    return _digest(facts, requirement_files(target))


def requirement_files(target: Target) -> list[Path]:
    """What pip installs: exact pins for wheels, ranges beside the packages of a sourced ROS 2."""
    if target.ros_prefix is None:
        names = [f"{target.distro}.txt", "runtime.txt", "dev.txt"]
    else:
        names = ["runtime.in", "dev.in"]
    return [TOOLS / f"requirements-{name}" for name in names]


def learning_fingerprint(target: Target) -> str:
    """Changes when the packages for learning must be installed or checked anew."""
    return _digest([packages_fingerprint(target)], [learning_file(target)])


def learning_file(target: Target) -> Path:
    """What pip installs on top for learning; pins and ranges as for requirement_files."""
    return TOOLS / f"requirements-learning.{'in' if target.ros_prefix else 'txt'}"


def build_fingerprint(target: Target) -> str:
    """Changes when colcon has to run again: Python sources count by name, they are linked."""
    root = target.root
    kinds = ("msg", "srv", "action")
    interfaces = [file for kind in kinds for file in root.glob(f"{kind}/*.{kind}")]
    contents = [root / "CMakeLists.txt", root / "package.xml", *sorted(interfaces)]
    names: list[str] = []
    for folder in ("veaat_migration", "launch", "config", "scripts"):
        names += sorted(_files(root, folder))
    return _digest([packages_fingerprint(target), names], contents)


def _files(root: Path, folder: str) -> Iterable[str]:
    for path, folders, files in os.walk(root / folder):
        folders[:] = [name for name in folders if name != "__pycache__" and name[0] != "."]
        for name in files:
            if not name.startswith(".") and not name.endswith(("~", ".pyc")):
                yield os.path.relpath(os.path.join(path, name), root)


def _digest(facts: object, files: Iterable[Path]) -> str:
    digest = hashlib.sha256(json.dumps(facts).encode())
    for path in files:
        content = path.read_bytes() if path.is_file() else b"(missing)"
        digest.update(f"\0{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


class Stamp:
    """Note in a folder that it is complete: a fingerprint and what its subfolders held then."""

    def __init__(self, folder: Path, watched: Iterable[Path], name: str = "setup") -> None:
        self._path = folder / f".veaat_{name}.json"
        self._watched = list(watched)

    def matches(self, fingerprint: str) -> bool:
        """Whether the folder was completed for this fingerprint and nothing has gone since."""
        try:
            note = json.loads(self._path.read_text())
            inventory: dict[str, list[str]] = note["inventory"]
            return note["fingerprint"] == fingerprint and all(
                set(names) <= set(_names(Path(folder))) for folder, names in inventory.items()
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False

    def exists(self) -> bool:
        """Whether the folder was completed, or begun."""
        return self._path.is_file()

    def begin(self) -> None:
        """Note that the folder is to be completed: the stamp exists and matches nothing."""
        self._path.write_text("{}")

    def write(self, fingerprint: str) -> None:
        """Note that the folder is complete."""
        inventory = {str(folder): sorted(_names(folder)) for folder in self._watched}
        self._write({"fingerprint": fingerprint, "inventory": inventory})

    def forget_missing(self) -> None:
        """No longer miss what has gone since: a complete layer above has replaced it."""
        note = json.loads(self._path.read_text())
        for folder, names in note["inventory"].items():
            note["inventory"][folder] = sorted(set(names) & set(_names(Path(folder))))
        self._write(note)

    def remove(self) -> None:
        """Note that the folder is about to change."""
        self._path.unlink(missing_ok=True)

    def _write(self, note: object) -> None:
        unfinished = self._path.with_suffix(".new")
        unfinished.write_text(json.dumps(note))
        unfinished.replace(self._path)


def _names(folder: Path) -> list[str]:
    """Names in a folder, bytecode left out; a link that leads nowhere does not count."""
    return [
        entry.name
        for entry in os.scandir(folder)
        if entry.name != "__pycache__" and (not entry.is_symlink() or os.path.exists(entry.path))
    ]


def packages_stamp(target: Target) -> Stamp:
    """Stamp of the virtual environment."""
    return Stamp(target.venv, _package_folders(target))


def learning_stamp(target: Target) -> Stamp:
    """Stamp of the packages for learning, in the same virtual environment."""
    return Stamp(target.venv, _package_folders(target), "learning")


def _package_folders(target: Target) -> list[Path]:
    folders = [target.venv / "bin", target.venv / "lib"]
    if packages := target.site_packages():
        folders.append(packages)
    if target.ros_prefix is None:
        folders.append(target.venv / "share")
    return folders


def build_stamp(target: Target) -> Stamp:
    """Stamp of the colcon installation."""
    folders = [target.prefix / "bin", target.prefix / "lib", target.prefix / "lib/veaat_migration"]
    if packages := target.installed_package():
        package = packages / "veaat_migration"
        folders += [package, *(path for path in sorted(package.iterdir()) if path.is_dir())]
    return Stamp(target.state, folders)

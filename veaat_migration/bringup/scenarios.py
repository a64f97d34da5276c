"""Scenarios that come with the package, by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from veaat_migration.errors import VeaatError

SUFFIXES = (".yaml", ".yml", ".json")


class NoScenarioError(VeaatError, FileNotFoundError):
    """There is no such scenario; the message lists where it was looked for."""


def find_scenario(name: str) -> Path:
    """A file of this path, or the shipped scenario of this name.

    Raises:
        NoScenarioError: neither exists.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    for folder in config_folders():
        for suffix in SUFFIXES:
            shipped = folder / f"{name}{suffix}"
            if shipped.is_file():
                return shipped
    folders = ", ".join(map(str, config_folders())) or "no folder of shipped scenarios found"
    raise NoScenarioError(f"{name}: no such file, and no shipped scenario of that name ({folders})")


def find_config(name: str) -> Path:
    """A shipped file of parameters or profiles.

    Raises:
        NoScenarioError: it is not there.
    """
    for folder in config_folders():
        if (folder / name).is_file():
            return folder / name
    raise NoScenarioError(f"{name}: not among the shipped configuration files")


def find_training_file(name: str) -> Path:
    """A training file of this path, or the shipped one of this name.

    Raises:
        NoScenarioError: neither exists.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    folders = [folder / "train" for folder in config_folders()]
    for folder in folders:
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    known = sorted(file.stem for folder in folders for file in folder.glob("*.yaml"))
    raise NoScenarioError(
        f"{name}: no such file, and no shipped training file of that name "
        f"(there are: {', '.join(known) or 'none'})"
    )


def config_folders() -> list[Path]:
    """Where shipped scenarios lie: the source tree, or the share folder of an installation."""
    return [folder for folder in _candidates() if (folder / "base.yaml").is_file()]


def _candidates() -> Iterator[Path]:
    yield Path(__file__).resolve().parents[2] / "config"
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix:
            yield Path(prefix) / "share" / "veaat_migration" / "config"

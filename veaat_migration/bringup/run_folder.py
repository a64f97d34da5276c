"""The folder that one simulation leaves behind."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from veaat_migration.bringup.plan import NodeSpec, Plan
from veaat_migration.errors import VeaatError

TAIL_LINES = 15


class RunFolderError(VeaatError, OSError):
    """The folder for a run cannot be made; the message says why."""


class RunFolder:
    """``plan.yaml``, ``params/`` and ``logs/`` by node, ``bag/``; analysis adds its results."""

    def __init__(self, path: Path) -> None:
        """Make the folder.

        Raises:
            RunFolderError: it exists and is not empty, or cannot be made.
        """
        self.path = path.expanduser().resolve()
        try:
            if self.path.exists() and any(self.path.iterdir()):
                raise RunFolderError(f"{path}: exists and is not empty; choose another --output")
            for name in ("logs", "params"):
                (self.path / name).mkdir(parents=True)
        except OSError as error:
            if isinstance(error, RunFolderError):
                raise
            raise RunFolderError(f"{path}: {error.strerror}; choose another --output") from error

    @property
    def bag(self) -> Path:
        """Where the recording goes."""
        return self.path / "bag"

    def log(self, name: str) -> Path:
        """What a node wrote."""
        return self.path / "logs" / f"{name}.log"

    def log_tail(self, name: str) -> str:
        """The last lines that a node wrote."""
        try:
            lines = self.log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-TAIL_LINES:])

    def write_plan(self, plan: Plan, about: Mapping[str, Any]) -> None:
        """Keep what was started; ``about`` says how."""
        content = {**about, **plan.to_mapping()}
        text = yaml.safe_dump(content, sort_keys=False, width=100)
        (self.path / "plan.yaml").write_text(text, encoding="utf-8")

    def write_parameters(self, node: NodeSpec) -> Path:
        """The parameters file of one node; ``ros2 run ... --params-file`` takes it as well."""
        path = self.path / "params" / f"{node.name}.yaml"
        content = {"/**": {"ros__parameters": dict(node.parameters)}}
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return path


def default_path(scenario: str) -> Path:
    """``runs/<time>-<scenario>`` under the current folder; a counter keeps it new."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", scenario) or "game"
    stem = Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    path, number = stem, 1
    while path.exists():
        number += 1
        path = stem.with_name(f"{stem.name}-{number}")
    return path

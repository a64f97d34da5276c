"""Scenarios: typed, validated YAML that becomes a game instance.

Names are imported when they are used: nodes read plain instances and must not load pydantic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from veaat_migration.scenario.build import build_instance
    from veaat_migration.scenario.errors import ScenarioError
    from veaat_migration.scenario.instance_file import instance_from_mapping, instance_to_mapping
    from veaat_migration.scenario.load import load_game, load_scenario
    from veaat_migration.scenario.schema import Scenario

_HOME = {
    "Scenario": "schema",
    "ScenarioError": "errors",
    "build_instance": "build",
    "instance_from_mapping": "instance_file",
    "instance_to_mapping": "instance_file",
    "load_game": "load",
    "load_scenario": "load",
}

__all__ = [
    "Scenario",
    "ScenarioError",
    "build_instance",
    "instance_from_mapping",
    "instance_to_mapping",
    "load_game",
    "load_scenario",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)

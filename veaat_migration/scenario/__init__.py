"""Scenarios: typed, validated YAML that becomes a game instance."""

from veaat_migration.scenario.build import build_instance
from veaat_migration.scenario.errors import ScenarioError
from veaat_migration.scenario.instance_file import instance_from_mapping, instance_to_mapping
from veaat_migration.scenario.load import load_game, load_scenario
from veaat_migration.scenario.schema import Scenario

__all__ = [
    "Scenario",
    "ScenarioError",
    "build_instance",
    "instance_from_mapping",
    "instance_to_mapping",
    "load_game",
    "load_scenario",
]

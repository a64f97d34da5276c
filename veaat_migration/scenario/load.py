"""Reading scenario files, with errors that name the file, the key and what to do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from veaat_migration.game.instance import GameInstance
from veaat_migration.scenario.build import build_instance
from veaat_migration.scenario.errors import ScenarioError
from veaat_migration.scenario.faults import faults
from veaat_migration.scenario.instance_file import INSTANCE_KEYS, instance_from_mapping
from veaat_migration.scenario.schema import Scenario
from veaat_migration.scenario.text import read_file


def load_game(path: str | os.PathLike[str]) -> GameInstance:
    """The game of a scenario file or of a plain instance file, YAML or JSON.

    Raises:
        ScenarioError: the file is unreadable, malformed or invalid; all faults in one message.
    """
    file = Path(path)
    content = read_file(file)
    try:
        if looks_like_instance(content):
            return instance_from_mapping(content)
        return build_instance(scenario_from_mapping(content))
    except ScenarioError as error:
        raise error.from_source(str(file)) from error


def load_scenario(path: str | os.PathLike[str]) -> Scenario:
    """A scenario file as a validated model.

    Raises:
        ScenarioError: the file is unreadable, malformed or invalid; all faults in one message.
    """
    file = Path(path)
    content = read_file(file)
    try:
        if looks_like_instance(content):
            raise ScenarioError(
                "is a plain game instance, not a scenario: it has no positions, radio or names"
            )
        return scenario_from_mapping(content)
    except ScenarioError as error:
        raise error.from_source(str(file)) from error


def looks_like_instance(content: Any) -> bool:
    """Whether the keys are those of a plain game instance rather than of a scenario."""
    if not isinstance(content, Mapping):
        return False
    ours = sum(key in Scenario.model_fields for key in content)
    theirs = sum(key in INSTANCE_KEYS for key in content)
    return theirs > ours


def scenario_from_mapping(content: Any) -> Scenario:
    """Validate the content of a scenario file.

    Raises:
        ScenarioError: with one line ``path: fault`` for every fault found.
    """
    if not isinstance(content, Mapping):
        kind = "empty" if content is None else f"a {type(content).__name__}"
        raise ScenarioError(
            f"must be a mapping with at least avs, rsus, price_max and bandwidth_max; it is {kind}"
        )
    try:
        return Scenario.model_validate(content)
    except ValidationError as error:
        raise ScenarioError(faults(error, content)) from error

"""Reading scenario files, with errors that name the file, the key and what to do."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from veaat_migration.game.instance import GameInstance
from veaat_migration.scenario.build import build_instance
from veaat_migration.scenario.errors import ScenarioError, key_text, shown, unknown_key
from veaat_migration.scenario.instance_file import INSTANCE_KEYS, instance_from_mapping
from veaat_migration.scenario.parts import INCONSISTENT, UNION_TAGS
from veaat_migration.scenario.reference import MODEL_AT, SYMBOLS
from veaat_migration.scenario.schema import Scenario
from veaat_migration.scenario.text import read_file

Location = tuple[str | int, ...]


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
        raise ScenarioError(_problems(error, content)) from error


def _problems(error: ValidationError, content: Mapping[Any, Any]) -> list[str]:
    lines: list[str] = []
    items = error.errors(include_url=False)
    faulty_lists = {item["loc"][0] for item in items if len(item["loc"]) > 1}
    for item in items:
        if item["type"] == "too_short" and item["loc"][0] in faulty_lists:
            continue  # pydantic counts only the entries without a fault
        location = tuple(part for part in item["loc"] if part not in UNION_TAGS)
        location = _origin(location, content)
        if item["type"] == "invalid_key":
            lines.append(f"{key_text(item['input'])}: a key must be text")
            continue
        if item["type"] == INCONSISTENT:
            prefix = f"{path_text(location)}." if location else ""
            lines += [f"{prefix}{problem}" for problem in item["ctx"]["problems"]]
        else:
            lines.append(f"{path_text(location) or 'file'}: {_fault(location, item)}")
    return list(dict.fromkeys(lines))


def _origin(location: Location, content: Mapping[Any, Any]) -> Location:
    """Where the value at ``location`` was written: a default shows up in each AV or RSU."""
    defaults = {"avs": "av_defaults", "rsus": "rsu_defaults"}
    if len(location) < 3 or location[0] not in defaults:
        return location
    items, index, key, *rest = location
    own = content[items][index]
    common = content.get(defaults[str(items)])
    if isinstance(common, Mapping) and key in common and key not in own:
        return (defaults[str(items)], key, *rest)
    return location


def path_text(location: Sequence[str | int]) -> str:
    """``('rsus', 1, 'cost')`` as ``rsus[1].cost``."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{key_text(part)}" if text else key_text(part)
    return text


def _fault(location: Location, item: Any) -> str:
    kind: str = item["type"]
    value = item["input"]
    context = item.get("ctx", {})
    if kind == "extra_forbidden":
        parent = tuple("*" if isinstance(part, int) else part for part in location[:-1])
        model = MODEL_AT.get(parent)
        return unknown_key(location[-1], model.model_fields if model else (), SYMBOLS)
    if kind == "missing":
        home = {"avs": "av_defaults", "rsus": "rsu_defaults"}.get(str(location[0]))
        hint = f" (give it here or in {home})" if home and len(location) == 3 else ""
        return f"missing{hint}"
    if kind == "finite_number":
        return f"must be finite, got {shown(value)}"
    bounds = {
        "greater_than": ">",
        "greater_than_equal": ">=",
        "less_than": "<",
        "less_than_equal": "<=",
    }
    if kind in bounds:
        bound = context[{">": "gt", ">=": "ge", "<": "lt", "<=": "le"}[bounds[kind]]]
        return f"must be {bounds[kind]} {bound:g}, got {shown(value)}"
    wanted = {
        "float_type": "a number",
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "bool_type": "true or false",
        "string_type": "text",
        "tuple_type": "a list",
        "list_type": "a list",
        "dict_type": "a mapping",
        "model_type": "a mapping",
        "model_attributes_type": "a mapping",
    }
    if kind in wanted:
        return f"must be {wanted[kind]}, got {shown(value)}"
    if kind == "literal_error":
        return f"must be {context['expected']}, got {shown(value)}"
    if kind == "too_short":
        return f"must have at least {context['min_length']} entry, got {context['actual_length']}"
    message: str = item["msg"]
    return f"{message[0].lower()}{message[1:]}, got {shown(value)}"

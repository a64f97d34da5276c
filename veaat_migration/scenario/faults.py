"""pydantic's errors as lines ``path: what is wrong`` in the words of the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from veaat_migration.scenario.errors import key_text, shown, unknown_key
from veaat_migration.scenario.parts import BY_TOTAL, INCONSISTENT, UNION_TAGS, Part, TotalCoupling
from veaat_migration.scenario.reference import MODEL_AT, SYMBOLS
from veaat_migration.scenario.salvage import without_faults
from veaat_migration.scenario.schema import Scenario

Location = tuple[str | int, ...]

_DEFAULTS_OF = {"avs": "av_defaults", "rsus": "rsu_defaults"}


def faults(error: ValidationError, content: Mapping[Any, Any]) -> list[str]:
    """One line for every fault of a scenario.

    Args:
        error: what pydantic found.
        content: what was read from the file.
    """
    lines = [*_single(error, content), *_between_keys(error, content)]
    return list(dict.fromkeys(lines))


def faults_of_models(
    error: ValidationError, models: Mapping[tuple[str | int, ...], type[Part]]
) -> list[str]:
    """One line for every fault of another kind of file; ``models`` are its parts by path."""
    lines: list[str] = []
    for item in error.errors(include_url=False):
        where = path_text(item["loc"])
        if item["type"] == INCONSISTENT:
            lines += [f"{where}.{fault}" if where else fault for fault in item["ctx"]["problems"]]
        else:
            lines.append(f"{where or 'file'}: {_fault(item['loc'], item, models, {})}")
    return lines


def _single(error: ValidationError, content: Mapping[Any, Any]) -> list[str]:
    lines: list[str] = []
    items = error.errors(include_url=False)
    faulty_lists = {item["loc"][0] for item in items if len(item["loc"]) > 1}
    for item in items:
        if item["type"] == "too_short" and item["loc"][0] in faulty_lists:
            continue  # pydantic counts only the entries without a fault
        location = _origin(_without_tags(item["loc"]), content)
        if item["type"] == "invalid_key":
            where = path_text(location[:-1]) or "file"
            lines.append(f"{where}: a key must be text, got {shown(location[-1])}")
        elif item["type"] == INCONSISTENT:
            prefix = f"{path_text(location)}." if location else ""
            lines += [f"{prefix}{problem}" for problem in item["ctx"]["problems"]]
        else:
            lines.append(f"{path_text(location) or 'file'}: {_fault(location, item)}")
    return lines


def _between_keys(error: ValidationError, content: Mapping[Any, Any]) -> list[str]:
    """Faults between keys, which pydantic looks for only where all keys by themselves are right."""
    items = error.errors(include_url=False)
    if any(not item["loc"] for item in items):
        return []  # it has looked
    found = [_without_tags(item["loc"]) for item in items]
    try:
        Scenario.model_validate(without_faults(content, found))
    except ValidationError as second:
        return [
            line
            for item in second.errors(include_url=False)
            if item["type"] == INCONSISTENT and not item["loc"]
            for line in item["ctx"]["problems"]
        ]
    return []


def _without_tags(location: Location) -> Location:
    return tuple(part for part in location if part not in UNION_TAGS)


def _origin(location: Location, content: Mapping[Any, Any]) -> Location:
    """Where the value at ``location`` was written: a default shows up in each AV or RSU."""
    if len(location) < 3 or location[0] not in _DEFAULTS_OF:
        return location
    items, index, key, *rest = location
    own = content[items][index]
    defaults = _DEFAULTS_OF[str(items)]
    common = content.get(defaults)
    if isinstance(common, Mapping) and key in common and key not in own:
        return (defaults, key, *rest)
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


def _fault(
    location: Location,
    item: Any,
    models: Mapping[tuple[str | int, ...], type[Part]] = MODEL_AT,
    aliases: Mapping[str, str] = SYMBOLS,
) -> str:
    kind: str = item["type"]
    value = item["input"]
    if kind == "extra_forbidden":
        parent = tuple("*" if isinstance(part, int) else part for part in location[:-1])
        model = TotalCoupling if BY_TOTAL in item["loc"] else models.get(parent)
        fields = model.model_fields if model else {}
        known = [field.alias or name for name, field in fields.items()]
        return unknown_key(location[-1], known, aliases)
    if kind == "missing":
        if isinstance(location[-1], int):
            return "missing; a point is [x, y]"
        home = _DEFAULTS_OF.get(str(location[0])) if len(location) == 3 else None
        return f"missing (give it here or in {home})" if home else "missing"
    if kind in _WANTED:
        return f"must be {_WANTED[kind]}, got {shown(value)}"
    if kind in _LIMITS:
        return f"must be {_LIMITS[kind](item['ctx'])}, got {shown(value)}"
    if kind in _LENGTHS:
        return f"must have {_LENGTHS[kind](item['ctx'])}"
    message: str = item["msg"]
    return f"{message[0].lower()}{message[1:]}, got {shown(value)}"


_WANTED = {
    "finite_number": "finite",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_pattern_mismatch": "one line of text",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
_LIMITS: dict[str, Callable[[Any], str]] = {
    "greater_than": lambda limit: f"> {limit['gt']:g}",
    "greater_than_equal": lambda limit: f">= {limit['ge']:g}",
    "less_than": lambda limit: f"< {limit['lt']:g}",
    "less_than_equal": lambda limit: f"<= {limit['le']:g}",
    "literal_error": lambda limit: str(limit["expected"]),
}
_LENGTHS: dict[str, Callable[[Any], str]] = {
    "string_too_short": lambda limit: f"at least {limit['min_length']} character",
    "string_too_long": lambda limit: f"at most {limit['max_length']} characters",
    "too_short": lambda limit: f"at least {limit['min_length']} entry",
    "too_long": lambda limit: f"at most {limit['max_length']} entries",
}

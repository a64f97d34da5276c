"""From the bytes of a YAML or JSON file to plain Python values, safely.

Refused with line and column: malformed text, duplicate keys, aliases (a small file could
unfold to gigabytes) and absurd nesting. Numbers and booleans follow YAML 1.2, so that
``1e-3`` is a number and ``no`` is text.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NoReturn

import yaml

from veaat_migration.scenario.errors import ScenarioError

MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 32
MAX_YAML_EVENTS = 500_000
"""About 10 s of parsing; JSON of the same size takes a fraction of a second."""

_BaseLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_file(path: Path) -> Any:
    """Read one YAML or (suffix ``.json``) JSON document.

    Raises:
        ScenarioError: the file cannot be read, is too large, is not UTF-8 or is malformed.
    """
    try:
        with path.open("rb") as handle:
            content = handle.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise ScenarioError("no such file", str(path)) from error
    except IsADirectoryError as error:
        raise ScenarioError("is a folder, not a file", str(path)) from error
    except OSError as error:
        raise ScenarioError(f"cannot be read: {error.strerror or error}", str(path)) from error
    except ValueError as error:
        raise ScenarioError(f"cannot be read: {error}", str(path)) from error
    if len(content) > MAX_BYTES:
        raise ScenarioError(f"is larger than {MAX_BYTES // 1024**2} MiB", str(path))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ScenarioError(f"is not UTF-8 text (byte {error.start})", str(path)) from error
    try:
        return parse_json(text) if path.suffix == ".json" else parse_yaml(text)
    except ScenarioError as error:
        raise error.from_source(str(path)) from error


def parse_yaml(text: str) -> Any:
    """The value of one YAML document; None for an empty one."""
    try:
        _check_structure(text)
        return yaml.load(text, Loader=_Loader)  # derived from the safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        reason = " ".join(part for part in (error.context, error.problem) if part)
        raise ScenarioError(f"{where}malformed YAML: {reason}") from error
    except yaml.reader.ReaderError as error:
        raise ScenarioError(f"malformed YAML: {_one_line(error)}") from error
    except ValueError as error:  # an integer of thousands of digits
        raise ScenarioError(f"malformed YAML: {_one_line(error)}") from error


def parse_json(text: str) -> Any:
    """The value of one JSON document."""
    try:
        return json.loads(text, object_pairs_hook=_unique_pairs)
    except json.JSONDecodeError as error:
        raise ScenarioError(
            f"line {error.lineno}, column {error.colno}: malformed JSON: {error.msg}"
        ) from error
    except RecursionError as error:
        raise ScenarioError("malformed JSON: nested too deeply") from error
    except ScenarioError:
        raise
    except ValueError as error:
        raise ScenarioError(f"malformed JSON: {_one_line(error)}") from error


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ScenarioError(f"malformed JSON: key '{key}' is given twice in one mapping")
        result[key] = value
    return result


def _check_structure(text: str) -> None:
    """Refuse what would make loading recurse or unfold without bound, before building anything."""
    depth = 0
    event: Any
    for count, event in enumerate(yaml.parse(text, Loader=_BaseLoader)):
        if count > MAX_YAML_EVENTS:
            _refuse(event, f"more than {MAX_YAML_EVENTS} values; give so much data as JSON")
        if isinstance(event, yaml.AliasEvent):
            _refuse(event, "aliases (*name) are not supported; use av_defaults or rsu_defaults")
        if getattr(event, "tag", None) is not None:
            _refuse(event, f"tags ({event.tag}) are not supported")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                _refuse(event, f"nested more than {MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _refuse(event: Any, problem: str) -> NoReturn:
    raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


class _Loader(_BaseLoader):  # type: ignore[misc]
    """The safe loader with the scalar rules of YAML 1.2 and without duplicate keys."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - replaces the YAML 1.1 rules

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                raise yaml.MarkedYAMLError(
                    problem="a key must be plain text", problem_mark=key_node.start_mark
                )
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"key '{key}' is given twice in one mapping",
                    problem_mark=key_node.start_mark,
                )
            seen.add(key)
        result: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return result


class _Dumper(yaml.SafeDumper):
    """The safe dumper; it quotes text that the rules above would read as a number."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - interface of PyYAML
        return True


def _integer(_loader: Any, node: yaml.ScalarNode) -> int:
    return int(node.value)


def _quote_line_breaks(dumper: Any, value: str) -> Any:
    """Text with control characters is quoted with escapes, so that it stays on one line."""
    style = None if value.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _add_rules() -> None:
    rules = {
        "null": (r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
        "bool": (r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
        "int": (r"^[-+]?[0-9]+$", list("-+0123456789")),
        "float": (
            r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
            list("-+.0123456789"),
        ),
    }
    for tag, (pattern, first) in rules.items():
        for user in (_Loader, _Dumper):
            user.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), first)
    _Loader.add_constructor("tag:yaml.org,2002:int", _integer)
    _Dumper.add_representer(str, _quote_line_breaks)


_add_rules()


def dump_yaml(value: Any) -> str:
    """``value`` on one line of YAML that :func:`parse_yaml` reads as the same value."""
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=True,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
    )
    return text.removesuffix("...\n").strip()

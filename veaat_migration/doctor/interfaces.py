"""Checks that messages, services and actions are built and are those that the code expects."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from veaat_migration.doctor.finding import Finding, fail, ok, skip

_FIELD = re.compile(r"^\s*([A-Za-z][\w/]*)((?:\[[^\]]*\])?)\s+([A-Za-z]\w*)\s*(=?)")
_PLAIN = {"float64": "double", "float32": "float", "bool": "boolean", "byte": "octet"}
_STANDARD = re.compile(r"u?int(?:8|16|32|64)|string|wstring|char")
Fields = Mapping[str, str]
"""Type of each field by its name, as generated Python classes tell it."""


@dataclass(frozen=True)
class InterfaceFacts:
    """Definitions in the source of this package, and what was built from them."""

    package: str | None
    """Why the built modules cannot be imported; None: they can."""
    wanted: Mapping[str, Fields]
    """By name, such as msg/PriceOffer."""
    built: Mapping[str, Fields]


def check_interfaces(facts: InterfaceFacts, *, ros: bool) -> Finding:
    """Whether everything is built, from these definitions."""
    check = "messages"
    advice = "build the package again and source its workspace: 'colcon build', or 'make setup'"
    if facts.package is not None:
        if not ros:
            return skip(check, "rclpy is not installed or not sourced")
        return fail(check, f"not built or not sourced ({facts.package})", advice)
    if not facts.wanted:
        return ok(check, f"{len(facts.built)} built; their definitions are not installed here")
    missing = sorted(set(facts.wanted) - set(facts.built))
    if missing:
        return fail(check, f"built without {', '.join(missing)}", advice)
    changed = sorted(
        name for name, fields in facts.wanted.items() if dict(fields) != dict(facts.built[name])
    )
    if changed:
        return fail(check, f"built from other definitions: {', '.join(changed)}", advice)
    return ok(check, f"{len(facts.wanted)} interfaces, built from these definitions")


def interface_facts(folder: Path | None = None) -> InterfaceFacts:
    """Look at the definitions (of the source tree; none in an installation) and at the modules."""
    root = Path(__file__).resolve().parents[2] if folder is None else folder
    wanted = {
        f"msg/{file.stem}": fields_of(file.read_text(encoding="utf-8"))
        for file in sorted((root / "msg").glob("*.msg"))
    }
    for kind in ("srv", "action"):
        parts = ("Request", "Response") if kind == "srv" else ("Goal", "Result", "Feedback")
        for file in sorted((root / kind).glob(f"*.{kind}")):
            texts = re.split(r"(?m)^---.*$", file.read_text(encoding="utf-8"))
            for part, text in zip(parts, texts, strict=False):
                wanted[f"{kind}/{file.stem}.{part}"] = fields_of(text)
    built: dict[str, Fields] = {}
    try:
        importlib.import_module("veaat_migration.msg")
    except Exception as error:  # an extension that does not load raises what it likes
        return InterfaceFacts(" ".join(str(error).split())[:200], wanted, built)
    for name in wanted:
        kind, _, path = name.partition("/")
        try:
            found: object = importlib.import_module(f"veaat_migration.{kind}")
            for part in path.split("."):
                found = getattr(found, part)
            built[name] = found.get_fields_and_field_types()  # type: ignore[attr-defined]
        except (ImportError, AttributeError):
            continue
    return InterfaceFacts(None, wanted, built)


def fields_of(text: str) -> dict[str, str]:
    """Fields of a definition, with types as generated Python classes tell them."""
    fields = {}
    for line in text.splitlines():
        match = _FIELD.match(line.partition("#")[0])
        if match is None or match[4]:
            continue
        kind, array, name = match[1], match[2], match[3]
        plain = _PLAIN.get(kind, kind)
        if "/" not in plain and plain not in _PLAIN.values() and not _STANDARD.fullmatch(plain):
            plain = f"veaat_migration/{plain}"
        if array == "[]":
            plain = f"sequence<{plain}>"
        elif array:
            plain = f"{plain}{array}"
        fields[name] = plain
    # Empty interfaces get a field, because C has no empty structures.
    return fields or {"structure_needs_at_least_one_member": "uint8"}

"""Changing fields of a file's content by their path.

A path has the keys from the outside in, joined by dots: ``price_max``, ``delay.enforce``,
``social_coupling.total``. In a list, a number chooses one entry, counted from 0 as in error
messages (``rsus[1].cost`` or ``rsus.1.cost``); a key means all entries (``rsus.cost``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from veaat_migration.scenario.load import looks_like_instance
from veaat_migration.studies.errors import StudyError
from veaat_migration.studies.players import COUNTS, resize

Change = tuple[str, Any]
"""A path and its new value."""

_PATH = re.compile(r"[A-Za-z_]\w*(\.\w+|\[\d+\])*")


def check_path(path: str) -> str:
    """The path itself.

    Raises:
        StudyError: it has another form than a path.
    """
    if not _PATH.fullmatch(path):
        raise StudyError(
            f"{path!r}: must be a path such as price_max, rsus.cost or social_coupling.total"
        )
    return path


def changed(base: dict[str, Any], changes: Iterable[Change]) -> dict[str, Any]:
    """A changed copy of a scenario's or plain instance's content.

    Numbers of players change first, wherever they stand; then everything else in order.

    Raises:
        StudyError: a path leads nowhere, or players cannot be added.
    """
    content = dict(base)
    if isinstance(content.get("delay"), dict):
        content["delay"] = dict(content["delay"])
    plain = looks_like_instance(content)
    if plain:
        for key, listed in (("V", "delta"), ("R", "q")):
            if content.get(key) is None and isinstance(content.get(listed), list):
                content[key] = len(content[listed])
    changes = list(changes)
    for path, value in changes:
        if path in COUNTS:
            resize(content, path, value, plain=plain)
    for path, value in changes:
        if path not in COUNTS:
            steps = re.split(r"[.\[]", path.replace("]", ""))
            content = _set(content, steps, value, path)
    return content


def _set(where: Any, steps: list[str], value: Any, path: str) -> Any:
    """``where`` with the value at the end of the steps; what lies on the way is copied."""
    if not steps:
        return value
    step, *rest = steps
    if isinstance(where, list):
        if not step.isdigit():
            return [_set(entry, steps, value, path) for entry in where]
        if int(step) >= len(where):
            raise StudyError(f"{path}: there is no entry {step}, the list has {len(where)}")
        entries = list(where)
        entries[int(step)] = _set(where[int(step)], rest, value, path)
        return entries
    if isinstance(where, dict):
        inner = where.get(step)
        if rest:
            if not isinstance(inner, dict | list):
                inner = {}  # a number or nothing gives way to a mapping
            elif step.endswith("_coupling") or step in ("zeta", "eta"):
                inner = _as_coupling(inner, rest[0])
        return {**where, step: _set(inner, rest, value, path)}
    raise StudyError(f"{path}: {step!r} leads into {where!r}, which has no parts")


_FORMS = ({"total"}, {"strength", "range"}, {"pairs"})


def _as_coupling(coupling: Any, key: str) -> Any:
    """A coupling of another form gives way: a total does not stand beside a range."""
    for form in _FORMS:
        if key in form and (isinstance(coupling, list) or not form & set(coupling)):
            return {}
    return coupling

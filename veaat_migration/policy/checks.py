"""Checks of single values from outside; each names the key, says what it must be, what it is."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

MAX_COUNT = 2**53
"""Largest whole number that every reader of JSON takes exactly."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


class SchemaError(ValueError):
    """A policy's description has no meaning; the message names the key and what it must be."""


def keys(path: str, value: Any, names: Sequence[str]) -> dict[str, Any]:
    """A copy of an object that has exactly these keys."""
    if not isinstance(value, dict):
        raise SchemaError(f"{path}: must be an object")
    missing = [name for name in names if name not in value]
    unknown = [str(name)[:40] for name in value if name not in names]
    if missing or unknown:
        raise SchemaError(f"{path}: keys missing {missing}, unknown {unknown}")
    return dict(value)


def shown(value: dict[str, Any], key: str) -> str:
    """A value from outside, short enough for a message."""
    return repr(value[key])[:60] if key in value else "nothing"


def whole(path: str, value: Any, low: int, high: int) -> None:
    """Check a whole number between two limits."""
    if type(value) is not int or not low <= value <= high:
        raise SchemaError(f"{path}: must be a whole number from {low} to {high}, got {value!r:.40}")


def utc_time(path: str, value: Any) -> None:
    """Check a time in UTC."""
    try:
        if not (isinstance(value, str) and _TIME.fullmatch(value)):
            raise ValueError
        datetime.fromisoformat(value[:-1])
    except ValueError as error:
        raise SchemaError(
            f"{path}: must be a time in UTC as in 2026-01-31T12:00:00Z, got {value!r:.40}"
        ) from error


def list_of(path: str, value: Any, size: int | None = None) -> tuple[Any, ...]:
    """Entries of a list, of a given length where there is one."""
    if not isinstance(value, list) or (size is not None and len(value) != size):
        raise SchemaError(f"{path}: must be a list" + (f" of {size}" if size is not None else ""))
    return tuple(value)


def numbers_of(path: str, value: Any, shape: tuple[int, ...]) -> tuple[float, ...]:
    """Nested lists of floats, flat."""
    entries = list_of(path, value, shape[0])
    if shape[1:]:
        rows = [numbers_of(f"{path}[{k}]", row, shape[1:]) for k, row in enumerate(entries)]
        return tuple([number for row in rows for number in row])
    for k, number in enumerate(entries):
        if type(number) is not float or not math.isfinite(number):
            raise SchemaError(f"{path}[{k}]: must be a finite number, got {number!r:.40}")
    return entries

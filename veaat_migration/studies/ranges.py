"""Values to try, as text: lists, ranges with a step, evenly or logarithmically spaced.

===============  ==================================================================
``10,20,30``     these values; numbers, ``true``, ``false``, ``null`` or words
``2:20:2``       2, 4, ..., 20; the end belongs to it if a step hits it
``2:6``          2, 3, ..., 6
``lin:0:1:5``    5 values from 0 to 1, evenly spaced: 0, 0.25, ..., 1
``log:1:100:5``  5 values from 1 to 100, each the same factor above the one before
===============  ==================================================================

Parts of a list may be ranges: ``1,2,5:20:5``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from decimal import Decimal

from veaat_migration.scenario.errors import ScenarioError
from veaat_migration.scenario.text import parse_yaml
from veaat_migration.studies.errors import StudyError

Value = float | int | bool | str | None

MAX_VALUES = 100_000

_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?")
_DIGITS = 10
"""Significant digits of spaced values: enough to be exact in practice, few enough to read."""


def parse_values(text: str, *, whole: bool = False) -> tuple[Value, ...]:
    """The values that ``text`` stands for, in order and each once.

    Args:
        text: see the module's description.
        whole: values are numbers of players: spaced values are rounded to whole numbers, other
            values have to be whole and at least 1.

    Raises:
        StudyError: the text means nothing, or too many values.
    """
    values: dict[tuple[str, Value], Value] = {}
    for part in text.split(","):
        for value in _part(part.strip(), whole):
            # 1 and true are equal, but not the same value.
            values[type(value).__name__, value] = value
            if len(values) > MAX_VALUES:
                raise StudyError(f"{text}: more than {MAX_VALUES} values")
    result = tuple(values.values())
    if whole:
        for value in result:
            if not is_count(value):
                raise StudyError(f"{text}: must be whole numbers from 1, got {value}")
    return result


def is_count(value: object) -> bool:
    """Whether ``value`` can be a number of players."""
    return type(value) is int and value >= 1


def _part(part: str, whole: bool) -> Iterator[Value]:
    if not part:
        raise StudyError("an empty value between commas; leave it out")
    pieces = part.split(":")
    if len(pieces) == 1:
        yield _word(part)
    elif pieces[0] in ("lin", "log"):
        if len(pieces) != 4:
            raise StudyError(f"{part}: must be {pieces[0]}:START:END:COUNT")
        yield from _spaced(part, pieces[0], pieces[1:], whole)
    elif len(pieces) <= 3:
        yield from _steps(part, [_number(part, piece) for piece in pieces])
    else:
        raise StudyError(f"{part}: must be START:END or START:END:STEP")


def _word(part: str) -> Value:
    """One value by the rules of the scenario files."""
    try:
        value = parse_yaml(part)
    except ScenarioError as error:
        raise StudyError(f"{part}: {error}") from error
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise StudyError(f"{part}: must be a number or a word")


def _number(part: str, piece: str) -> Decimal:
    text = piece.strip()
    if not _NUMBER.fullmatch(text) or math.isinf(float(text)):
        raise StudyError(f"{part}: {piece!r} is not a number")
    return Decimal(text)


def _steps(part: str, numbers: list[Decimal]) -> Iterator[Value]:
    """Decimal steps, so that 0.1:0.3:0.1 ends with 0.3 and not just before it."""
    start, end = numbers[:2]
    step = numbers[2] if len(numbers) == 3 else Decimal(1 if end >= start else -1)
    if step == 0 or (end - start) / step < 0:
        raise StudyError(f"{part}: a step of {step} does not lead from {start} to {end}")
    count = (end - start) / step
    if count > MAX_VALUES:
        raise StudyError(f"{part}: more than {MAX_VALUES} values")
    whole = all(number == number.to_integral_value() for number in (start, step))
    for k in range(int(count) + 1):
        value = start + k * step
        yield int(value) if whole else float(value)


def _spaced(part: str, kind: str, pieces: list[str], whole: bool) -> Iterator[Value]:
    start, end, number = (float(_number(part, piece)) for piece in pieces)
    count = int(number)
    if count != number or not 1 <= count <= MAX_VALUES:
        raise StudyError(f"{part}: the count must be a whole number from 1 to {MAX_VALUES}")
    if kind == "log" and not (start > 0 and end > 0):
        raise StudyError(f"{part}: a logarithmic range needs numbers > 0")
    for k in range(count):
        share = k / max(count - 1, 1)
        if kind == "log":
            value = start ** (1.0 - share) * end**share
        else:
            value = start * (1.0 - share) + end * share
        value = float(f"{value:.{_DIGITS}g}")
        yield round(value) if whole else value

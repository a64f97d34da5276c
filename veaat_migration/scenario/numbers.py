"""Reading numbers, vectors and matrices from plain lists, with a path for every fault."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from veaat_migration.game.instance import FloatArray
from veaat_migration.scenario.errors import shown

Shape = tuple[int, ...]

MAX_AVS, MAX_RSUS = 5000, 1000
"""A coupling matrix of this size is still handled with ease."""

MAX_PROBLEMS = 100


class NumberReader:
    """Collects one line per fault in ``problems`` and goes on."""

    def __init__(self) -> None:
        """Start without faults."""
        self.problems: list[str] = []

    def array(
        self,
        mapping: Mapping[Any, Any],
        key: str,
        shape: Shape,
        *,
        also: Sequence[Shape] = (),
        above: float | None = None,
        least: float | None = None,
        prefix: str = "",
    ) -> FloatArray:
        """``mapping[key]`` as an array of ``shape``; a number stands for that number everywhere.

        Args:
            mapping: where to look.
            key: what to look for.
            shape: shape of the result.
            also: further shapes that are accepted and then broadcast as numpy does.
            above: every number must be greater.
            least: every number must be at least this.
            prefix: path of ``mapping`` for messages.

        Returns:
            NaN everywhere if there is a fault, which is then in ``problems``.
        """
        path = prefix + key
        fault = np.full(shape, np.nan)
        if key not in mapping:
            self.problems.append(f"{path}: missing")
            return fault
        array = self.numbers(path, mapping[key], above=above, least=least)
        if array is None:
            return fault
        # A vector that is meant as a column is announced as shape (n, 1).
        if array.ndim == 1 and (array.size, 1) in also:
            array = array[:, None]
        if array.shape and array.shape != shape and array.shape not in also:
            wanted = " or ".join(shape_text(option) for option in [*also, shape])
            self.problems.append(f"{path}: must be {wanted}, got {shape_text(array.shape)}")
            return fault
        return np.array(np.broadcast_to(array, shape))

    def numbers(
        self,
        path: str,
        value: Any,
        *,
        above: float | None = None,
        least: float | None = None,
    ) -> FloatArray | None:
        """``value`` as an array of up to two dimensions; None after a fault."""
        if isinstance(value, np.ndarray | np.generic):
            value = value.tolist()
        array = _quickly(value)
        if array is not None and not _out_of_range(array, above, least):
            return array
        before = len(self.problems)
        self._check(path, value, above, least)
        if len(self.problems) > before:
            return None
        try:
            return np.array(value, dtype=np.float64)
        except ValueError:
            self.problems.append(f"{path}: all rows must have the same length")
        return None

    def _check(
        self, path: str, value: Any, above: float | None, least: float | None, depth: int = 0
    ) -> None:
        if isinstance(value, list | tuple):
            if depth == 2:
                self.problems.append(f"{path}: must be a number, got {shown(value)}")
                return
            for index, item in enumerate(value):
                if len(self.problems) >= MAX_PROBLEMS:
                    return
                self._check(f"{path}[{index}]", item, above, least, depth + 1)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            self.problems.append(f"{path}: must be a number, got {shown(value)}")
        elif not abs(value) <= sys.float_info.max:
            self.problems.append(f"{path}: must be finite, got {shown(value)}")
        elif above is not None and not value > above:
            self.problems.append(f"{path}: must be > {above:g}, got {shown(value)}")
        elif least is not None and not value >= least:
            self.problems.append(f"{path}: must be >= {least:g}, got {shown(value)}")


def _quickly(value: Any) -> FloatArray | None:
    """The array of plain numbers without a fault; None where a closer look is needed."""
    rows = value if isinstance(value, list | tuple) else (value,)
    nested = bool(rows) and all(isinstance(row, list | tuple) for row in rows)
    kinds = set(map(type, chain.from_iterable(rows) if nested else rows))
    if not kinds <= {int, float}:
        return None
    try:
        array = np.array(value, dtype=np.float64)
    except (ValueError, OverflowError):
        return None
    return array if np.isfinite(array).all() else None


def _out_of_range(array: FloatArray, above: float | None, least: float | None) -> bool:
    return bool(
        (above is not None and not (array > above).all())
        or (least is not None and not (array >= least).all())
    )


def shape_text(shape: Shape) -> str:
    """A shape for a message."""
    if not shape:
        return "a number"
    if len(shape) == 1 or shape[1] == 1:
        return f"a list of {shape[0]}"
    return " x ".join(str(length) for length in shape) + " numbers"

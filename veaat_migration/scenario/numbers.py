"""Reading numbers, vectors and matrices from plain lists, with a path for every fault."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from veaat_migration.game.instance import FloatArray
from veaat_migration.scenario.errors import shown

Shape = tuple[int, ...]

MAX_AVS, MAX_RSUS = 5000, 1000
"""A coupling matrix of this size is still handled with ease."""

_SYMMETRY_TOLERANCE = 1e-9
"""Relative; a matrix that another program computed may be asymmetric in its last digits."""

_MAX_PROBLEMS = 100


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
        array = self._numbers(path, mapping[key], above, least)
        if array is None:
            return fault
        # A vector that is meant as a column is announced as shape (n, 1).
        if array.ndim == 1 and (array.size, 1) in also:
            array = array[:, None]
        if array.shape and array.shape != shape and array.shape not in also:
            wanted = " or ".join(_shape_text(option) for option in [*also, shape])
            self.problems.append(f"{path}: must be {wanted}, got {_shape_text(array.shape)}")
            return fault
        return np.array(np.broadcast_to(array, shape))

    def coupling(self, mapping: Mapping[Any, Any], key: str, size: int) -> FloatArray | float:
        """A symmetric matrix with zero diagonal, or one number for all pairs; 0 if missing."""
        if mapping.get(key) is None:
            return 0.0
        array = self._numbers(key, mapping[key], None, None)
        if array is None:
            return 0.0
        if array.ndim == 0:
            return float(array)
        if array.ndim != 2:
            self.problems.append(
                f"{key}: must be a number or {_shape_text((size, size))}, "
                f"got {_shape_text(array.shape)}"
            )
            return 0.0
        if array.shape == (size, size):
            array = _symmetric_but_for_rounding(array)
        self.problems += matrix_problems(key, array.tolist(), size)
        return array

    def _numbers(
        self, path: str, value: Any, above: float | None, least: float | None
    ) -> FloatArray | None:
        if isinstance(value, np.ndarray | np.generic):
            value = value.tolist()
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
                if len(self.problems) >= _MAX_PROBLEMS:
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


def _symmetric_but_for_rounding(matrix: FloatArray) -> FloatArray:
    """Average what differs by rounding only; anything more is left for the check to report."""
    close = np.isclose(matrix, matrix.T, rtol=_SYMMETRY_TOLERANCE, atol=0.0)
    return np.where(close, 0.5 * (matrix + matrix.T), matrix)


def _shape_text(shape: Shape) -> str:
    if not shape:
        return "a number"
    if len(shape) == 1 or shape[1] == 1:
        return f"a list of {shape[0]}"
    return " x ".join(str(length) for length in shape) + " numbers"


def matrix_problems(path: str, matrix: Sequence[Sequence[float]], size: int) -> Iterator[str]:
    """Faults of a coupling matrix: it must be square, symmetric and zero on the diagonal."""
    if len(matrix) != size:
        yield f"{path}: must have {size} rows, got {len(matrix)}"
        return
    ragged = [row for row in range(size) if len(matrix[row]) != size]
    for row in ragged:
        yield f"{path}[{row}]: must have {size} numbers, got {len(matrix[row])}"
    if ragged:
        return
    for row in range(size):
        if matrix[row][row] != 0:
            yield f"{path}[{row}][{row}]: must be 0 (diagonal), got {matrix[row][row]:g}"
        for column in range(row):
            if matrix[row][column] != matrix[column][row]:
                yield (
                    f"{path}[{row}][{column}]: must equal {path}[{column}][{row}] "
                    f"({matrix[column][row]:g}), got {matrix[row][column]:g}"
                )

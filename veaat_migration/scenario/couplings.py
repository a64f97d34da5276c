"""Couplings between players of one kind: a number, a matrix, a total, or single pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from veaat_migration.game.instance import FloatArray
from veaat_migration.scenario.errors import key_text, shown, unknown_key
from veaat_migration.scenario.numbers import MAX_PROBLEMS, NumberReader, shape_text

_SYMMETRY_TOLERANCE = 1e-9
"""Relative; a matrix that another program computed may be asymmetric in its last digits."""

_FEWEST_FOR_PAIRS = 20
"""Smaller matrices are written in full: easier to read."""


def share_of_total(total: float, players: int) -> float:
    """The coupling of every pair if one player's couplings with all others sum to ``total``."""
    return total / max(players - 1, 1)


def read_coupling(
    reader: NumberReader, mapping: Mapping[Any, Any], key: str, size: int
) -> FloatArray | float:
    """The coupling of a plain instance; 0 if it is missing or faulty.

    Args:
        reader: takes the faults.
        mapping: the instance.
        key: ``zeta`` or ``eta``.
        size: number of players.

    Returns:
        One number for all pairs, or a symmetric matrix [size, size] with zero diagonal.
    """
    value = mapping.get(key)
    if value is None:
        return 0.0
    if isinstance(value, Mapping):
        return _from_mapping(reader, key, value, size)
    array = reader.numbers(key, value)
    if array is None:
        return 0.0
    if array.ndim == 0:
        return float(array)
    if array.ndim != 2:
        reader.problems.append(
            f"{key}: must be a number, {shape_text((size, size))}, or a mapping with pairs or "
            f"total, got {shape_text(array.shape)}"
        )
        return 0.0
    if array.shape == (size, size):
        array = _symmetric_but_for_rounding(array)
        if _is_coupling(array):
            return array
    reader.problems += matrix_problems(key, array.tolist(), size)
    return array


def coupling_to_plain(matrix: FloatArray) -> Any:
    """A coupling matrix for a plain instance: its pairs where they are few, else all numbers."""
    size = len(matrix)
    if size >= _FEWEST_FOR_PAIRS:
        first, second = np.nonzero(np.triu(matrix, 1))
        if 12 * len(first) <= size * size:
            values = matrix[first, second].tolist()
            pairs = zip((first + 1).tolist(), (second + 1).tolist(), values, strict=True)
            return {"pairs": [list(pair) for pair in pairs]}
    return matrix.tolist()


def matrix_problems(path: str, matrix: Sequence[Sequence[float]], size: int) -> Iterator[str]:
    """Faults of a coupling matrix: it must be square, symmetric and zero on the diagonal."""
    if len(matrix) != size:
        yield f"{path}: must have {size} rows, got {len(matrix)}"
        return
    ragged = [row for row in range(size) if len(matrix[row]) != size]
    for row in ragged:
        yield f"{path}[{row}]: must have {size} numbers, got {len(matrix[row])}"
    if ragged or _is_coupling(np.array(matrix)):
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


def _is_coupling(matrix: FloatArray) -> bool:
    return bool(np.array_equal(matrix, matrix.T) and not np.diag(matrix).any())


def _symmetric_but_for_rounding(matrix: FloatArray) -> FloatArray:
    """Average what differs by rounding only; anything more is left for the check to report."""
    if np.array_equal(matrix, matrix.T):
        return matrix
    close = np.isclose(matrix, matrix.T, rtol=_SYMMETRY_TOLERANCE, atol=0.0)
    return np.where(close, 0.5 * (matrix + matrix.T), matrix)


def _from_mapping(
    reader: NumberReader, key: str, value: Mapping[Any, Any], size: int
) -> FloatArray | float:
    before = len(reader.problems)
    known = ("pairs", "total")
    for name in value:
        if name not in known:
            reader.problems.append(f"{key}.{key_text(name)}: {unknown_key(name, known, {})}")
    if len(reader.problems) == before and len(value) != 1:
        reader.problems.append(f"{key}: must have either pairs or total")
    if len(reader.problems) > before:
        return 0.0
    if "total" in value:
        total = float(reader.array(value, "total", (), prefix=f"{key}."))
        return share_of_total(total, size)
    return _from_pairs(reader, f"{key}.pairs", value["pairs"], size)


def _from_pairs(reader: NumberReader, path: str, pairs: Any, size: int) -> FloatArray:
    """A matrix from its entries [i, k, value] off the diagonal, players counted from 1."""
    matrix = np.zeros((size, size))
    if not isinstance(pairs, list | tuple):
        reader.problems.append(f"{path}: must be a list of [i, k, value], got {shown(pairs)}")
        return matrix
    seen: dict[tuple[int, int], int] = {}
    for index, entry in enumerate(pairs):
        where = f"{path}[{index}]"
        fault = _pair_fault(entry, size)
        if fault is None:
            i, k = sorted((entry[0], entry[1]))
            first = seen.setdefault((i, k), index)
            if first == index:
                matrix[i - 1, k - 1] = matrix[k - 1, i - 1] = entry[2]
                continue
            fault = f": the pair {i}, {k} is already given by {path}[{first}]"
        reader.problems.append(where + fault)
        if len(reader.problems) >= MAX_PROBLEMS:
            break
    return matrix


def _pair_fault(entry: Any, size: int) -> str | None:
    if not isinstance(entry, list | tuple) or len(entry) != 3:
        return f": must be [i, k, value], got {shown(entry)}"
    for position, player in enumerate(entry[:2]):
        if type(player) is not int or not 1 <= player <= size:
            return f"[{position}]: must be a whole number from 1 to {size}, got {shown(player)}"
    if entry[0] == entry[1]:
        return f": must be two different players, got {entry[0]} twice"
    value = NumberReader()
    if value.numbers("[2]", entry[2]) is None or isinstance(entry[2], list | tuple):
        return value.problems[0] if value.problems else "[2]: must be a number"
    return None

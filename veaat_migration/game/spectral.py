"""Spectral radii of non-negative coupling matrices that are never written down.

For a non-negative matrix M and any positive vector x, max_i (M x)_i / x_i is an upper bound of
the spectral radius (Collatz and Wielandt); power iteration makes it tight. With M = D^-1 C, C
symmetric and D diagonal, the Rayleigh quotient is a lower bound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from veaat_migration.game.instance import FloatArray

SMALL = 64
"""Matrices up to this size are quicker decomposed than iterated with."""
_ITERATIONS = 300
_SPARSE_FROM, _SPARSE_SHARE = 10_000, 0.1


def compact(matrix: FloatArray) -> Any:
    """The matrix as a scipy.sparse.csr_array where that saves work: large and mostly zero."""
    if matrix.size >= _SPARSE_FROM and np.count_nonzero(matrix) <= _SPARSE_SHARE * matrix.size:
        return csr_array(matrix)
    return matrix


def radius(matrix: FloatArray) -> float:
    """Spectral radius of a symmetric non-negative matrix, up to rounding."""
    if len(matrix) <= SMALL:
        return float(np.linalg.eigvalsh(matrix)[-1])
    return radius_bounds(lambda x: matrix @ x, np.ones(len(matrix)))[1]


def radius_bounds(
    coupling: Callable[[FloatArray], FloatArray],
    flexibility: FloatArray,
    *,
    threshold: float | None = None,
    tolerance: float = 1e-7,
) -> tuple[float, float]:
    """Lower and upper bound of the spectral radius of x -> flexibility * coupling(x).

    Args:
        coupling: a symmetric, non-negative linear map of arrays like ``flexibility``.
        flexibility: >= 0, any shape.
        threshold: stop as soon as the radius is known to be below, or above, this.
        tolerance: relative width of the bounds to stop at.
    """
    index = flexibility > 0.0
    if not index.any():
        return 0.0, 0.0
    weight = 1.0 / np.where(index, flexibility, 1.0)
    # Where nothing can move there is nothing to bound.
    x = np.where(index, 1.0, 0.0)
    lower, upper = 0.0, np.inf
    for _ in range(_ITERATIONS):
        pushed = coupling(x)
        moved = flexibility * pushed
        upper = min(upper, float((moved[index] / x[index]).max()))
        lower = max(lower, float((x * pushed).sum() / (weight * x * x).sum()))
        if upper - lower <= tolerance * upper:
            break
        if threshold is not None and (upper < threshold or lower > threshold):
            break
        # The shift keeps bipartite couplings from swinging and x positive.
        x = moved + 0.1 * upper * x
        x /= x.max()
    return min(lower, upper), upper

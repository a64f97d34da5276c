"""The little that differs between numpy arrays and torch tensors, for code that takes both."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

Array = Any
"""A numpy array or a torch tensor."""


def is_tensor(value: Any) -> bool:
    """Whether this is a torch tensor; does not import torch to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def functions(array: Array) -> Any:
    """The module, numpy or torch, that the array belongs to."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def count(like: Array, number: int) -> Array:
    """0, 1, ..., ``number`` - 1, where ``like`` is."""
    if isinstance(like, np.ndarray):
        return np.arange(number)
    return functions(like).arange(number, device=like.device)


def zeros(like: Array, shape: tuple[int, ...]) -> Array:
    """Zeros of the type of ``like``, where it is."""
    if isinstance(like, np.ndarray):
        return np.zeros(shape)
    return functions(like).zeros(shape, dtype=like.dtype, device=like.device)


def gather(array: Array, index: Array, axis: int) -> Array:
    """Entries of ``array`` at ``index`` along one axis."""
    if isinstance(array, np.ndarray):
        return np.take_along_axis(array, index, axis)
    return functions(array).take_along_dim(array, index, axis)


def solve_equations(matrix: Array, right: Array) -> Array:
    """Solutions of n systems, [n, k, m]; not a number where a matrix is singular."""
    if not isinstance(matrix, np.ndarray):
        solved, info = functions(matrix).linalg.solve_ex(matrix, right)
        solved[info > 0] = np.nan
        return solved
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        result = np.full(right.shape, np.nan)
        for k, (one, side) in enumerate(zip(matrix, right, strict=True)):
            if np.linalg.matrix_rank(one) == len(one):
                result[k] = np.linalg.solve(one, side)
        return result

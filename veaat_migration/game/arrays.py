"""The little that differs between numpy arrays and torch tensors, for code that takes both."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
"""A numpy array or a torch tensor."""


def functions(array: Array) -> Any:
    """numpy or torch, whichever the array belongs to."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def gather(array: Array, index: Array, axis: int) -> Array:
    """Entries of ``array`` at ``index`` along one axis."""
    if isinstance(array, np.ndarray):
        return np.take_along_axis(array, index, axis)
    return functions(array).take_along_dim(array, index, axis)

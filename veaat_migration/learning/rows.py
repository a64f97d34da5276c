"""All numbers of an agent in one row, [A, P]: parameters, their gradients, moments, factors.

Optimisers, limits of gradients and checkpoints then have one tensor to deal with; weights and
biases are views of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Layers(NamedTuple):
    """Rows by layer."""

    weights: list[Tensor]
    """[A, out, in] of each layer."""
    biases: list[Tensor]
    """[A, out, 1] of each layer."""
    further: Tensor
    """What else an agent has, [A, further]."""


def row_size(widths: Sequence[int]) -> int:
    """Weights and biases of one agent."""
    return sum(out * (size + 1) for size, out in itertools.pairwise(widths))


def by_layer(rows: Tensor, widths: Sequence[int]) -> Layers:
    """Views of rows [A, P]; ``widths`` of the input, the hidden layers and the output."""
    shapes = [(out, size) for size, out in itertools.pairwise(widths)]
    sizes = [part for out, size in shapes for part in (out * size, out)]
    *parts, further = rows.split([*sizes, rows.shape[1] - sum(sizes)], 1)
    weights = [part.unflatten(1, shape) for part, shape in zip(parts[::2], shapes, strict=True)]
    return Layers(weights, [part.unsqueeze(2) for part in parts[1::2]], further)


def in_rows(layers: Layers) -> Tensor:
    """Undo :func:`by_layer`, in memory of its own."""
    pairs = zip(layers.weights, layers.biases, strict=True)
    parts = [part.flatten(1) for pair in pairs for part in pair]
    return torch.cat([*parts, layers.further], 1)

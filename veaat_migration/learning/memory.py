"""Memory for intermediate results that stays: fresh memory costs page faults and cold caches."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Memory:
    """Hands out tensors by name; what was there before under that name is overwritten."""

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}

    def __call__(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Uninitialised, of the type of ``like`` and where it is; the name's largest is kept."""
        size = math.prod(shape)
        kept = self._kept.get(name)
        if (
            kept is None
            or kept.numel() < size
            or kept.dtype != like.dtype
            or kept.device != like.device
        ):
            kept = torch.empty(size, dtype=like.dtype, device=like.device)
            self._kept[name] = kept
        return kept[:size].view(shape)

    def __deepcopy__(self, memo: dict[int, object]) -> Memory:
        return Memory()

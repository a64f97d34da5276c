"""Prices and bandwidths as shares of their intervals: what learned policies see and say.

A share f in [0, 1] covers the whole interval of an action. For prices the default is a geometric
scale: demand falls like 1/p, so most of what matters happens in the lower part of the interval
[c_j, p_max], which an even scale squeezes into a few per cent of its length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.game.arrays import functions

FloatArray = npt.NDArray[np.float64]
Array = Any
"""A numpy array or a torch tensor."""

KINDS = ("geometric", "linear")
LOWEST_RATIO = 0.02
"""A geometric scale is shifted so that its lower end is at least this share of the upper one:
a unit cost of nothing would stretch it over an infinite number of decades."""


@dataclass(frozen=True)
class Scale:
    """x = (low + shift) ((high + shift) / (low + shift))^f - shift; or low + (high - low) f.

    ``low`` and ``high`` have one entry per action and are in the action's own unit.
    """

    kind: str
    low: FloatArray
    high: FloatArray

    def __post_init__(self) -> None:
        low = np.atleast_1d(np.asarray(self.low, dtype=np.float64))
        high = np.atleast_1d(np.asarray(self.high, dtype=np.float64))
        if self.kind not in KINDS:
            raise ValueError(f"scale: must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if low.shape != high.shape or low.ndim != 1:
            raise ValueError(f"scale: low {low.shape} and high {high.shape} must be vectors alike")
        if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high)) and np.all(low < high)):
            raise ValueError(f"scale: must be finite with low < high, got {low} and {high}")
        if self.kind == "geometric" and np.any(low < 0.0):
            raise ValueError(f"scale: a geometric scale needs low >= 0, got {low}")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @property
    def shift(self) -> FloatArray:
        """What is added to both ends of a geometric scale, shape of ``low``."""
        wanted: FloatArray = LOWEST_RATIO * self.high - self.low
        shift: FloatArray = np.maximum(wanted / (1.0 - LOWEST_RATIO), 0.0)
        return shift

    def value(self, share: Array) -> Array:
        """The value at a share of the interval; both [..., n]. A number serves every action."""
        share = _array(share)
        low, high, shift = self._constants(share)
        if self.kind == "linear":
            return low + (high - low) * share
        return (low + shift) * ((high + shift) / (low + shift)) ** share - shift

    def share(self, value: Array) -> Array:
        """The share at which a value lies, not clipped; both [..., n]. A number serves for all."""
        value = _array(value)
        low, high, shift = self._constants(value)
        if self.kind == "linear":
            return (value - low) / (high - low)
        logarithm = functions(value).log
        floor = 1e-6 * (low + shift)
        raised = functions(value).maximum(value + shift, floor)
        return logarithm(raised / (low + shift)) / logarithm((high + shift) / (low + shift))

    def _constants(self, like: Array) -> tuple[Array, Array, Array]:
        """Both ends and the shift, of the type of ``like`` and where it is."""
        constants = (self.low, self.high, self.shift)
        if isinstance(like, np.ndarray):
            return constants
        first, second, third = (
            functions(like).as_tensor(x, dtype=like.dtype, device=like.device) for x in constants
        )
        return first, second, third


def _array(numbers: Array) -> Array:
    """Plain numbers as an array, which must not wake torch; arrays and tensors as they are."""
    return np.asarray(numbers) if isinstance(numbers, float | int | np.generic) else numbers

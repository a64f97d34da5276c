"""Rayleigh fading that any process can reproduce: a draw belongs to seed, round, vehicle and RSU.

Whether vehicles come or go, in which order they are listed and who computes them changes nothing:
the number is a hash of the four, not the next one of a sequence.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
_Words = npt.NDArray[np.uint64]

COHERENCE = 1.0
"""A link keeps its fading this long [s]."""
_MAX_NAMES = 100_000


class BlockFading:
    """Power of the fading |h|^2 ~ Exp(1) of every link, constant during a block of time."""

    def __init__(self, seed: int, n_rsus: int, *, coherence: float = COHERENCE) -> None:
        """Prepare for ``n_rsus`` RSUs.

        Raises:
            ValueError: a number is out of range.
        """
        if not 0 <= seed < 2**63:
            raise ValueError(f"seed: must be from 0 to 2^63 - 1, got {seed}")
        if n_rsus < 0:
            raise ValueError(f"n_rsus: must be >= 0, got {n_rsus}")
        if not (math.isfinite(coherence) and coherence > 0.0):
            raise ValueError(f"coherence: must be > 0 s, got {coherence}")
        self._seed = np.array([seed], dtype=np.uint64)
        self._rsus = np.arange(1, n_rsus + 1, dtype=np.uint64)
        self._coherence = coherence
        self._names: dict[str, int] = {}
        self._last: tuple[int, tuple[str, ...], FloatArray] | None = None

    def block(self, time: float) -> int:
        """Number of the block that a moment [s] is in."""
        return math.floor(time / self._coherence + 1e-9)

    def power(self, ids: Sequence[str], block: int) -> FloatArray:
        """Fading power of vehicles to all RSUs during a block, shape [len(ids), R]; read-only."""
        if self._last is not None and self._last[0] == block and self._last[1] == tuple(ids):
            return self._last[2]
        if len(self._names) > _MAX_NAMES:  # vehicles of hours ago
            self._names.clear()
        vehicles = np.array([self._number(name) for name in ids], dtype=np.uint64)
        # Any order of mixing would do; blocks before time 0 wrap around.
        key = _mixed(self._seed) ^ np.array([block & (2**64 - 1)], dtype=np.uint64)
        rows = _mixed(_mixed(key) ^ vehicles)
        words = _mixed(rows[:, None] ^ _mixed(self._rsus)[None, :])
        uniform = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        power = np.asarray(-np.log(uniform))
        power.flags.writeable = False
        self._last = block, tuple(ids), power
        return power

    def _number(self, name: str) -> int:
        number = self._names.get(name)
        if number is None:
            digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            number = self._names[name] = int.from_bytes(digest, "big")
        return number


def _mixed(words: _Words) -> _Words:
    """Finaliser of SplitMix64: every bit of the result depends on every bit of the word."""
    with np.errstate(over="ignore"):
        z = words + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))

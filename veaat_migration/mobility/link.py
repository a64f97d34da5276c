"""From where an AV is to the radio links that it has: distance, spectral efficiency, coverage.

The formulas are those of the game (:mod:`veaat_migration.game.delay`, Section III-B) and what
scenarios use; on the vehicle positions come from its odometry instead of a file. Without fading: a
vehicle does not know the draw, and its mean over time is what the game reckons with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.errors import VeaatError
from veaat_migration.game.delay import (
    Channel,
    channel_gain,
    signal_to_noise,
    spectral_efficiency,
)

FloatArray = npt.NDArray[np.float64]

MIN_DISTANCE = 1.0
"""Links are taken to be at least this long [m]: no infinite gain at 0."""


class LinkError(VeaatError, ValueError):
    """Places or radio parameters without meaning; the message says which."""


@dataclass(frozen=True)
class Links:
    """Links of one AV at one place; arrays of shape [R], in the order of ``rsu_ids``."""

    rsu_ids: tuple[int, ...]
    distance: FloatArray
    """[m]"""
    spectral_efficiency: FloatArray
    """s_ij = log2(1 + SNR_ij) [bit/s/Hz], also beyond coverage."""
    covered: npt.NDArray[np.bool_]
    """Whether the AV is within the coverage radius."""

    def usable(self) -> dict[int, float]:
        """s_ij by rsu_id [bit/s/Hz] of the RSUs that cover the AV, as a FollowerDelay takes it."""
        return {
            rsu: efficiency
            for rsu, efficiency, covered in zip(
                self.rsu_ids,
                self.spectral_efficiency.tolist(),
                self.covered.tolist(),
                strict=True,
            )
            if covered
        }


class LinkModel:
    """Radio links between RSUs, which stand, and one AV, which drives."""

    def __init__(
        self,
        rsu_ids: Sequence[int],
        positions: Any,
        *,
        channel: Channel | None = None,
        coverage_radius: float = np.inf,
        min_distance: float = MIN_DISTANCE,
    ) -> None:
        """Prepare for a set of RSUs.

        Args:
            rsu_ids: which, length R.
            positions: where, in the frame of the AV's position [m], shape [R, 2] or [R, 3].
            channel: radio parameters; None: the usual ones.
            coverage_radius: farthest distance at which an RSU serves [m].
            min_distance: links are taken to be at least this long [m].

        Raises:
            LinkError: shapes differ, an RSU appears twice, or a number is out of range.
        """
        places = np.array(positions, dtype=np.float64)
        n = len(rsu_ids)
        if n == 0:
            places = places.reshape(0, 2)
        if places.ndim != 2 or places.shape[0] != n or places.shape[1] not in (2, 3):
            raise LinkError(
                f"positions: must be [x, y] or [x, y, z] of each of {n} RSUs, got shape "
                f"{places.shape}"
            )
        if not np.isfinite(places).all():
            raise LinkError("positions: must be finite")
        if len(set(rsu_ids)) != n:
            raise LinkError(f"rsu_ids: every id must appear once, got {list(rsu_ids)}")
        for name, value in (("coverage_radius", coverage_radius), ("min_distance", min_distance)):
            if not value > 0.0:
                raise LinkError(f"{name}: must be > 0 m, got {value:g}")
        self._rsu_ids = tuple(rsu_ids)
        self._places = places
        self._channel = Channel() if channel is None else channel
        self._radius = coverage_radius
        self._nearest = min_distance

    def at(self, position: Sequence[float] | FloatArray) -> Links:
        """The links of an AV at a position.

        Args:
            position: [x, y] or [x, y, z] [m]. A height counts where those of the RSUs are known.

        Raises:
            LinkError: it is not two or three finite numbers.
        """
        here = np.asarray(position, dtype=np.float64)
        if here.shape not in ((2,), (3,)) or not np.isfinite(here).all():
            raise LinkError(f"position: must be finite [x, y] or [x, y, z], got {position!r:.80}")
        size = min(here.size, self._places.shape[1])
        difference = self._places[:, :size] - here[:size]
        distance = np.sqrt((difference * difference).sum(axis=1))
        return Links(self._rsu_ids, distance, self.efficiency(distance), distance <= self._radius)

    def efficiency(self, distance: Any, fading: Any = 1.0) -> FloatArray:
        """s_ij = log2(1 + SNR_ij) [bit/s/Hz] of links of any number of AVs.

        Args:
            distance: d_ij [m], shape [..., R].
            fading: power of the fading, of a shape that broadcasts, see
                :class:`veaat_migration.mobility.fading.BlockFading`; 1: none.
        """
        gain = channel_gain(np.maximum(distance, self._nearest), self._channel, fading)
        return np.asarray(spectral_efficiency(signal_to_noise(gain, self._channel)))

"""What one AV sees of the RSUs around it: who covers it, until when, and who will."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from veaat_migration.game.delay import Channel
from veaat_migration.mobility.coverage import HANDOVER_MARGIN, HYSTERESIS, NOBODY, CoverageTracker
from veaat_migration.mobility.link import LinkModel
from veaat_migration.mobility.prediction import crossings, entry_of, exit_of
from veaat_migration.mobility.scene import Scene
from veaat_migration.mobility.traffic import TraceError


@dataclass(frozen=True)
class View:
    """The RSUs around one AV at one moment, by rsu_id."""

    connected: int
    """RSU that serves it by coverage; 0: none."""
    covered: frozenset[int]
    """RSUs that cover it, with hysteresis."""
    exit_time: dict[int, float]
    """Time until it leaves each coverage at its present velocity [s]; 0: it is outside."""
    entry_time: dict[int, float]
    """Time until it enters each coverage [s]; 0: it is inside, infinite: it never will."""
    until: dict[int, float]
    """Time until which each coverage that it is in, or enters, lasts [s]; -inf: it misses it."""
    efficiency: dict[int, float]
    """s_ij by distance [bit/s/Hz], also beyond coverage."""

    def leaves(self, rsu_id: int, horizon: float) -> bool:
        """Whether the AV is out of an RSU's coverage now, or within ``horizon`` [s]."""
        return rsu_id not in self.covered or self.exit_time[rsu_id] <= horizon

    def candidates(self, owner: int, horizon: float) -> tuple[int, ...]:
        """RSUs that the twin may move to from ``owner`` (0: from home), ascending.

        Those on the way within ``horizon`` [s] that cover the AV longer than the owner does.
        """
        until = self.until.get(owner, -np.inf) if owner in self.covered else -np.inf
        return tuple(
            sorted(
                rsu_id
                for rsu_id, entry in self.entry_time.items()
                if rsu_id != owner and entry <= horizon and self.until[rsu_id] > max(until, 0.0)
            )
        )


class Surroundings:
    """Follows one AV past RSUs, with hysteresis."""

    def __init__(
        self,
        rsu_ids: Sequence[int],
        sites: Any,
        radius: float,
        *,
        channel: Channel | None = None,
        hysteresis: float = HYSTERESIS,
        handover_margin: float = HANDOVER_MARGIN,
    ) -> None:
        """Prepare for a set of RSUs.

        Args:
            rsu_ids: which, length R.
            sites: where, in the frame of the AV's position [m], shape [R, 2].
            radius: of each coverage [m].
            channel: radio parameters; None: the usual ones.
            hysteresis: how far beyond the radius a covered AV stays covered [m].
            handover_margin: how much nearer another RSU must be to serve instead [m].

        Raises:
            TraceError: shapes do not fit or a number is out of range.
            LinkError: an RSU appears twice.
        """
        self.rsu_ids = tuple(rsu_ids)
        places = np.array(sites, dtype=np.float64).reshape(-1, 2)
        if len(places) != len(self.rsu_ids):
            raise TraceError(f"sites: must be [x, y] of each of {len(self.rsu_ids)} RSUs")
        self._tracker = CoverageTracker(
            places, radius, hysteresis=hysteresis, handover_margin=handover_margin
        )
        self._links = LinkModel(self.rsu_ids, places, channel=channel)

    def look(self, position: Sequence[float], velocity: Sequence[float]) -> View:
        """What is around at the next moment; a velocity that is not known (NaN) counts as 0."""
        here = np.array(position[:2], dtype=np.float64).reshape(1, 2)
        speed = np.nan_to_num(np.array(velocity[:2], dtype=np.float64).reshape(1, 2))
        coverage = self._tracker.update(Scene(0.0, ("av",), here, speed))
        lines = crossings(here, speed, self._tracker.sites, self._tracker.radius)
        connected = int(coverage.connected[0])
        return View(
            connected=0 if connected == NOBODY else self.rsu_ids[connected],
            covered=frozenset(
                rsu_id
                for rsu_id, is_in in zip(self.rsu_ids, coverage.covered[0], strict=True)
                if is_in
            ),
            exit_time=self._by_id(exit_of(lines)[0]),
            entry_time=self._by_id(entry_of(lines)[0]),
            until=self._by_id(lines.leaves[0]),
            efficiency=self._by_id(self._links.efficiency(coverage.distance[0])),
        )

    def _by_id(self, values: Any) -> dict[int, float]:
        return dict(zip(self.rsu_ids, values.tolist(), strict=True))

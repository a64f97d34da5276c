"""A moving fleet between RSUs, moment by moment: where everyone is, who covers whom, how well.

Joins traffic (any stream of snapshots), coverage, radio links and the prediction of who is about
to leave. Pure: the caller says which moment it wants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from veaat_migration.game.delay import Channel
from veaat_migration.mobility.coverage import (
    HANDOVER_MARGIN,
    HYSTERESIS,
    BoolArray,
    Coverage,
    CoverageTracker,
)
from veaat_migration.mobility.fading import COHERENCE, BlockFading
from veaat_migration.mobility.link import MIN_DISTANCE, LinkModel
from veaat_migration.mobility.prediction import Crossings, crossings, entry_of, exit_of
from veaat_migration.mobility.replay import Replay
from veaat_migration.mobility.scene import FloatArray, Scene
from veaat_migration.mobility.traffic import Snapshot


@dataclass(frozen=True)
class FleetView:
    """N vehicles and R RSUs at one moment; rows are those of the scene, columns the RSUs."""

    scene: Scene
    coverage: Coverage
    efficiency: FloatArray
    """s_ij = log2(1 + SNR_ij) with fading [bit/s/Hz], shape [N, R]."""
    sites: FloatArray
    """[m], shape [R, 2]"""
    radius: FloatArray
    """[m], shape [R]"""

    @cached_property
    def lines(self) -> Crossings:
        """Where each vehicle's way at its present velocity meets each coverage."""
        scene = self.scene
        return crossings(scene.positions, scene.velocities, self.sites, self.radius)

    @cached_property
    def exit_time(self) -> FloatArray:
        """Time until each vehicle leaves each coverage at its present velocity [s], [N, R].

        0: it is outside, infinite: it stands inside.
        """
        return exit_of(self.lines)

    @cached_property
    def entry_time(self) -> FloatArray:
        """Time until each vehicle enters each coverage at its present velocity [s], [N, R].

        0: it is inside, infinite: its path misses it.
        """
        return entry_of(self.lines)

    def leaving_within(self, horizon: float) -> BoolArray:
        """Vehicles that leave the coverage of their RSU within ``horizon`` [s], shape [N].

        Those that no RSU serves are not among them.
        """
        connected = self.coverage.connected
        rows = np.arange(len(connected))
        left = self.exit_time[rows, np.maximum(connected, 0)]
        return np.asarray((connected >= 0) & (left <= horizon))

    def candidates(self, horizon: float) -> BoolArray:
        """RSUs that a migration may go to, shape [N, R].

        Those on the vehicle's path within ``horizon`` [s] that will cover it longer than the one
        that serves now, which is not among them. A vehicle that stands in coverage has none.
        """
        connected = self.coverage.connected
        rows = np.arange(len(connected))
        served = connected >= 0
        until = np.where(served, self.exit_time[rows, np.maximum(connected, 0)], 0.0)
        possible = (self.entry_time <= horizon) & (self.lines.leaves > until[:, None])
        possible[rows[served], connected[served]] = False
        return np.asarray(possible)


class Fleet:
    """Follows a stream of snapshots; see :meth:`at`."""

    def __init__(
        self,
        snapshots: Iterable[Snapshot],
        sites: Any,
        radius: Any,
        *,
        seed: int = 0,
        channel: Channel | None = None,
        fading: bool = True,
        coherence: float = COHERENCE,
        min_distance: float = MIN_DISTANCE,
        hysteresis: float = HYSTERESIS,
        handover_margin: float = HANDOVER_MARGIN,
    ) -> None:
        """Read the first snapshot.

        Args:
            snapshots: traffic, in order of time.
            sites: places of the RSUs [m], shape [R, 2].
            radius: coverage radius [m], a number or shape [R].
            seed: of the fading.
            channel: radio parameters; None: the usual ones.
            fading: Rayleigh fading, constant during ``coherence``; False: by distance only.
            coherence: how long a link keeps its fading, a round of the game [s].
            min_distance: links are taken to be at least this long [m].
            hysteresis: see :class:`CoverageTracker`.
            handover_margin: see :class:`CoverageTracker`.

        Raises:
            TraceError: the traffic or the RSUs are not usable.
        """
        self._tracker = CoverageTracker(
            sites, radius, hysteresis=hysteresis, handover_margin=handover_margin
        )
        n = len(self._tracker.sites)
        self._links = LinkModel(
            range(1, n + 1), self._tracker.sites, channel=channel, min_distance=min_distance
        )
        self._fading = BlockFading(seed, n, coherence=coherence) if fading else None
        self.replay = Replay(snapshots)
        """The traffic; its ``start`` and ``next_step`` say which moments there are."""

    def at(self, time: float) -> FleetView | None:
        """The fleet at ``time`` [s], not before the last one asked for; None: traffic is over.

        Raises:
            TraceError: the stream is damaged at this point.
        """
        scene = self.replay.at(time)
        return None if scene is None else self._view(scene)

    def every(self, interval: float) -> Iterator[FleetView]:
        """Views from the start of the traffic to its end, ``interval`` [s] apart."""
        start = self.replay.start
        count = 0
        while (view := self.at(start + count * interval)) is not None:
            yield view
            count += 1

    def _view(self, scene: Scene) -> FleetView:
        coverage = self._tracker.update(scene)
        fading: Any = 1.0
        if self._fading is not None:
            fading = self._fading.power(scene.ids, self._fading.block(scene.time))
        efficiency = self._links.efficiency(coverage.distance, fading)
        return FleetView(scene, coverage, efficiency, self._tracker.sites, self._tracker.radius)

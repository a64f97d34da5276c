"""A run as a replay: vehicles, twins on their way, prices, and what became of migrations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from veaat_migration.analysis.replay_data import NOBODY, Phase, Place, ReplayRecorder
from veaat_migration.fleet.books import LEFT_MAP, Migration
from veaat_migration.fleet.population import City
from veaat_migration.mobility.fleet import FleetView
from veaat_migration.mobility.traffic import Polyline
from veaat_migration.protocol.migration.codes import ErrorCode
from veaat_migration.protocol.migration.codes import Phase as ProtocolPhase

MAX_EVENTS = 20_000
_STEP = 1.0
"""Between two positions in the replay [s]."""
_CHART_STEP = 5.0
"""Between two values of a chart that changes all the time [s]."""


class ReplayObserver:
    """Fills a replay while a simulation runs, see ``riders.Observer``."""

    def __init__(
        self,
        city: City,
        *,
        title: str,
        roads: Sequence[Polyline] = (),
        description: str = "",
        speed: float = 5.0,
    ) -> None:
        """Begin.

        Args:
            city: its RSUs.
            title: of the replay.
            roads: of the map.
            description: one or two sentences.
            speed: seconds of the trace per second of the viewer to begin with.
        """
        self._names = [rsu.name for rsu in city.rsus]
        self._recorder = ReplayRecorder(
            title,
            [Place(rsu.name, rsu.x, rsu.y, rsu.radius) for rsu in city.rsus],
            roads=roads,
            description=description,
            speed=speed,
        )
        self._next_step = self._next_chart = -np.inf
        self._present: set[str] = set()
        self._events = self._completed = 0

    def look(self, view: FleetView) -> None:
        """Positions, and how many vehicles each RSU serves."""
        time = view.scene.time
        if time >= self._next_step - 1e-9:
            self._next_step = time + _STEP
            self._recorder.step(time, view.scene.ids, view.scene.positions.tolist())
            present = set(view.scene.ids)
            for name in sorted(self._present - present):
                self._recorder.twin(time, name, Phase.IDLE, NOBODY)
            self._present = present
        if time >= self._next_chart - 1e-9:
            self._next_chart = time + _CHART_STEP
            served = np.bincount(view.coverage.connected + 1, minlength=len(self._names) + 1)
            for j, name in enumerate(self._names):
                count = float(served[j + 1])
                self._recorder.value(time, "Vehicles in coverage", name, count, rsu=j)

    def phase(
        self, time: float, vehicle: str, phase: ProtocolPhase, owner: int, target: int
    ) -> None:
        """A twin's migration has come to a phase."""
        places = max(owner, NOBODY), max(target, NOBODY)
        self._recorder.twin(time, vehicle, Phase(int(phase)), *places)

    def priced(self, time: float, rsus: Iterable[int], prices: Iterable[float]) -> None:
        """Prices of a game."""
        for rsu, price in zip(rsus, prices, strict=True):
            self._recorder.value(time, "Price", self._names[rsu], price, unit="money/MHz", rsu=rsu)

    def ended(self, time: float, migration: Migration) -> None:
        """An event for the list."""
        if migration.outcome == LEFT_MAP or self._events >= MAX_EVENTS:
            return
        self._events += 1
        source = self._names[migration.source]
        if migration.completed:
            self._completed += 1
            kind, rsu = "migration", migration.target
            text = f"{migration.vehicle}: {source} to {self._names[rsu]} in {migration.total:.1f} s"
        else:
            kind, rsu = "failure", max(migration.target, NOBODY)
            what = migration.outcome.lower().replace("_", " ")
            if migration.outcome == ErrorCode.NO_RSU_IN_RANGE.name:
                kind = "alone"
            text = f"{migration.vehicle} stays at {source}: {what}"
        self._recorder.event(time, kind, text, vehicle=migration.vehicle, rsu=rsu)
        self._recorder.value(time, "Migrations completed", "all", float(self._completed))

    def finish(self) -> dict[str, Any]:
        """The replay as plain values.

        Raises:
            ReplayError: there is nothing to show.
        """
        return self._recorder.finish()

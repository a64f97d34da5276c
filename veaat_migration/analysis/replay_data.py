"""What a replay shows, in a small format of plain values: made step by step, written as JSON.

Positions are quantised and stored as differences from step to step; docs/replay.md describes
every key. Whatever simulates or reads a recording fills a :class:`ReplayRecorder`.
"""

from __future__ import annotations

import colorsys
import gzip
import json
import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from veaat_migration.errors import VeaatError

FORMAT = "veaat-replay"
VERSION = 1
RESOLUTION = 0.1
"""Positions are rounded to this [m]."""
NOBODY = -1
"""Instead of the index of a vehicle or an RSU: none."""


_PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#c98a00", "#3a9bd9",
    "#8b5cc7", "#a52a4a", "#6b8e23", "#00939c", "#8c564b", "#4b5cc4",
)  # fmt: skip
"""The first six can be told apart with any form of colour vision (Okabe and Ito, darkened)."""


class ReplayError(VeaatError, ValueError):
    """A replay cannot be made, read or written; the message says why."""


class Phase(IntEnum):
    """Where the migration of a twin stands; numbers as in ``protocol/migration/codes.py``."""

    IDLE = 0
    """The twin rests at its RSU."""
    REQUESTED = 1
    NEGOTIATING = 2
    TRANSFERRING = 3
    QUEUED = 4
    REINSTANTIATING = 5
    CONNECTED = 6
    """The target has taken over; the twin rests there from now on."""


@dataclass(frozen=True)
class Place:
    """An RSU on the map."""

    name: str
    x: float
    """[m]"""
    y: float
    """[m]"""
    radius: float
    """Of its coverage [m]."""


@dataclass
class _Track:
    name: str
    spans: list[tuple[int, array[int], array[int]]] = field(default_factory=list)
    """First step, differences of x and y: one span for each time that it is there."""
    end: int = -1
    """Step after the last one."""
    last: tuple[int, int] = (0, 0)
    twin: list[list[int]] = field(default_factory=list)


@dataclass
class _Line:
    name: str
    rsu: int
    times: array[int] = field(default_factory=lambda: array("q"))
    values: list[float] = field(default_factory=list)


class ReplayRecorder:
    """Collects a replay: about 16 bytes of memory per vehicle and step.

    Times are seconds of one clock, of the simulation or of the recording; steps come in order,
    twins, events and values in any.
    """

    def __init__(
        self,
        title: str,
        rsus: Sequence[Place],
        *,
        roads: Iterable[Sequence[Sequence[float]]] = (),
        description: str = "",
        speed: float = 1.0,
        resolution: float = RESOLUTION,
    ) -> None:
        """Begin without any step.

        Args:
            title: of the page.
            rsus: the RSUs; elsewhere they are named by their index here.
            roads: lines of [x, y] points [m].
            description: what is shown, one or two sentences.
            speed: seconds of the replay per second of the viewer to begin with.
            resolution: positions are rounded to this [m].

        Raises:
            ReplayError: a number is not finite or out of range.
        """
        _check(math.isfinite(resolution) and resolution > 0.0, "resolution: must be > 0 m")
        _check(math.isfinite(speed) and speed > 0.0, "speed: must be > 0")
        for place in rsus:
            numbers = (place.x, place.y, place.radius)
            _check(all(map(math.isfinite, numbers)), f"RSU {place.name}: not finite: {numbers}")
        self._head = {"title": title, "description": description, "speed": speed}
        self._resolution = resolution
        self._rsus = list(rsus)
        self._roads = [self._road(line) for line in roads]
        self._times: list[int] = []
        self._tracks: dict[str, _Track] = {}
        self._events: list[tuple[int, str, str, str | None, int]] = []
        self._charts: dict[str, tuple[str, dict[str, _Line]]] = {}

    def step(self, time: float, ids: Sequence[str], positions: Any) -> None:
        """Where everyone is at a moment, later than the one before.

        Args:
            time: [s]
            ids: of the vehicles, each once.
            positions: [m], shape [len(ids), 2] or any sequence of pairs.

        Raises:
            ReplayError: the time is not later, or a position is not finite.
        """
        moment = _milliseconds(time)
        if self._times and moment <= self._times[-1]:
            raise ReplayError(f"step {time:g} s does not come after the one before")
        number = len(self._times)
        self._times.append(moment)
        for name, (x, y) in zip(ids, positions, strict=True):
            track = self._track(name)
            here = self._quantised(x), self._quantised(y)
            if track.end != number:
                track.spans.append((number, array("i"), array("i")))
                track.last = (0, 0)
            _, xs, ys = track.spans[-1]
            xs.append(here[0] - track.last[0])
            ys.append(here[1] - track.last[1])
            track.last, track.end = here, number + 1

    def twin(
        self,
        time: float,
        vehicle: str,
        phase: Phase,
        rsu: int,
        target: int = NOBODY,
        *,
        detail: int | None = None,
    ) -> None:
        """The twin of a vehicle is at ``rsu`` (index, or NOBODY) in a phase from now on.

        Args:
            time: [s]
            vehicle: its name.
            phase: of its migration.
            rsu: that owns it.
            target: of the migration, while there is one.
            detail: while it is transferred, how much has arrived [%]; while it is queued, jobs
                ahead. None: not known; then a transfer is shown as if its pace was even.
        """
        self._known(rsu)
        self._known(target)
        entry = [_milliseconds(time), int(phase), rsu, target]
        if detail is not None and phase in (Phase.TRANSFERRING, Phase.QUEUED):
            entry.append(max(detail, 0))
        self._track(vehicle).twin.append(entry)

    def event(
        self, time: float, kind: str, text: str, *, vehicle: str | None = None, rsu: int = NOBODY
    ) -> None:
        """Something to list: ``kind`` is one word to filter by, such as "migration"."""
        self._known(rsu)
        self._events.append((_milliseconds(time), kind, text, vehicle, rsu))

    def value(
        self, time: float, chart: str, line: str, value: float, *, unit: str = "", rsu: int = NOBODY
    ) -> None:
        """A value of a line of a chart from this time on; what is not finite is left out."""
        self._known(rsu)
        if not math.isfinite(value):
            return
        _, lines = self._charts.setdefault(chart, (unit, {}))
        curve = lines.setdefault(line, _Line(line, rsu))
        if curve.values and curve.values[-1] == value:
            return
        curve.times.append(_milliseconds(time))
        curve.values.append(value)

    def finish(self) -> dict[str, Any]:
        """The replay as plain values for JSON.

        Raises:
            ReplayError: there is no step.
        """
        _check(bool(self._times), "there is no step: nothing to show")
        number = {name: index for index, name in enumerate(self._tracks)}
        events = sorted(self._events, key=lambda event: event[0])
        return {
            "format": FORMAT,
            "version": VERSION,
            **self._head,
            "resolution": self._resolution,
            "times": _differences(self._times),
            "rsus": [
                {"name": p.name, "x": _tidy(p.x), "y": _tidy(p.y), "radius": _tidy(p.radius)}
                for p in self._rsus
            ],
            "roads": self._roads,
            "vehicles": [
                {
                    "name": track.name,
                    "spans": [[first, xs.tolist(), ys.tolist()] for first, xs, ys in track.spans],
                    "twin": sorted(track.twin, key=lambda entry: entry[0]),
                }
                for track in self._tracks.values()
            ],
            "events": [
                [moment, kind, number.get(vehicle or "", NOBODY), rsu, text]
                for moment, kind, text, vehicle, rsu in events
            ],
            "charts": [
                {"title": title, "unit": unit, "lines": [_line(line) for line in lines.values()]}
                for title, (unit, lines) in self._charts.items()
            ],
        }

    def _track(self, name: str) -> _Track:
        track = self._tracks.get(name)
        if track is None:
            track = self._tracks[name] = _Track(name)
        return track

    def _quantised(self, value: float) -> int:
        steps = float(value) / self._resolution
        if not abs(steps) < 1e9:
            raise ReplayError(f"a position is out of range: {value:g} m")
        return round(steps)

    def _road(self, line: Sequence[Sequence[float]]) -> list[list[int]]:
        return [_differences([self._quantised(point[axis]) for point in line]) for axis in range(2)]

    def _known(self, rsu: int) -> None:
        _check(NOBODY <= rsu < len(self._rsus), f"there is no RSU {rsu}")


def write_replay(path: Path, replay: dict[str, Any]) -> None:
    """Write a replay as JSON, gzip-compressed if the name ends in ``.gz``.

    Raises:
        ReplayError: the file cannot be written.
    """
    content = to_json(replay).encode()
    try:
        path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    except OSError as error:
        raise ReplayError(f"{path}: cannot be written: {error.strerror or error}") from error


def to_json(replay: dict[str, Any]) -> str:
    """The shortest JSON text."""
    return json.dumps(replay, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def rsu_colours(count: int) -> list[str]:
    """A colour for each RSU as #rrggbb; beyond twelve, hues a golden angle apart."""
    more = (
        colorsys.hls_to_rgb((k * 0.381966) % 1.0, 0.36 if k % 2 else 0.52, 0.55)
        for k in range(len(_PALETTE), count)
    )
    return [*_PALETTE, *("#" + "".join(f"{round(255 * x):02x}" for x in c) for c in more)]


def _milliseconds(time: float) -> int:
    if not abs(time) < 1e12:
        raise ReplayError(f"a time is out of range: {time:g} s")
    return round(time * 1000.0)


def _differences(values: Sequence[int]) -> list[int]:
    return [value - before for value, before in zip(values, [0, *values], strict=False)]


def _line(line: _Line) -> dict[str, Any]:
    order = sorted(range(len(line.times)), key=lambda k: line.times[k])
    return {
        "name": line.name,
        "rsu": line.rsu,
        "times": _differences([line.times[k] for k in order]),
        "values": [float(f"{line.values[k]:.6g}") for k in order],
    }


def _tidy(value: float) -> float:
    return round(float(value), 3)


def _check(right: bool, message: str) -> None:
    if not right:
        raise ReplayError(message)

"""Replays of runs in which twins migrate: vehicles by their odometry, twins by their AVs' status.

Everything comes from the recording, at the time at which the recorder received it: one clock for
machines whose own clocks may differ. A scenario adds names and roads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from veaat_migration.analysis.migrations import migration_lines, migrations_of
from veaat_migration.analysis.reading import Received, Recording
from veaat_migration.analysis.replay_charts import add_charts
from veaat_migration.analysis.replay_data import NOBODY, Phase, Place, ReplayError, ReplayRecorder
from veaat_migration.analysis.replay_events import list_events
from veaat_migration.analysis.replay_sources import VIEWING_TIME, MapOf, circle_map
from veaat_migration.analysis.vehicle_ways import Way, read_ways

GAP = 3.0
"""An AV or RSU that was not heard of for longer was away [s]."""
MAX_STEPS = 200_000
MAX_RSUS = 10_000
PROGRESS = 4
"""A transfer is told in steps of so many per cent."""


@dataclass(frozen=True)
class Cast:
    """Who takes part, under which names, and when it all began."""

    places: tuple[Place, ...]
    indices: dict[int, int]
    """Place by id of the RSU."""
    avs: dict[int, str]
    """Name by id of the AV."""
    start: int
    """[ns since the epoch]"""
    end: int
    """[ns since the epoch]"""

    def rsu(self, rsu_id: Any) -> int:
        """Index of an RSU; NOBODY for 0 and for strangers."""
        return self.indices.get(int(rsu_id), NOBODY)

    def rsu_name(self, rsu_id: Any) -> str:
        """What to call an RSU; the AV itself for 0."""
        index = self.rsu(rsu_id)
        if index != NOBODY:
            return self.places[index].name
        return f"rsu{int(rsu_id)}" if rsu_id else "home"

    def time(self, received: Received) -> float:
        """When a message came, within the replay [s]."""
        return (min(max(received.receive_time, self.start), self.end) - self.start) / 1e9


def has_migrations(recording: Recording) -> bool:
    """Whether a recording tells about twins."""
    return bool(recording.messages["twin_status"])


def replay_of_migrations(
    recording: Recording,
    site: MapOf | None = None,
    *,
    title: str = "",
    interval: float = 1.0,
) -> dict[str, Any]:
    """A recorded run with migrating twins.

    Args:
        recording: see :func:`veaat_migration.analysis.reading.read_bag`.
        site: of its scenario: names and roads, and places of RSUs that do not tell theirs.
        title: of the page; empty: the name of the recording.
        interval: between two positions [s].

    Raises:
        ReplayError: no twin, or no position, is in the recording; or it is too long.
    """
    if not has_migrations(recording):
        raise ReplayError(f"{recording.path}: holds no twin_status: there is no twin to show")
    ways = _ways(recording, interval)
    cast = _cast(recording, site, ways)
    duration = max((cast.end - cast.start) / 1e9, 1e-3)
    recorder = ReplayRecorder(
        title or recording.path.name,
        cast.places,
        roads=() if site is None else site.roads,
        description=_description(recording, cast),
        speed=float(f"{max(duration / VIEWING_TIME, 1.0):.1g}"),
    )
    _drive(recorder, cast, ways, interval)
    _move_twins(recorder, cast, recording.messages["twin_status"])
    list_events(recorder, cast, recording, GAP)
    add_charts(recorder, cast, recording, max(interval, 0.5))
    replay = recorder.finish()
    # One colour for each AV in all charts.
    order = {name: number for number, name in enumerate(cast.avs.values())}
    for chart in replay["charts"]:
        chart["lines"].sort(key=lambda line: order.get(line["name"], -1))
    return replay


def _ways(recording: Recording, interval: float) -> dict[int, Way]:
    """By odometry; of AVs whose odometry is not recorded, by what their nodes say."""
    ways = read_ways(Path(recording.path), recording.namespace, 0.5 * interval)
    told: dict[int, Way] = {}
    for received in recording.messages["twin_status"]:
        status = received.message
        if int(status.av_id) not in ways:
            way = told.setdefault(int(status.av_id), Way())
            way.add(received.receive_time, float(status.x), float(status.y))
    ways.update({av_id: way for av_id, way in told.items() if way.times})
    if not ways:
        raise ReplayError(f"{recording.path}: nobody says where an AV is: there is nothing to show")
    return ways


def _cast(recording: Recording, site: MapOf | None, ways: dict[int, Way]) -> Cast:
    statuses = recording.messages["twin_status"]
    hosts = recording.messages["host_status"]
    times = [r.receive_time for r in (*statuses, *recording.messages["migration_reports"])]
    times += [time for way in ways.values() for time in (way.times[0], way.times[-1])]
    told: dict[int, tuple[float, float, float]] = {}
    for received in hosts:
        message = received.message
        told[int(message.rsu_id)] = (message.x, message.y, message.coverage_radius)
    ids = set(told)
    for received in statuses:
        ids |= {int(received.message.owner_rsu_id), int(received.message.target_rsu_id)}
    known = () if site is None else site.rsus
    ids = (ids | set(range(1, len(known) + 1))) - {0}
    if len(ids) > MAX_RSUS:
        raise ReplayError(f"{recording.path}: names {len(ids)} RSUs")
    order = sorted(ids)
    circle = circle_map([f"rsu{j}" for j in order], ()).rsus
    places = []
    for number, rsu_id in enumerate(order):
        named = known[rsu_id - 1] if rsu_id <= len(known) else circle[number]
        x, y, radius = told.get(rsu_id, (math.nan, math.nan, math.nan))
        if not (math.isfinite(x) and math.isfinite(y)):
            x, y, radius = named.x, named.y, named.radius
        # Unlimited coverage has no edge to draw.
        places.append(Place(named.name, x, y, radius if math.isfinite(radius) else 0.0))
    names = () if site is None else site.avs
    avs = {
        i: names[i - 1][0] if 1 <= i <= len(names) else f"av{i}"
        for i in sorted({*ways, *(int(r.message.av_id) for r in statuses)})
    }
    indices = {rsu_id: number for number, rsu_id in enumerate(order)}
    return Cast(tuple(places), indices, avs, min(times), max(times))


def _description(recording: Recording, cast: Cast) -> str:
    found = migrations_of(recording)
    text = f"{len(cast.avs)} AVs, {len(cast.places)} RSUs."
    if found is not None and found.ended:
        text = f"{text} {next(migration_lines(found))}."
        if math.isfinite(found.delays["total_delay"][0]):
            total, pause = found.delays["total_delay"][0], found.downtime[0]
            text += f" On average {total:.2f} s from request to end"
            text += f", {pause:.2f} s longest pause." if math.isfinite(pause) else "."
    return text


def _drive(recorder: ReplayRecorder, cast: Cast, ways: dict[int, Way], interval: float) -> None:
    step = max(round(interval * 1e9), 1_000_000)
    count = (cast.end - cast.start) // step + 2
    if count > MAX_STEPS:
        raise ReplayError(
            f"the recording covers {(cast.end - cast.start) / 1e9:.0f} s, which are {count} steps: "
            f"more than {MAX_STEPS}; choose a longer --step"
        )
    moments = np.unique(np.minimum(cast.start + step * np.arange(count), cast.end))
    gap = max(round(GAP * 1e9), 3 * step)
    ids = sorted(ways)
    tracks = np.stack([ways[av_id].at(moments, gap) for av_id in ids], axis=1)
    names = [cast.avs[av_id] for av_id in ids]
    before = -1
    for row, moment in enumerate(moments.tolist()):
        # The replay counts milliseconds; the last step may be closer than that.
        if (moment - cast.start + 500_000) // 1_000_000 <= before:
            continue
        before = (moment - cast.start + 500_000) // 1_000_000
        here = np.isfinite(tracks[row]).all(axis=1)
        there = [name for name, present in zip(names, here, strict=True) if present]
        recorder.step(before / 1000.0, there, tracks[row][here].tolist())


def _move_twins(recorder: ReplayRecorder, cast: Cast, statuses: Iterable[Received]) -> None:
    last: dict[int, tuple[int, ...]] = {}
    for received in statuses:
        status = received.message
        phase = int(status.phase)
        if not 0 <= phase < len(Phase):
            continue
        owner, target = cast.rsu(status.owner_rsu_id), cast.rsu(status.target_rsu_id)
        detail = 0
        if phase == Phase.TRANSFERRING and status.bytes_total:
            share = min(int(status.bytes_done) / int(status.bytes_total), 1.0)
            detail = PROGRESS * int(100.0 * share / PROGRESS)
        elif phase == Phase.QUEUED:
            detail = int(status.queue_position)
        key = (phase, owner, target if phase else NOBODY, detail)
        av_id = int(status.av_id)
        if last.get(av_id) != key:
            last[av_id] = key
            recorder.twin(
                cast.time(received), cast.avs[av_id], Phase(phase), owner, key[2], detail=detail
            )

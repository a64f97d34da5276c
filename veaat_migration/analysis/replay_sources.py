"""Replays of what there is: a traffic trace with its hand-overs, a recorded game with its map."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from veaat_migration.analysis.reading import Received, Recording
from veaat_migration.analysis.replay_data import NOBODY, Phase, Place, ReplayError, ReplayRecorder
from veaat_migration.mobility.coverage import Change, ChangeKind
from veaat_migration.mobility.fleet import Fleet
from veaat_migration.mobility.replay import Replay
from veaat_migration.mobility.traffic import Polyline, Snapshot

MAX_POINTS = 2000
"""Most points of one line of a chart; longer ones are thinned."""
MAX_EVENTS = 20_000
VIEWING_TIME = 60.0
"""A replay begins at a speed at which it takes about this long [s]."""
_CIRCLE = 400.0
"""Radius on which RSUs without a place are drawn [m]."""


@dataclass(frozen=True)
class MapOf:
    """Where RSUs, roads and vehicles that stand are."""

    rsus: tuple[Place, ...]
    roads: tuple[Polyline, ...] = ()
    avs: tuple[tuple[str, float, float], ...] = ()
    """Name, x, y [m]."""
    schematic: bool = False
    """Places are made up, because nobody knows them."""


def map_of_scenario(path: Path) -> MapOf:
    """The map of a scenario file; a circle if its RSUs have no places.

    Raises:
        VeaatError: the scenario cannot be read.
    """
    from veaat_migration.scenario import load_scenario

    scenario = load_scenario(path)
    if any(rsu.position is None for rsu in scenario.rsus):
        return circle_map(scenario.rsu_names, scenario.av_names)
    rsus = tuple(
        Place(name, *rsu.position, scenario.coverage_radius)
        for name, rsu in zip(scenario.rsu_names, scenario.rsus, strict=True)
        if rsu.position is not None
    )
    avs = tuple(
        (name, *av.position)
        for name, av in zip(scenario.av_names, scenario.avs, strict=True)
        if av.position is not None
    )
    return MapOf(rsus, scenario.roads, avs)


def circle_map(rsus: Sequence[str], avs: Sequence[str]) -> MapOf:
    """RSUs on a circle and vehicles on a smaller one, for games that happen nowhere."""

    def around(names: Sequence[str], radius: float) -> list[tuple[str, float, float]]:
        angles = 2.0 * np.pi * (np.arange(len(names)) + 0.5) / max(len(names), 1)
        return [
            (name, float(radius * np.cos(angle)), float(radius * np.sin(angle)))
            for name, angle in zip(names, angles, strict=True)
        ]

    places = tuple(Place(*place, 0.0) for place in around(rsus, _CIRCLE))
    return MapOf(places, (), tuple(around(avs, 0.55 * _CIRCLE)), schematic=True)


def replay_of_trace(
    snapshots: Iterable[Snapshot],
    site: MapOf,
    *,
    title: str,
    interval: float = 1.0,
    description: str = "",
) -> dict[str, Any]:
    """Traffic past RSUs: each twin is at the RSU that its vehicle is connected to.

    A twin whose vehicle has left every coverage stays where it is.

    Args:
        snapshots: the traffic.
        site: RSUs and roads.
        title: of the page.
        interval: between steps of the replay [s].
        description: of what is shown.

    Raises:
        TraceError: the traffic is damaged.
        ReplayError: there is nothing to show.
    """
    recorder = ReplayRecorder(
        title, site.rsus, roads=site.roads, description=description, speed=5.0
    )
    sites = [[place.x, place.y] for place in site.rsus]
    fleet = Fleet(snapshots, sites, [place.radius for place in site.rsus], fading=False)
    homes: dict[str, int] = {}
    events = 0
    for view in fleet.every(interval):
        scene = view.scene
        recorder.step(scene.time, scene.ids, scene.positions.tolist())
        for change in view.coverage.changes:
            _note_change(recorder, site.rsus, change, homes, listed=events < MAX_EVENTS)
            events += 1
        for vehicle in sorted(homes.keys() - set(scene.ids)):
            homes.pop(vehicle)
            recorder.twin(scene.time, vehicle, Phase.IDLE, NOBODY)
        load = np.bincount(view.coverage.connected + 1, minlength=len(site.rsus) + 1)
        for j, place in enumerate(site.rsus):
            recorder.value(scene.time, "Vehicles served", place.name, float(load[j + 1]), rsu=j)
    return recorder.finish()


def _note_change(
    recorder: ReplayRecorder,
    rsus: Sequence[Place],
    change: Change,
    homes: dict[str, int],
    *,
    listed: bool,
) -> None:
    vehicle, after = change.vehicle, change.after
    if change.kind is ChangeKind.GONE:
        text, kind, rsu = f"{vehicle} left the map", "left", change.before
    elif change.kind is ChangeKind.LOST:
        text, kind, rsu = f"{vehicle} left the coverage", "lost", change.before
    else:
        home = homes.get(vehicle)
        homes[vehicle] = after
        recorder.twin(change.time, vehicle, Phase.CONNECTED, after)
        rsu = after
        if home is None or home == after:
            text, kind = f"{vehicle} connected to {rsus[after].name}", "connected"
        else:
            text = f"{vehicle}: {rsus[home].name} to {rsus[after].name}"
            kind = "handover"
    if listed:
        recorder.event(change.time, kind, text, vehicle=vehicle, rsu=rsu)


def replay_of_game(
    recording: Recording,
    site: MapOf | None = None,
    *,
    title: str = "",
    snapshots: Iterable[Snapshot] | None = None,
    interval: float = 1.0,
) -> dict[str, Any]:
    """A recorded game on its map: prices, bandwidth sold and money over time.

    Args:
        recording: see :func:`veaat_migration.analysis.reading.read_bag`.
        site: of its scenario; None: a circle. RSU j and AV i are the j-th and i-th of it.
        title: of the page; empty: the name of the recording.
        snapshots: traffic from the moment on at which the game began, in which the AVs drive
            under their names; None: they stand where the scenario has them.
        interval: between steps of the replay where AVs drive [s].

    Raises:
        ReplayError: the recording has no settlement, or the traffic none of the AVs.
    """
    settlements = [
        (received, received.stamp)
        for received in recording.messages["settlements"]
        if received.stamp is not None
    ]
    if not settlements:
        raise ReplayError(f"{recording.path}: holds no settlement: there is no game to show")
    site = site or _map_of_players([received for received, _ in settlements])
    start = min(stamp for _, stamp in settlements)
    end = max(stamp for _, stamp in settlements)
    duration = max((end - start) / 1e9, 1e-3)
    note = "Places are not known: RSUs and vehicles stand on circles." if site.schematic else ""
    recorder = ReplayRecorder(
        title or recording.path.name,
        site.rsus,
        roads=site.roads,
        description=note,
        speed=float(f"{duration / VIEWING_TIME:.1g}"),
    )
    if snapshots is None:
        _stand(recorder, site, duration)
    else:
        _drive(recorder, site, snapshots, duration, interval)
    _chart_settlements(recorder, site, settlements, start)
    _list_statuses(recorder, recording, site, start)
    return recorder.finish()


def _map_of_players(settlements: Iterable[Received]) -> MapOf:
    rsus, avs = 0, 0
    for received in settlements:
        message = received.message
        rsus = max(rsus, int(message.rsu_id))
        avs = max([avs, *map(int, message.av_ids)])
    if not (0 < rsus <= 10_000 and avs <= 100_000):
        raise ReplayError(f"the settlements name {rsus} RSUs and {avs} AVs")
    return circle_map(
        [f"rsu{j}" for j in range(1, rsus + 1)], [f"av{i}" for i in range(1, avs + 1)]
    )


def _stand(recorder: ReplayRecorder, site: MapOf, duration: float) -> None:
    ids = [name for name, _, _ in site.avs]
    places = [(x, y) for _, x, y in site.avs]
    for time in (0.0, duration):
        recorder.step(time, ids, places)


def _drive(
    recorder: ReplayRecorder,
    site: MapOf,
    snapshots: Iterable[Snapshot],
    duration: float,
    interval: float,
) -> None:
    wanted = {name for name, _, _ in site.avs}
    replay = Replay(snapshots)
    origin = replay.start
    found = False
    for count in range(math.floor(duration / interval) + 1):
        scene = replay.at(origin + count * interval)
        if scene is None:
            break
        rows = [row for row, name in enumerate(scene.ids) if name in wanted]
        found = found or bool(rows)
        recorder.step(
            count * interval, [scene.ids[row] for row in rows], scene.positions[rows].tolist()
        )
    if not found:
        raise ReplayError(
            "the traffic has none of the scenario's AVs in that time: their names must be the "
            "vehicles' ids (as 'veaat scenario from-fcd' writes them); check the start"
        )


def _chart_settlements(
    recorder: ReplayRecorder,
    site: MapOf,
    settlements: list[tuple[Received, int]],
    start: int,
) -> None:
    by_rsu: dict[int, list[tuple[float, Any]]] = {}
    for received, stamp in settlements:
        j = int(received.message.rsu_id) - 1
        if 0 <= j < len(site.rsus):
            by_rsu.setdefault(j, []).append(((stamp - start) / 1e9, received.message))
    for j, entries in sorted(by_rsu.items()):
        name = site.rsus[j].name
        for time, message in thinned(entries):
            for chart, unit, value in (
                ("Price", "money/MHz", float(message.price)),
                ("Bandwidth sold", "MHz", float(sum(message.bandwidth))),
                ("Earned per round", "money", float(sum(message.payment))),
            ):
                recorder.value(time, chart, name, value, unit=unit, rsu=j)
        missed = [(time, m) for time, m in entries if len(m.missing_av_ids)]
        for time, message in missed[: MAX_EVENTS // len(by_rsu)]:
            names = ", ".join(_av_name(site, int(i)) for i in message.missing_av_ids[:5])
            recorder.event(
                time, "missed", f"round {message.round}: {name} had no bid of {names}", rsu=j
            )


def _list_statuses(recorder: ReplayRecorder, recording: Recording, site: MapOf, start: int) -> None:
    """When players began, finished or started anew."""
    states = {1: "waits", 2: "plays", 3: "has finished"}
    last: dict[tuple[int, int], tuple[int, int]] = {}
    for received in recording.messages["node_status"]:
        message, stamp = received.message, received.stamp
        key, now = (message.role, message.player_id), (message.session, message.state)
        if stamp is None or last.get(key) == now or message.state not in states:
            continue
        last[key] = now
        is_rsu = message.role == 1
        number = int(message.player_id)
        known = is_rsu and 1 <= number <= len(site.rsus)
        name = site.rsus[number - 1].name if known else f"rsu{number}"
        recorder.event(
            (stamp - start) / 1e9,
            "player",
            f"{name if is_rsu else _av_name(site, number)} {states[message.state]}",
            rsu=number - 1 if known else NOBODY,
        )


def _av_name(site: MapOf, number: int) -> str:
    return site.avs[number - 1][0] if 1 <= number <= len(site.avs) else f"av{number}"


def thinned(entries: Sequence[tuple[float, Any]]) -> Iterator[tuple[float, Any]]:
    """At most about :data:`MAX_POINTS` of some entries, evenly, and always the last one."""
    stride = math.ceil(len(entries) / MAX_POINTS)
    for index, entry in enumerate(entries):
        if index % stride == 0 or index == len(entries) - 1:
            yield entry


def scenario_of_run(folder: Path) -> Path | None:
    """The scenario file that the plan of a run folder names or that lies beside it, if there."""
    try:
        plan = yaml.safe_load((folder / "plan.yaml").read_text(encoding="utf-8"))
        path = Path(str(plan.get("scenario", folder / "scenario.yaml")))
    except (OSError, yaml.YAMLError, AttributeError, UnicodeDecodeError):
        return None
    return path if path.is_file() else None

"""A piece of traffic in which twins migrate: when, which vehicles, and a scenario for them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from veaat_migration.mobility.driving import drive
from veaat_migration.mobility.fcd import read_fcd, write_fcd
from veaat_migration.mobility.placement import place_rsus
from veaat_migration.mobility.roads import grid_town
from veaat_migration.mobility.streams import between
from veaat_migration.mobility.traffic import FloatArray, Snapshot, TraceError, observe
from veaat_migration.scenario.generate import Recipe, scenario_from_traffic
from veaat_migration.scenario.schema import Scenario

SAMPLE = 1.0
"""Time between two looks at the paths of vehicles [s]."""
MAX_PATHS = 20_000
"""Most vehicles whose paths are looked at."""
TOWN_VEHICLES = 80


@dataclass(frozen=True)
class City:
    """Traffic, and the game for some of its vehicles."""

    scenario: Scenario
    trace: Path
    vehicles: tuple[str, ...]
    """The vehicle of the trace that each AV is, in the order of the scenario."""
    start: float
    """Time in the trace [s]."""
    duration: float
    """Of the trace that is played [s]."""
    crossings: tuple[int, ...]
    """How many times each AV drives from one RSU's coverage into another's."""


def make_city(
    trace: Path,
    *,
    start: float | None,
    duration: float,
    n_avs: int,
    n_rsus: int,
    radius: float,
    seed: int,
    name: str,
) -> City:
    """Place RSUs for the traffic of a period, and choose the AVs that migrate most in it.

    Args:
        trace: SUMO floating-car data.
        start: time in the trace [s]; None: its beginning.
        duration: length of the period [s]; shorter if the trace ends.
        n_avs: vehicles that take part.
        n_rsus: RSUs.
        radius: coverage of an RSU [m].
        seed: of all draws.
        name: of the scenario.

    Raises:
        TraceError: the trace cannot be read, or holds too little traffic.
        ScenarioError: no scenario can be made of it.
    """
    begin = _first_time(trace) if start is None else start
    paths, end = _paths(between(read_fcd(trace), begin, begin + duration), begin)
    traffic = observe(read_fcd(trace), end, end - begin)
    sites = place_rsus(traffic.places, traffic.weights, n_rsus, radius).sites
    chosen = _choose(paths, sites, radius, n_avs, np.random.default_rng(seed))
    here = observe(read_fcd(trace), begin, 0.0)
    vehicles = tuple(vehicle for vehicle in here.vehicles if vehicle.id in chosen)
    recipe = Recipe(
        name=name,
        n_avs=n_avs,
        n_rsus=n_rsus,
        seed=seed,
        radius=radius,
        description=f"{trace.name}, {begin:g} s to {end:g} s",
    )
    scene = replace(traffic, time=begin, vehicles=vehicles)
    scenario = scenario_from_traffic(scene, recipe).scenario
    names = tuple(vehicle.id for vehicle in vehicles)
    return City(
        scenario, trace, names, begin, end - begin, tuple(chosen[vehicle] for vehicle in names)
    )


def write_town(path: Path, seconds: float, seed: int) -> None:
    """Write the traffic of a small generated town as floating-car data."""
    town, drivers = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    network = grid_town(6, 4, 200.0, town)
    write_fcd(path, drive(network, TOWN_VEHICLES, seconds, drivers))


def crossings(path: FloatArray, sites: FloatArray, radius: float) -> int:
    """How many times a path leads from one coverage into another, the twin following late.

    Args:
        path: places along the way [m], shape [T, 2].
        sites: places of the RSUs [m], shape [R, 2].
        radius: of their coverage [m].
    """
    distance = np.hypot(*(path[:, None, :] - sites[None, :, :]).transpose(2, 0, 1))
    owner, count = -1, 0
    for row in distance:
        if owner >= 0 and row[owner] <= radius:
            continue
        nearest = int(row.argmin())
        if row[nearest] > radius:
            continue
        count += owner >= 0
        owner = nearest
    return count


def _first_time(trace: Path) -> float:
    first = next(iter(read_fcd(trace)), None)
    if first is None:
        raise TraceError(f"{trace}: the trace has no timestep")
    return first.time


def _paths(snapshots: Iterable[Snapshot], begin: float) -> tuple[dict[str, FloatArray], float]:
    """Ways of the vehicles that are there from the beginning, and the end of the period."""
    ways: dict[str, list[tuple[float, float]]] = {}
    end = begin
    for number, snapshot in enumerate(_sampled(snapshots)):
        end = snapshot.time
        for vehicle in snapshot.vehicles:
            if number == 0 and len(ways) < MAX_PATHS:
                ways[vehicle.id] = []
            if vehicle.id in ways and len(ways[vehicle.id]) == number:
                ways[vehicle.id].append((vehicle.x, vehicle.y))
    if not end > begin:
        raise TraceError(f"the trace has only one timestep from {begin:g} s on")
    return {name: np.array(way) for name, way in ways.items()}, end


def _sampled(snapshots: Iterable[Snapshot]) -> Iterator[Snapshot]:
    due = -math.inf
    for snapshot in snapshots:
        if snapshot.time >= due - 1e-9:
            due = snapshot.time + SAMPLE
            yield snapshot


def _choose(
    paths: dict[str, FloatArray],
    sites: FloatArray,
    radius: float,
    count: int,
    generator: np.random.Generator,
) -> dict[str, int]:
    """Vehicles covered at the start: those that stay longest and cross most often; crossings."""
    names = sorted(paths)
    longest = max(len(path) for path in paths.values())
    ranked = []
    for name, luck in zip(names, generator.random(len(names)).tolist(), strict=True):
        path = paths[name]
        if np.hypot(*(sites - path[0]).T).min() > radius:
            continue
        stays = len(path) >= 0.9 * longest
        ranked.append((-stays, -crossings(path, sites, radius), luck, name))
    if len(ranked) < count:
        raise TraceError(
            f"{count} AVs are wanted, but {len(ranked)} of {len(names)} vehicles are within "
            f"{radius:g} m of an RSU at the start: choose another start, fewer AVs or more RSUs"
        )
    return {name: -negative for _, negative, _, name in sorted(ranked)[:count]}

"""A city for a trace: where RSUs stand, from a scenario or placed where the traffic is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from veaat_migration.fleet.errors import FleetError
from veaat_migration.fleet.population import MEGABIT_PER_MEGABYTE, Av, City, Rsu, draw_rsus
from veaat_migration.mobility.fcd import read_fcd
from veaat_migration.mobility.placement import place_rsus
from veaat_migration.mobility.streams import between, limited
from veaat_migration.mobility.traffic import Polyline, Snapshot, Traffic, observe
from veaat_migration.protocol.migration.simulation.world import Server

if TYPE_CHECKING:
    from veaat_migration.scenario.schema import Scenario

EARTH = 6_371_000.0
"""Radius [m]."""
_FOREVER = 1e15
_JUDGED = 30
"""Steps of a trace with moving vehicles after which its unit is known."""
_FEW_METRES = 0.01
"""Vehicles that come less far than this share of speed times time drive in degrees."""
DEFAULT_MAX_DELAY = 10.0
"""T_i^max of a scenario's AV without one [s]."""


@dataclass(frozen=True)
class Excerpt:
    """What of a trace is driven."""

    path: Path
    start: float = -math.inf
    """[s]"""
    end: float = math.inf
    """[s]"""
    vehicles: int | None = None
    """At most so many at once; None: all."""

    def snapshots(self) -> Iterator[Snapshot]:
        """From the file, in metres."""
        steps = between(in_metres(read_fcd(self.path)), self.start, self.end)
        return limited(steps, self.vehicles) if self.vehicles else steps


def in_metres(snapshots: Iterable[Snapshot]) -> Iterator[Snapshot]:
    """The same traffic; longitudes and latitudes are projected to metres.

    A trace is in degrees if its coordinates could be, and vehicles come a hundred times less far
    in them than their speeds say. Memory holds the steps until that is clear.
    """
    held: list[Snapshot] = []
    moves = judged = 0
    stream = iter(snapshots)
    for snapshot in stream:
        held.append(snapshot)
        if any(abs(v.x) > 180.0 or abs(v.y) > 90.0 for v in snapshot.vehicles):
            break
        if len(held) > 1:
            known, slow = _compare(held[-2], snapshot)
            moves += slow
            judged += known
        if judged and len(held) >= _JUDGED:
            break
    degrees = judged > 0 and moves > 0.9 * judged
    if not degrees or any(abs(v.x) > 180.0 or abs(v.y) > 90.0 for v in held[-1].vehicles):
        yield from held
        yield from stream
        return
    first = next(v for s in held for v in s.vehicles)
    for part in (held, stream):
        for snapshot in part:
            yield _projected(snapshot, first.x, first.y)


def _compare(before: Snapshot, after: Snapshot) -> tuple[int, int]:
    """Vehicles that should have moved, and of those who hardly did."""
    places = {v.id: v for v in before.vehicles}
    known = slow = 0
    for vehicle in after.vehicles:
        old = places.get(vehicle.id)
        if old is None or not min(vehicle.speed, old.speed) > 1.0:
            continue
        way = min(vehicle.speed, old.speed) * (after.time - before.time)
        known += 1
        slow += math.hypot(vehicle.x - old.x, vehicle.y - old.y) < _FEW_METRES * way
    return known, slow


def _projected(snapshot: Snapshot, longitude: float, latitude: float) -> Snapshot:
    """Metres east and north of a point, right near it."""
    scale = math.radians(1.0) * EARTH
    east = scale * math.cos(math.radians(latitude))
    vehicles = tuple(
        v._replace(x=(v.x - longitude) * east, y=(v.y - latitude) * scale)
        for v in snapshot.vehicles
    )
    return Snapshot(snapshot.time, vehicles)


@dataclass(frozen=True)
class Site:
    """A city and what is known of its map."""

    city: City
    given: bool
    """Whether a scenario gives the RSUs' numbers; else each seed draws them."""
    roads: tuple[Polyline, ...]
    note: str
    """How the RSUs came to their places."""
    vehicle_seconds: float = math.nan
    """Time that all vehicles spend in the excerpt [s]; NaN: nobody has looked."""


def placed(excerpt: Excerpt, rsus: int, radius: float) -> Site:
    """RSUs where they cover most of the traffic; reads the excerpt once.

    Raises:
        TraceError: the trace is damaged or has no vehicles.
        FleetError: a number is out of range.
    """
    if not 1 <= rsus <= 1000:
        raise FleetError(f"--rsus: must be from 1 to 1000, got {rsus}")
    traffic, vehicle_seconds = _observe_all(excerpt)
    count = min(rsus, len(traffic.places))
    placement = place_rsus(traffic.places, traffic.weights, count, radius)
    note = (
        f"{count} RSUs placed by traffic: {100 * placement.coverage:.0f} % of it is within "
        f"{radius:g} m, {placement.mean_distance:.0f} m from the nearest on average"
    )
    if count < rsus:
        note += f" (vehicles were seen at no more than {count} places, so {rsus} do not fit)"
    sites: list[list[float]] = placement.sites.tolist()
    return Site(City(draw_rsus(0, sites, radius)), False, traffic.roads, note, vehicle_seconds)


def _observe_all(excerpt: Excerpt) -> tuple[Traffic, float]:
    """Density and roads of a whole excerpt, and its vehicles' time [s], in one pass."""
    spent = 0.0

    def with_end() -> Iterator[Snapshot]:
        nonlocal spent
        last: Snapshot | None = None
        before: Snapshot | None = None
        for snapshot in excerpt.snapshots():
            if before is not None:
                spent += len(before.vehicles) * (snapshot.time - before.time)
            before = snapshot
            if snapshot.vehicles:
                last = snapshot
            yield snapshot
        if last is None:
            raise FleetError(
                f"{excerpt.path}: there is no vehicle in this part of the trace: nobody can migrate"
            )
        yield Snapshot(_FOREVER, last.vehicles)

    return observe(with_end(), _FOREVER, window=2.0 * _FOREVER), spent


def from_scenario(path: Path) -> Site:
    """RSUs with places and numbers of a scenario; each vehicle is like one of its AVs.

    Raises:
        ScenarioError: the scenario cannot be read.
        FleetError: an RSU has no place.
    """
    from veaat_migration.scenario import load_scenario
    from veaat_migration.scenario.build import qualities
    from veaat_migration.scenario.parts import offset

    scenario = load_scenario(path)
    if any(rsu.position is None for rsu in scenario.rsus):
        raise FleetError(
            f"{path}: RSUs need a position to cover a vehicle; or leave --scenario out"
        )
    kinds = tuple(
        Av(
            satisfaction=av.satisfaction,
            offset=offset(av),
            data=av.data * MEGABIT_PER_MEGABYTE,
            cycles=av.cycles,
            max_delay=DEFAULT_MAX_DELAY if av.max_delay is None else av.max_delay,
        )
        for av in scenario.avs
    )
    city = City(
        _sellers(scenario, qualities(scenario)),
        kinds,
        price_max=scenario.price_max,
        bandwidth_max=scenario.bandwidth_max,
    )
    return Site(city, True, scenario.roads, f"{len(city.rsus)} RSUs of {path.name}")


def _sellers(scenario: Scenario, quality: np.ndarray) -> tuple[Rsu, ...]:
    return tuple(
        Rsu(
            name=name,
            x=rsu.position[0],
            y=rsu.position[1],
            radius=scenario.coverage_radius,
            cost=rsu.cost,
            capacity=math.inf if rsu.capacity is None else rsu.capacity,
            server=Server(rsu.arrival_rate, rsu.service_rate, rsu.compute),
            quality=float(q),
        )
        for name, rsu, q in zip(scenario.rsu_names, scenario.rsus, quality, strict=True)
        if rsu.position is not None
    )

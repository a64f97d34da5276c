"""Vehicles driving through a road network: car following, traffic lights, random turns.

A stand-in for a traffic simulator where no trace is at hand: positions and speeds are plausible
and reproducible, nothing is calibrated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from veaat_migration.mobility.roads import RoadNetwork
from veaat_migration.mobility.traffic import Snapshot, TraceError, Vehicle

_STEP = 0.5
"""Time step of the simulation [s]; snapshots are 1 s apart."""
_VEHICLE_LENGTH = 5.0
_MIN_GAP = 2.0
_HEADWAY = 1.4
_ACCELERATION = 1.8
_BRAKING = 2.5
_TURN_SPEED = 5.0
"""Speed through a junction when turning [m/s]."""
_LANE_OFFSET = 2.0
"""Vehicles keep this far right of the middle of the street [m]."""
_GREEN = 25.0
"""Seconds of green for one axis, then for the other."""


@dataclass
class _Driver:
    name: str
    street: int
    next_street: int
    position: float
    speed: float
    desired: float
    """Wanted speed as a multiple of the limit."""


def drive(
    network: RoadNetwork, n_vehicles: int, duration: float, generator: np.random.Generator
) -> Iterator[Snapshot]:
    """Snapshots at 0, 1, 2, ... s until ``duration`` [s]; coordinates are rounded to 1 cm.

    Raises:
        TraceError: so many vehicles do not fit on the streets.
    """
    fleet = _spawn(network, n_vehicles, generator)
    steps = round(1.0 / _STEP)
    for second in range(math.ceil(duration) + 1):
        yield Snapshot(float(second), tuple(_vehicle(network, driver) for driver in fleet))
        for step in range(steps):
            _advance(network, fleet, second + step * _STEP, generator)


def _spawn(network: RoadNetwork, n_vehicles: int, generator: np.random.Generator) -> list[_Driver]:
    spacing = 2.0 * (_VEHICLE_LENGTH + _MIN_GAP)
    slots = [
        (index, spacing * (slot + 0.5))
        for index, street in enumerate(network.streets)
        for slot in range(int(street.length / spacing))
    ]
    if n_vehicles > len(slots):
        raise TraceError(f"{n_vehicles} vehicles do not fit: the streets hold {len(slots)}")
    taken = generator.choice(len(slots), size=n_vehicles, replace=False)
    digits = len(str(n_vehicles))
    fleet = []
    for number, slot in enumerate(np.sort(taken), start=1):
        street, position = slots[int(slot)]
        limit = network.streets[street].speed_limit
        fleet.append(
            _Driver(
                name=f"veh{number:0{digits}}",
                street=street,
                next_street=_turn(network, street, generator),
                position=position,
                speed=0.7 * limit,
                desired=float(generator.uniform(0.85, 1.1)),
            )
        )
    return fleet


def _turn(network: RoadNetwork, street: int, generator: np.random.Generator) -> int:
    """A street to go on to: any but back, unless it is a dead end."""
    here = network.streets[street]
    options = [
        index for index in network.leaving[here.end] if network.streets[index].end != here.start
    ] or list(network.leaving[here.end])
    return int(options[int(generator.integers(len(options)))])


def _advance(
    network: RoadNetwork, fleet: list[_Driver], time: float, generator: np.random.Generator
) -> None:
    """One step of everyone, from the state before the step."""
    queues: dict[int, list[_Driver]] = {}
    for driver in sorted(fleet, key=lambda driver: -driver.position):
        queues.setdefault(driver.street, []).append(driver)
    speeds = {}
    for queue in queues.values():
        for place, driver in enumerate(queue):
            ahead = queue[place - 1] if place else None
            speeds[driver.name] = _next_speed(network, driver, ahead, queues, time)
    for driver in fleet:
        driver.speed = speeds[driver.name]
        driver.position += driver.speed * _STEP
        length = network.streets[driver.street].length
        if driver.position >= length:
            driver.position -= length
            driver.street = driver.next_street
            driver.next_street = _turn(network, driver.street, generator)


def _next_speed(
    network: RoadNetwork,
    driver: _Driver,
    ahead: _Driver | None,
    queues: dict[int, list[_Driver]],
    time: float,
) -> float:
    """Intelligent Driver Model: free road, the vehicle ahead, and a red light as an obstacle."""
    street = network.streets[driver.street]
    to_end = street.length - driver.position
    limit = street.speed_limit * driver.desired
    if _is_turn(network, driver):
        # Braking gently from here, this speed still allows the turn.
        limit = min(limit, math.sqrt(_TURN_SPEED**2 + 2.0 * _ACCELERATION * to_end))
    obstacles = []
    if ahead is not None:
        obstacles.append((ahead.position - driver.position - _VEHICLE_LENGTH, ahead.speed))
    else:
        if not _is_green(network, driver.street, time):
            obstacles.append((to_end, 0.0))
        beyond = queues.get(driver.next_street)
        if beyond:
            last = beyond[-1]
            obstacles.append((to_end + last.position - _VEHICLE_LENGTH, last.speed))
    v = driver.speed
    acceleration = _ACCELERATION * (1.0 - (v / limit) ** 4)
    for gap, speed in obstacles:
        comfortable = _HEADWAY * v + v * (v - speed) / (2.0 * math.sqrt(_ACCELERATION * _BRAKING))
        wanted = _MIN_GAP + max(0.0, comfortable)
        interaction = -_ACCELERATION * (wanted / max(gap, 0.1)) ** 2
        acceleration = min(acceleration, _ACCELERATION * (1.0 - (v / limit) ** 4) + interaction)
    return max(0.0, v + max(acceleration, -8.0) * _STEP)


def _is_turn(network: RoadNetwork, driver: _Driver) -> bool:
    here, then = (_direction(network, index) for index in (driver.street, driver.next_street))
    return here[0] * then[0] + here[1] * then[1] < 0.7


def _is_green(network: RoadNetwork, street: int, time: float) -> bool:
    """Two phases, east-west and north-south, at junctions of more than two streets."""
    junction = network.streets[street].end
    if len(network.leaving[junction]) <= 2:
        return True
    dx, dy = _direction(network, street)
    phase = int((time + 11.0 * junction) // _GREEN) % 2
    return (abs(dx) >= abs(dy)) == (phase == 0)


def _direction(network: RoadNetwork, street: int) -> tuple[float, float]:
    here = network.streets[street]
    (x0, y0), (x1, y1) = network.junctions[here.start], network.junctions[here.end]
    return (x1 - x0) / here.length, (y1 - y0) / here.length


def _vehicle(network: RoadNetwork, driver: _Driver) -> Vehicle:
    street = network.streets[driver.street]
    dx, dy = _direction(network, driver.street)
    x0, y0 = network.junctions[street.start]
    return Vehicle(
        id=driver.name,
        x=round(float(x0 + dx * driver.position + dy * _LANE_OFFSET), 2),
        y=round(float(y0 + dy * driver.position - dx * _LANE_OFFSET), 2),
        speed=round(driver.speed, 2),
        angle=round(math.degrees(math.atan2(dx, dy)) % 360.0, 2),
        lane=f"{street.start}to{street.end}_0",
        lane_position=round(driver.position, 2),
    )

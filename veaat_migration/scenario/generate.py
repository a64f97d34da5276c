"""A scenario from observed traffic: RSU sites, participating vehicles, their tasks and delays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.mobility.placement import Placement, place_rsus, select_vehicles
from veaat_migration.mobility.traffic import Polyline, Traffic, Vehicle
from veaat_migration.scenario.build import shortest_delays
from veaat_migration.scenario.errors import ScenarioError
from veaat_migration.scenario.load import scenario_from_mapping
from veaat_migration.scenario.schema import Scenario

FloatArray = npt.NDArray[np.float64]

AV_RANGES = {
    "satisfaction": (20.0, 30.0, 1),
    "delay_sensitivity": (1.5, 2.0, 2),
    "data": (25.0, 100.0, 1),
    "cycles": (2.0, 20.0, 1),
}
"""Each AV's task is drawn uniformly from these: key, lowest, highest, decimals."""

RSU_RANGES = {
    "cost": (2.0, 2.5, 2),
    "compute": (20.0, 60.0, 1),
    "arrival_rate": (2.0, 6.0, 2),
    "service_rate": (8.0, 12.0, 2),
}
"""Each RSU is drawn uniformly from these."""

QUALITY_RANGES = {"distortion": (0.1, 0.25, 3)}
MIGRATIONS = (20, 100)
"""Completed migrations of an RSU, drawn uniformly."""


@dataclass(frozen=True)
class Recipe:
    """What to make of the traffic."""

    name: str
    n_avs: int
    n_rsus: int
    seed: int = 0
    radius: float = 500.0
    """Coverage radius of an RSU [m]."""
    enforce_delay: bool = True
    slack: tuple[float, float] = (1.5, 3.0)
    """max_delay is drawn from this range times the AV's slowest link at b_max; see below."""
    description: str = ""


@dataclass(frozen=True)
class Generated:
    """A scenario and how well its RSUs cover the traffic."""

    scenario: Scenario
    placement: Placement


def scenario_from_traffic(
    traffic: Traffic, recipe: Recipe, roads: Sequence[Polyline] | None = None
) -> Generated:
    """Place RSUs for coverage, draw AVs among the covered vehicles, draw their tasks.

    The longest tolerated delay of AV i is slack_i * max_j T_ij(b_max), slack_i drawn from
    ``recipe.slack``. Matching probabilities sum to 1, so with slack >= 1 buying b_max meets the
    constraint at any prices; about half of that bandwidth is what the AVs want by themselves,
    so below a slack of about 2 the constraint makes them buy more.

    Args:
        traffic: see :func:`veaat_migration.mobility.traffic.observe`.
        recipe: numbers of players, seed, radius and delay.
        roads: lines for maps; those of the traffic by default.

    Raises:
        TraceError: there is too little traffic.
        ScenarioError: the recipe is out of range.
    """
    low, high = recipe.slack
    if not 1.0 <= low <= high < math.inf:
        raise ScenarioError(
            f"delay slack: must be two numbers 1 <= low <= high, got {low:g} and {high:g}"
        )
    streams = np.random.SeedSequence(recipe.seed).spawn(4)
    choice, tasks, servers, patience = (np.random.default_rng(stream) for stream in streams)
    placement = place_rsus(traffic.places, traffic.weights, recipe.n_rsus, recipe.radius)
    vehicles = select_vehicles(
        traffic.vehicles, placement.sites, recipe.radius, recipe.n_avs, choice
    )
    content: dict[str, Any] = {
        "name": recipe.name,
        "description": recipe.description,
        "seed": recipe.seed,
        "price_max": 30.0,
        "bandwidth_max": 10.0,
        "social_coupling": {"strength": 0.02, "range": recipe.radius},
        "service_coupling": {"strength": 0.02, "range": 2.0 * recipe.radius},
        "coverage_radius": recipe.radius,
        "delay": {"enforce": recipe.enforce_delay},
        "avs": _avs(vehicles, tasks, (recipe.n_avs, low, high), patience),
        "rsus": _rsus(placement.sites, servers),
        "roads": [
            [[round(x, 1), round(y, 1)] for x, y in line]
            for line in (traffic.roads if roads is None else roads)
        ],
    }
    slowest = shortest_delays(scenario_from_mapping(content)).max(axis=1)
    for av, base in zip(content["avs"], slowest, strict=True):
        av["max_delay"] = math.ceil(100.0 * av["max_delay"] * float(base)) / 100.0
    return Generated(scenario_from_mapping(content), placement)


def _avs(
    vehicles: Sequence[Vehicle],
    tasks: np.random.Generator,
    slack: tuple[int, float, float],
    patience: np.random.Generator,
) -> list[dict[str, Any]]:
    """One mapping per AV; ``max_delay`` holds the slack until the links are known."""
    count, low, high = slack
    factors = patience.uniform(low, high, count)
    return [
        {
            "name": name,
            "position": [round(vehicle.x, 1), round(vehicle.y, 1)],
            **_drawn(AV_RANGES, tasks),
            "max_delay": float(factor),
        }
        for name, vehicle, factor in zip(_names(vehicles), vehicles, factors, strict=True)
    ]


def _rsus(sites: FloatArray, servers: np.random.Generator) -> list[dict[str, Any]]:
    return [
        {
            "name": f"rsu{number}",
            "position": [round(float(x), 1), round(float(y), 1)],
            **_drawn(RSU_RANGES, servers),
            "quality": {
                **_drawn(QUALITY_RANGES, servers),
                "migrations": int(servers.integers(*MIGRATIONS, endpoint=True)),
            },
        }
        for number, (x, y) in enumerate(sites, start=1)
    ]


def _drawn(
    ranges: dict[str, tuple[float, float, int]], generator: np.random.Generator
) -> dict[str, float]:
    return {
        key: round(float(generator.uniform(low, high)), decimals)
        for key, (low, high, decimals) in ranges.items()
    }


def _names(vehicles: Sequence[Vehicle]) -> list[str]:
    """The vehicles' own names if they can serve as labels, otherwise av1, av2, ..."""
    own = [vehicle.id for vehicle in vehicles]
    usable = all(name.isprintable() and len(name) <= 64 for name in own)
    if usable and len(set(own)) == len(own):
        return own
    return [f"av{number}" for number in range(1, len(own) + 1)]

"""A scenario from observed traffic: RSU sites, participating vehicles, their tasks and delays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.game.closed_form import uncoupled_prices
from veaat_migration.game.delay import expected_delay
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.matching import matching_probability
from veaat_migration.mobility.placement import Placement, place_rsus, select_vehicles
from veaat_migration.mobility.traffic import Polyline, Traffic, Vehicle
from veaat_migration.scenario.build import build_instance, migration_delays, shortest_delays
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

SOCIAL_INFLUENCE, SERVICE_INFLUENCE = 0.04, 0.02
"""Sum of one player's couplings with all others at distance 0 [money/MHz^2], as in the base case:
the strength of one coupling falls with the number of players, so that large games stay tame."""

_SAFETY = 1.05
"""max_delay is at least this times the AV's slowest link with b_max."""
_MOST_PATIENCE = 10.0
"""An AV that would buy nothing by itself has its natural delay cut here, times its slowest link."""


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
    slack: tuple[float, float] = (0.9, 1.6)
    """Range of max_delay as a multiple of the AV's natural delay; see below."""
    capacity: float | None = None
    """Expected load that every RSU can carry [MHz]; None: unlimited."""
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

    The longest tolerated delay of AV i is slack_i times its natural delay: the expected delay
    if all AVs buy as they like at the equilibrium prices of the game without couplings and
    delay. The slacks are spread evenly over ``recipe.slack`` and dealt out at random; an AV
    with less than 1 has to buy more than it likes. The limit is never below 1.05 max_j
    T_ij(b_max), so that buying b_max meets it at any prices (matching probabilities sum to 1).

    Args:
        traffic: see :func:`veaat_migration.mobility.traffic.observe`.
        recipe: numbers of players, seed, radius and delay.
        roads: lines for maps; those of the traffic by default.

    Raises:
        TraceError: there is too little traffic.
        ScenarioError: the recipe is out of range.
    """
    low, high = recipe.slack
    if not 0.0 < low <= high < math.inf:
        raise ScenarioError(
            f"delay slack: must be two numbers 0 < low <= high, got {low:g} and {high:g}"
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
        "social_coupling": _coupling(SOCIAL_INFLUENCE, recipe.n_avs, recipe.radius),
        "service_coupling": _coupling(SERVICE_INFLUENCE, recipe.n_rsus, 2.0 * recipe.radius),
        "coverage_radius": recipe.radius,
        "delay": {"enforce": False},
        "rsu_defaults": {} if recipe.capacity is None else {"capacity": recipe.capacity},
        "avs": _avs(vehicles, tasks),
        "rsus": _rsus(placement.sites, servers),
        "roads": [
            [[round(x, 1), round(y, 1)] for x, y in line]
            for line in (traffic.roads if roads is None else roads)
        ],
    }
    if not content["rsu_defaults"]:
        del content["rsu_defaults"]
    draft = scenario_from_mapping(content)
    slack = low + (high - low) * (patience.permutation(recipe.n_avs) + 0.5) / recipe.n_avs
    slowest = shortest_delays(draft).max(axis=1)
    limits = np.maximum(slack * _natural_delays(draft, slowest), _SAFETY * slowest)
    for av, limit in zip(content["avs"], limits, strict=True):
        av["max_delay"] = math.ceil(100.0 * float(limit)) / 100.0
    content["delay"] = {"enforce": recipe.enforce_delay}
    return Generated(scenario_from_mapping(content), placement)


def _natural_delays(scenario: Scenario, slowest: FloatArray) -> FloatArray:
    """Expected delay of AVs that buy as they like at uncoupled equilibrium prices [s], [V]."""
    game = build_instance(scenario)
    prices = uncoupled_prices(game)
    demand = follower_equilibria(game, prices, thorough=False).demand[0]
    delay = expected_delay(
        matching_probability(prices, game.quality), migration_delays(scenario, demand)
    )
    return np.minimum(delay, _MOST_PATIENCE * slowest)


def _coupling(influence: float, players: int, distance: float) -> dict[str, float]:
    return {"strength": round(influence / max(1, players - 1), 6), "range": distance}


def _avs(vehicles: Sequence[Vehicle], tasks: np.random.Generator) -> list[dict[str, Any]]:
    """One mapping per AV, without its longest delay: that depends on everybody's links."""
    return [
        {
            "name": name,
            "position": [round(vehicle.x, 1), round(vehicle.y, 1)],
            **_drawn(AV_RANGES, tasks),
        }
        for name, vehicle in zip(_names(vehicles), vehicles, strict=True)
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

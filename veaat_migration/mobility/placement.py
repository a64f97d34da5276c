"""Where to put RSUs so that they cover the traffic, and which vehicles take part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from veaat_migration.mobility.traffic import TraceError, Vehicle

FloatArray = npt.NDArray[np.float64]

MOVING_SPEED = 0.5
"""Slower vehicles count as standing [m/s]."""
_MAX_PASSES = 50


@dataclass(frozen=True)
class Placement:
    """Chosen RSU sites."""

    sites: FloatArray
    """[m], shape [R, 2], west to east"""
    coverage: float
    """Share of the observed traffic within the radius of a site, 0 to 1."""
    mean_distance: float
    """Mean distance of the observed traffic from its nearest site [m]."""


def place_rsus(places: FloatArray, weights: FloatArray, count: int, radius: float) -> Placement:
    """Sites among ``places`` that cover as much weight as possible, then are as near as possible.

    Greedy maximum coverage (at least 63 % of the optimum), then every site in turn moves to its
    best place given the others, until none can improve. Deterministic.

    Args:
        places: observed positions [m], shape [K, 2]; sites are chosen among them, at the roadside.
        weights: traffic at each place, shape [K].
        count: R, number of sites.
        radius: coverage radius [m].

    Raises:
        TraceError: there are fewer places than sites.
    """
    if count > len(places):
        raise TraceError(
            f"vehicles were seen at only {len(places)} different places: cannot place {count} RSUs"
        )
    between = np.hypot(*(places[:, None, :] - places[None, :, :]).transpose(2, 0, 1))
    chosen: list[int] = []
    for _ in range(count):
        chosen.append(_best_site(between, weights, radius, chosen)[0])
    _refine(between, weights, radius, chosen)
    chosen.sort(key=lambda site: tuple(places[site]))
    nearest = between[:, chosen].min(axis=1)
    total = weights.sum()
    return Placement(
        sites=places[chosen],
        coverage=float(weights[nearest <= radius].sum() / total),
        mean_distance=float(weights @ nearest / total),
    )


def _best_site(
    between: FloatArray, weights: FloatArray, radius: float, others: Sequence[int]
) -> tuple[int, float, float]:
    """The free place that adds most: (place, weight covered, minus total distance)."""
    with_site = between
    if others:
        with_site = np.minimum(between, between[:, list(others)].min(axis=1)[:, None])
    covered = weights @ (with_site <= radius)
    distance = weights @ with_site
    covered[list(others)] = -1.0
    order = np.lexsort((distance, -covered))
    best = int(order[0])
    return best, float(covered[best]), -float(distance[best])


def _refine(between: FloatArray, weights: FloatArray, radius: float, chosen: list[int]) -> None:
    """Move one site at a time while that helps."""
    nearest = between[:, chosen].min(axis=1)
    value = (float(weights @ (nearest <= radius)), -float(weights @ nearest))
    for _ in range(_MAX_PASSES):
        before = value
        for index in range(len(chosen)):
            others = chosen[:index] + chosen[index + 1 :]
            site, covered, closeness = _best_site(between, weights, radius, others)
            margin = 1e-9 * abs(value[1])
            if (covered, closeness) > (value[0], value[1] + margin):
                chosen[index] = site
                value = (covered, closeness)
        if value == before:
            return


def select_vehicles(
    vehicles: Sequence[Vehicle],
    sites: FloatArray,
    radius: float,
    count: int,
    generator: np.random.Generator,
) -> tuple[Vehicle, ...]:
    """Draw ``count`` vehicles that an RSU covers, by id; standing ones only if movers run out.

    A vehicle whose speed is not known counts as moving.

    Raises:
        TraceError: too few vehicles are covered.
    """
    covered = [
        vehicle
        for vehicle in sorted(vehicles, key=lambda vehicle: vehicle.id)
        if np.hypot(*(sites - (vehicle.x, vehicle.y)).T).min() <= radius
    ]
    if len(covered) < count:
        raise TraceError(
            f"{count} AVs are wanted but only {len(covered)} of {len(vehicles)} vehicles are "
            f"within {radius:g} m of an RSU: choose another time, fewer AVs, more RSUs or a "
            "larger radius"
        )
    standing = [vehicle.speed < MOVING_SPEED for vehicle in covered]
    order = generator.permutation(len(covered))
    preferred = sorted(order.tolist(), key=lambda index: standing[index])
    return tuple(covered[index] for index in sorted(preferred[:count]))

"""RSU sites and the vehicles that take part."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.mobility.placement import place_rsus, select_vehicles
from veaat_migration.mobility.traffic import TraceError, Vehicle


def test_sites_go_to_the_heaviest_clusters() -> None:
    places = np.array([[0, 0], [10, 0], [1000, 0], [1010, 0], [5000, 0]], dtype=float)
    placement = place_rsus(places, np.array([5.0, 4.0, 3.0, 3.0, 1.0]), 2, 100.0)
    np.testing.assert_array_equal(placement.sites[:, 0] < 500, [True, False])
    assert placement.coverage == pytest.approx(15 / 16)


def test_equal_coverage_is_decided_by_distance() -> None:
    places = np.array([[x, 0.0] for x in range(0, 101, 10)])
    placement = place_rsus(places, np.ones(11), 1, 500.0)
    assert placement.sites.tolist() == [[50.0, 0.0]]
    assert placement.coverage == 1.0


def test_refinement_mends_what_greedy_got_wrong() -> None:
    # The middle covers 4 of 6, so greedy takes it first; the best pair covers all without it.
    places = np.array([[x, 0.0] for x in (0, 10, 20, 30, 40, 50)])
    placement = place_rsus(places, np.array([1, 1, 1.1, 1.1, 1, 1]), 2, 10.0)
    assert placement.coverage == 1.0
    np.testing.assert_array_equal(placement.sites, [[10.0, 0.0], [40.0, 0.0]])


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_coverage_is_at_least_what_greedy_guarantees(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    places = generator.uniform(0, 1000, (12, 2))
    weights = generator.integers(1, 9, 12).astype(float)
    placement = place_rsus(places, weights, count, 200.0)
    within = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)) <= 200.0
    best = max(
        weights[within[:, list(sites)].any(axis=1)].sum() / weights.sum()
        for sites in itertools.combinations(range(12), count)
    )
    assert (1 - 1 / math.e) * best <= placement.coverage <= best + 1e-12
    assert len(np.unique(placement.sites, axis=0)) == count


def test_more_sites_than_places_is_an_error() -> None:
    with pytest.raises(TraceError, match="at only 2 different places: cannot place 3 RSUs"):
        place_rsus(np.zeros((2, 2)), np.ones(2), 3, 100.0)


def fleet(moving: int, standing: int, far: int) -> list[Vehicle]:
    return [
        *(Vehicle(f"m{k}", float(k), 0.0, 8.0) for k in range(moving)),
        *(Vehicle(f"s{k}", float(k), 0.0, 0.1) for k in range(standing)),
        *(Vehicle(f"f{k}", 5000.0, 0.0, 8.0) for k in range(far)),
    ]


def chosen(vehicles: list[Vehicle], count: int, seed: int = 0) -> list[str]:
    picked = select_vehicles(
        vehicles, np.array([[0.0, 0.0]]), 500.0, count, np.random.default_rng(seed)
    )
    return [vehicle.id for vehicle in picked]


def test_moving_vehicles_come_first_and_standing_ones_fill_up() -> None:
    vehicles = fleet(moving=3, standing=4, far=5)
    assert all(name.startswith("m") for name in chosen(vehicles, 3))
    five = chosen(vehicles, 5)
    assert sorted(name[0] for name in five) == ["m", "m", "m", "s", "s"]


def test_unknown_speed_counts_as_moving() -> None:
    vehicles = [Vehicle("x", 1.0, 0.0), *fleet(moving=0, standing=5, far=0)]
    assert chosen(vehicles, 1) == ["x"]


def test_the_choice_follows_the_seed_and_not_the_order() -> None:
    vehicles = fleet(moving=30, standing=5, far=5)
    assert chosen(vehicles, 5) == chosen(vehicles[::-1], 5)
    assert chosen(vehicles, 5, seed=1) != chosen(vehicles, 5, seed=2)
    assert chosen(vehicles, 5) == sorted(chosen(vehicles, 5))


def test_too_few_vehicles_in_coverage_is_an_error_with_numbers() -> None:
    with pytest.raises(
        TraceError, match="4 AVs are wanted but only 3 of 8 vehicles are within 500 m"
    ):
        chosen(fleet(moving=2, standing=1, far=5), 4)

"""Generated towns and the traffic in them."""

import itertools
import math

import numpy as np
import pytest

from veaat_migration.mobility.driving import drive
from veaat_migration.mobility.roads import RoadNetwork, grid_town, ring_town
from veaat_migration.mobility.traffic import TraceError, observe


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def reachable(network: RoadNetwork) -> int:
    seen, open_ends = {0}, [0]
    while open_ends:
        for index in network.leaving[open_ends.pop()]:
            end = network.streets[index].end
            if end not in seen:
                seen.add(end)
                open_ends.append(end)
    return len(seen)


TOWNS = {
    "grid": lambda seed: grid_town(5, 4, 150.0, generator(seed)),
    "ring": lambda seed: ring_town(3, 7, 150.0, generator(seed)),
    "smallest grid": lambda seed: grid_town(1, 1, 60.0, generator(seed)),
    "smallest ring": lambda seed: ring_town(1, 3, 60.0, generator(seed)),
}


@pytest.mark.parametrize("town", TOWNS.values(), ids=TOWNS.keys())
@pytest.mark.parametrize("seed", range(5))
def test_every_junction_can_be_reached_and_left(town, seed: int) -> None:
    network = town(seed)
    assert reachable(network) == len(network.junctions)
    assert min(map(len, network.leaving)) >= 2
    assert {(s.end, s.start) for s in network.streets} == {
        (s.start, s.end) for s in network.streets
    }
    assert len(network.lines) == len(network.streets) / 2


def test_the_grid_has_the_size_asked_for() -> None:
    network = grid_town(5, 4, 150.0, generator())
    assert len(network.junctions) == 6 * 5
    np.testing.assert_allclose(np.ptp(network.junctions, axis=0), [750, 600], atol=40)
    limits = {round(street.speed_limit * 3.6) for street in network.streets}
    assert limits == {30, 50}


def test_street_lengths_are_those_of_the_map() -> None:
    network = ring_town(2, 6, 100.0, generator())
    for street in network.streets:
        step = network.junctions[street.end] - network.junctions[street.start]
        assert street.length == pytest.approx(float(np.hypot(*step)))


@pytest.mark.parametrize("town", TOWNS.values(), ids=TOWNS.keys())
def test_the_same_seed_gives_the_same_town(town) -> None:
    np.testing.assert_array_equal(town(3).junctions, town(3).junctions)
    assert not np.array_equal(town(3).junctions, town(4).junctions)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: grid_town(0, 4, 100.0, generator()), "1 to 10000 blocks, got 0 x 4"),
        (lambda: grid_town(1000, 1000, 100.0, generator()), "1 to 10000 blocks"),
        (lambda: grid_town(2, 2, 5.0, generator()), "side of 10 m to 10 km, got 5 m"),
        (lambda: ring_town(2, 2, 100.0, generator()), "at least 3 radial roads, got 2"),
        (
            lambda: list(drive(grid_town(1, 1, 50.0, generator()), 1000, 1.0, generator())),
            r"1000 vehicles do not fit: the streets hold \d+",
        ),
    ],
)
def test_impossible_towns_are_refused(make, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        make()


@pytest.fixture(scope="module")
def snapshots():
    network = grid_town(4, 3, 150.0, generator(1))
    return network, list(drive(network, 60, 90.0, generator(2)))


def test_there_is_a_snapshot_every_second_with_every_vehicle(snapshots) -> None:
    _, scenes = snapshots
    assert [scene.time for scene in scenes] == [float(second) for second in range(91)]
    assert {len(scene.vehicles) for scene in scenes} == {60}


def test_vehicles_stay_on_the_streets(snapshots) -> None:
    network, scenes = snapshots
    starts = np.array([network.junctions[street.start] for street in network.streets])
    ends = np.array([network.junctions[street.end] for street in network.streets])
    for vehicle in scenes[-1].vehicles:
        point = np.array([vehicle.x, vehicle.y])
        along = np.clip(
            ((point - starts) * (ends - starts)).sum(axis=1) / ((ends - starts) ** 2).sum(axis=1),
            0,
            1,
        )
        nearest = starts + along[:, None] * (ends - starts)
        assert np.hypot(*(nearest - point).T).min() <= 2.1


def test_speeds_are_those_of_a_town_and_match_the_way_travelled(snapshots) -> None:
    _, scenes = snapshots
    for before, after in itertools.pairwise(scenes):
        for first, second in zip(before.vehicles, after.vehicles, strict=True):
            assert 0.0 <= second.speed <= 1.1 * 50 / 3.6
            way = math.hypot(second.x - first.x, second.y - first.y)
            assert way <= max(first.speed, second.speed) + 2.0 + 5.0  # may change lanes at a turn


def test_some_wait_at_lights_and_most_drive(snapshots) -> None:
    _, scenes = snapshots
    standing = np.mean([vehicle.speed < 0.5 for scene in scenes[30:] for vehicle in scene.vehicles])
    assert 0.03 < standing < 0.5


def test_vehicles_do_not_overlap_within_a_lane(snapshots) -> None:
    _, scenes = snapshots
    gaps = []
    for scene in scenes[10:]:
        lanes: dict[str, list[float]] = {}
        for vehicle in scene.vehicles:
            lanes.setdefault(vehicle.lane, []).append(vehicle.lane_position)
        gaps += [gap for lane in lanes.values() for gap in np.diff(sorted(lane))]
    # Vehicles from several streets may merge closely behind a junction; nobody drives through.
    assert np.mean(np.array(gaps) < 4.5) < 0.02


def test_the_same_seed_drives_the_same_way() -> None:
    network = ring_town(2, 5, 100.0, generator(1))
    first = list(drive(network, 20, 30.0, generator(7)))
    assert first == list(drive(network, 20, 30.0, generator(7)))
    assert first != list(drive(network, 20, 30.0, generator(8)))


def test_a_fraction_of_a_second_is_reached() -> None:
    network = grid_town(2, 2, 100.0, generator())
    assert observe(drive(network, 5, 20.5, generator()), 20.5).time == 20.0

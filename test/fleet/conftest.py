"""Small cities and roads for the tests of the fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from veaat_migration.fleet.population import City, Rsu, draw_rsus
from veaat_migration.fleet.settings import Settings
from veaat_migration.fleet.simulation import Simulation
from veaat_migration.mobility.traffic import Snapshot, Vehicle

Road = Callable[..., Iterator[Snapshot]]


@pytest.fixture
def road() -> Road:
    """Vehicles one behind the other drive east at 20 m/s along y = 0."""

    def drive(
        vehicles: int = 1,
        seconds: int = 60,
        gap: float = 40.0,
        speed: float = 20.0,
        step: float = 1.0,
    ) -> Iterator[Snapshot]:
        for k in range(int(seconds / step) + 1):
            time = k * step
            yield Snapshot(
                time,
                tuple(
                    Vehicle(f"car {n}", speed * time - gap * n, 0.0, speed, 90.0)
                    for n in range(vehicles)
                ),
            )

    return drive


@pytest.fixture
def two_cells() -> City:
    """Coverages of 300 m around x = 0 and x = 500 m."""
    return City(draw_rsus(1, [(0.0, 0.0), (500.0, 0.0)], 300.0))


@pytest.fixture
def calm() -> Settings:
    """No fading, links as when they were bought: the model's delays hold exactly."""
    return Settings(fading=False, follow_link=False)


def with_all(city: City, **changes: object) -> City:
    """The city with something changed at each RSU."""
    rsus: tuple[Rsu, ...] = tuple(replace(rsu, **changes) for rsu in city.rsus)  # type: ignore[arg-type]
    return replace(city, rsus=rsus)


@pytest.fixture
def changed() -> Callable[..., City]:
    """:func:`with_all`."""
    return with_all


@pytest.fixture
def simulate() -> Callable[..., Simulation]:
    """A simulation with a policy by name."""
    from veaat_migration.fleet.policies import make_policy

    def make(snapshots, city, policy="best_response", seed=1, **options):  # type: ignore[no-untyped-def]
        return Simulation(
            snapshots, city, make_policy(policy, len(city.rsus), seed), seed=seed, **options
        )

    return make

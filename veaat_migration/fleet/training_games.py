"""Games drawn from traffic, to learn in: who meets whom from towns, everything else by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from veaat_migration.fleet.game_round import LEAST_FREE
from veaat_migration.fleet.market import Market
from veaat_migration.fleet.places import Excerpt, placed
from veaat_migration.fleet.policies import Deal, Geometric, Moment
from veaat_migration.fleet.population import BANDWIDTH_MAX, CAPACITY, PRICE_MAX, reseeded
from veaat_migration.fleet.settings import Settings
from veaat_migration.fleet.simulation import Simulation
from veaat_migration.fleet.town import Town, write_town
from veaat_migration.game.experience import quality_of_experience

Reach = npt.NDArray[np.bool_]
TOWNS = (
    Town("grid", (9, 7), 200.0, 250, 90.0, 11),
    Town("ring", (5, 10), 180.0, 250, 90.0, 12),
    Town("grid", (6, 6), 250.0, 150, 90.0, 13),
)
JUDGED = (Town("grid", (8, 8), 180.0, 250, 60.0, 21), Town("ring", (4, 9), 220.0, 200, 60.0, 22))
"""Towns in which nothing is learned."""
_RADII = (300.0, 400.0)
_MAX_AVS, _RSUS = 16, 12
_IDLE = 0.5
"""Share of the RSUs from which nothing is taken yet."""


class Collector:
    """Plays by distance, and keeps who could reach whom."""

    name = "collector"

    def __init__(self, n_rsus: int) -> None:
        """For a city of ``n_rsus``."""
        self._policy = Geometric("nearest", n_rsus)
        self.reaches: list[Reach] = []

    def play(self, moment: Moment) -> Deal:
        """As the nearest RSU would."""
        self.reaches.append(moment.market.reach)
        return self._policy.play(moment)


def collect(towns: Sequence[Town]) -> list[Reach]:
    """Who reaches whom in all games of some towns."""
    found: list[Reach] = []
    with TemporaryDirectory() as folder:
        for k, town in enumerate(towns):
            path = Path(folder) / "town.xml"
            write_town(path, town)
            site = placed(Excerpt(path), _RSUS, _RADII[k % len(_RADII)])
            city = reseeded(site.city, town.seed, given=False)
            collector = Collector(len(city.rsus))
            Simulation(Excerpt(path).snapshots(), city, collector, seed=town.seed).run()
            found += collector.reaches
    return found


def draw_games(reaches: Sequence[Reach], count: int, draw: np.random.Generator) -> Market:
    """Games with players drawn anew, filled up to one size: arrays have a leading axis [count]."""
    settings = Settings()
    reach = np.zeros((count, _MAX_AVS, _RSUS), dtype=bool)
    for k in range(count):
        one = reaches[int(draw.integers(len(reaches)))]
        rows = draw.permutation(len(one))[:_MAX_AVS]
        reach[k, : len(rows), : one.shape[1]] = one[rows]
    avs = reach.any(axis=-1).sum(axis=-1)
    reputation = draw.uniform(1.0, 2.0, (count, _RSUS))
    distortion = draw.uniform(0.2, 0.4, (count, _RSUS))
    base = np.vectorize(quality_of_experience)(distortion, 0.6)
    social = settings.social / np.maximum(avs - 1, 1)
    idle = draw.random((count, _RSUS)) < _IDLE
    capacity = draw.uniform(*CAPACITY, (count, _RSUS))
    free = np.where(idle, capacity, capacity * draw.uniform(0.0, 1.0, (count, _RSUS)) ** 2)
    return Market(
        satisfaction=draw.uniform(60.0, 180.0, (count, _MAX_AVS)),
        offset=math.e - draw.uniform(1.5, 2.0, (count, _MAX_AVS)),
        quality=base * reputation,
        cost=draw.uniform(2.0, 3.0, (count, _RSUS)),
        reach=reach,
        price_max=PRICE_MAX,
        bandwidth_max=BANDWIDTH_MAX,
        social=social[:, None, None],
        service=settings.service,
        capacity=np.maximum(free, LEAST_FREE),
    )


def single(batch: Market, k: int) -> Market:
    """One game of a batch, without players that are not there."""
    reach = batch.reach[k]
    avs, rsus = reach.any(axis=1), reach.any(axis=0)
    return Market(
        batch.satisfaction[k][avs],
        batch.offset[k][avs],
        batch.quality[k][rsus],
        batch.cost[k][rsus],
        reach[np.ix_(avs, rsus)],
        batch.price_max,
        batch.bandwidth_max,
        float(np.asarray(batch.social)[k, 0, 0]),
        batch.service,
        None if batch.capacity is None else batch.capacity[k][rsus],
    )

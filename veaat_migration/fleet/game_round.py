"""One game of a fleet: from who asks and who is in reach to what each AV has bought."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from veaat_migration.fleet.books import Migration
from veaat_migration.fleet.market import Market
from veaat_migration.fleet.policies import Moment, Policy
from veaat_migration.fleet.population import Av, City
from veaat_migration.fleet.settings import Settings
from veaat_migration.game.delay import reinstantiation_delay
from veaat_migration.mobility.fleet import FleetView
from veaat_migration.protocol.migration.merits import Merits

LEAST_FREE = 0.01
"""A full RSU still asks a price, the highest: it has this much left [MHz]."""


@dataclass(frozen=True)
class Asking:
    """An AV in a game."""

    av_id: int
    row: int
    """In the view."""
    av: Av
    migration: Migration
    """To be filled in."""
    avoided: frozenset[int] = frozenset()
    """RSUs (index) that failed this AV lately: it asks them only where no other is in reach."""


@dataclass(frozen=True)
class Round:
    """What was played."""

    players: int
    """AVs with an RSU in reach."""
    prices: dict[int, float]
    """By RSU (index) [money/MHz]"""


def reachable(
    view: FleetView, rows: Sequence[int], owners: Sequence[int], lead: float
) -> npt.NDArray[np.bool_]:
    """RSUs that a twin may move to, shape [V, R].

    Those that cover the vehicle within ``lead`` [s] and longer than its twin's present RSU, all at
    constant velocity; never that RSU itself.
    """
    places = np.asarray(rows, dtype=np.intp)
    now = np.asarray(owners, dtype=np.intp)
    leaves, enters = view.lines.leaves[places], view.entry_time[places]
    until = view.exit_time[places, now]
    possible = (enters <= lead) & (leaves > until[:, None])
    possible[np.arange(len(places)), now] = False
    return np.asarray(possible)


def play_round(
    view: FleetView,
    ready: Sequence[Asking],
    city: City,
    policy: Policy,
    settings: Settings,
    merits: Merits,
    alive: set[int],
    free: npt.NDArray[np.float64],
) -> Round:
    """Play, and fill in what each AV has bought; without any RSU in reach its target stays -1.

    Args:
        view: the moment at which they asked.
        ready: AVs that play.
        city: its RSUs.
        policy: plays all of them.
        settings: couplings and reach.
        merits: reputation of the RSUs so far.
        alive: ids of the RSUs that answer.
        free: bandwidth that each RSU has left [MHz].
    """
    rows = [asking.row for asking in ready]
    reach = reachable(view, rows, [a.migration.source for a in ready], settings.lead)
    reach[:, [j for j in range(len(city.rsus)) if j + 1 not in alive]] = False
    for k, asking in enumerate(ready):
        others = reach[k].copy()
        others[list(asking.avoided)] = False
        if others.any():
            reach[k] = others
    playing = np.flatnonzero(reach.any(axis=1))
    if not len(playing):
        return Round(0, {})
    rsus = np.flatnonzero(reach.any(axis=0))
    players = [ready[int(k)] for k in playing]
    among = reach[np.ix_(playing, rsus)]
    moment = _moment(view, players, among, rsus, city, settings, merits, free[rsus])
    deal = policy.play(moment)
    utilities = moment.market.parts(deal.prices, deal.demand).sum(axis=1)
    for i, k in enumerate(playing.tolist()):
        _buy(ready[k], moment, i, deal.targets[i], deal.prices, deal.demand, city)
        ready[k].migration.utility = float(utilities[i])
    prices = zip(rsus.tolist(), deal.prices.tolist(), strict=True)
    return Round(len(playing), dict(prices))


def _moment(
    view: FleetView,
    players: Sequence[Asking],
    reach: npt.NDArray[np.bool_],
    rsus: npt.NDArray[np.intp],
    city: City,
    settings: Settings,
    merits: Merits,
    free: npt.NDArray[np.float64],
) -> Moment:
    where = np.ix_(np.array([asking.row for asking in players]), rsus)
    avs = [asking.av for asking in players]
    sellers = [city.rsus[j] for j in rsus]
    reputation = [merits.reputation(int(j) + 1) for j in rsus]
    market = Market(
        satisfaction=np.array([av.satisfaction for av in avs]),
        offset=np.array([av.offset for av in avs]),
        quality=np.array([r.quality * k for r, k in zip(sellers, reputation, strict=True)]),
        cost=np.array([rsu.cost for rsu in sellers]),
        reach=reach,
        price_max=city.price_max,
        bandwidth_max=city.bandwidth_max,
        social=settings.social / max(len(avs) - 1, 1),
        service=settings.service,
        capacity=np.maximum(free, LEAST_FREE),
    )
    compute = reinstantiation_delay(
        np.array([av.cycles for av in avs])[:, None], [rsu.server.compute for rsu in sellers]
    )
    return Moment(
        market=market,
        rsus=tuple(int(j) for j in rsus),
        distance=view.coverage.distance[where],
        efficiency=view.efficiency[where],
        base_delay=compute + np.array([rsu.wait for rsu in sellers]),
        data=np.array([av.data for av in avs]),
        max_delay=np.array([av.max_delay for av in avs]),
    )


def _buy(
    asking: Asking,
    moment: Moment,
    i: int,
    column: int,
    prices: npt.NDArray[np.float64],
    demand: npt.NDArray[np.float64],
    city: City,
) -> None:
    migration = asking.migration
    migration.players = moment.market.n_avs
    migration.alternatives = int(moment.market.reach[i].sum())
    migration.target = moment.rsus[column]
    rsu = city.rsus[migration.target]
    migration.price, migration.cost = float(prices[column]), rsu.cost
    migration.bandwidth = float(demand[i, column])
    migration.efficiency = float(moment.efficiency[i, column])
    usable = migration.bandwidth + asking.av.offset
    worth = asking.av.satisfaction * math.log(usable) if usable > 0.0 else -math.inf
    migration.surplus = worth - migration.price * migration.bandwidth
    rate = migration.bandwidth * migration.efficiency
    migration.expected_transfer = asking.av.data / rate if rate > 0.0 else math.inf
    migration.expected_queue = rsu.wait
    migration.expected_compute = asking.av.cycles / rsu.server.compute
    migration.deadline = asking.av.max_delay

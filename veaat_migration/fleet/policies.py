"""Policies that price and buy in a fleet's games, by name: ``DESCRIPTIONS`` says what each does.

All of them play both sides. What a deal says is carried out by the same migrations.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from veaat_migration.fleet.equilibrium import equilibrium
from veaat_migration.fleet.errors import FleetError
from veaat_migration.fleet.market import Market
from veaat_migration.game.instance import FloatArray
from veaat_migration.game.profiles import FollowerDelay, FollowerProfile
from veaat_migration.policy.baselines import EXPLORATION, MEMORY
from veaat_migration.policy.interface import FollowerObservation
from veaat_migration.policy.migration import MigrationPlanner

DESCRIPTIONS = {
    "best_response": "RSUs ask the exact Stackelberg equilibrium of the moment's game, as if they "
    "knew its AVs; AVs buy their exact best response, and go where the vehicle's planner says: to "
    "the RSU in time with the largest part of their expected utility.",
    "learned": "RSUs share one pricing network, AVs one demand network; each player gives it what "
    "it knows itself. Targets by the vehicle's planner.",
    "greedy": "Each RSU repeats the price that earned most per asking AV in its last 100 games; "
    "AVs repeat the share of b_max that was worth most, in a memory that they share because each "
    "plays few games; one time in ten another one. Targets by the vehicle's planner.",
    "random": "Random prices, demands and targets among the RSUs in range.",
    "nearest": "Equilibrium prices and the best response's bandwidth, bought at the nearest RSU "
    "in range.",
    "strongest": "Equilibrium prices and the best response's bandwidth, bought at the RSU in range "
    "with the best signal at that moment.",
}
NAMES = tuple(DESCRIPTIONS)
ACCURACY = 1e-3
"""Of equilibrium prices: payoffs are then right to about a millionth."""


@dataclass(frozen=True)
class Moment:
    """What a game is played about; rows and columns as in its market."""

    market: Market
    rsus: tuple[int, ...]
    """Indices of the market's RSUs in the city, shape [R]"""
    distance: FloatArray
    """[m], shape [V, R]"""
    efficiency: FloatArray
    """s_ij now [bit/s/Hz], shape [V, R]"""
    base_delay: FloatArray
    """T0_ij, mean wait and re-instantiation [s], shape [V, R]"""
    data: FloatArray
    """D_i [Mbit], shape [V]"""
    max_delay: FloatArray
    """T_i^max [s], shape [V]"""

    def delay(self, av: int, rsu: int, bandwidth: float) -> float:
        """T_ij [s]; infinite without bandwidth."""
        rate = bandwidth * float(self.efficiency[av, rsu])
        if rate <= 0.0:
            return math.inf
        return float(self.data[av]) / rate + float(self.base_delay[av, rsu])


@dataclass(frozen=True)
class Deal:
    """How a game came out."""

    prices: FloatArray
    """p_j [money/MHz], shape [R]"""
    demand: FloatArray
    """b_ij [MHz], shape [V, R]"""
    targets: tuple[int, ...]
    """For each AV the column of the RSU to move to; it buys what it demanded there. An AV with no
    offer that it can use names the best of the bad ones: its migration ends there."""


class Policy(Protocol):
    """Plays games; may remember."""

    name: str

    def play(self, moment: Moment) -> Deal:
        """Prices, demand and targets."""
        ...


def make_policy(name: str, n_rsus: int, seed: int, weights: Path | None = None) -> Policy:
    """A policy for a city of ``n_rsus`` RSUs.

    Args:
        name: of ``NAMES``.
        n_rsus: RSUs of the city.
        seed: of its own draws.
        weights: file of the learned policy; None: the one that comes with the package.

    Raises:
        FleetError: there is none of this name.
    """
    generator = np.random.default_rng([seed, NAMES.index(name) if name in NAMES else 0])
    if name == "best_response":
        return BestResponse(n_rsus)
    if name == "greedy":
        return Greedy(n_rsus, generator)
    if name == "random":
        return Random(generator)
    if name in ("nearest", "strongest"):
        return Geometric(name, n_rsus)
    if name == "learned":
        from veaat_migration.fleet.learned import Learned, read_weights, shipped_weights

        return Learned(shipped_weights() if weights is None else read_weights(weights))
    raise FleetError(f"policies: must be of {', '.join(NAMES)}, got {name!r}")


class BestResponse:
    """The equilibrium of every game."""

    name = "best_response"

    def __init__(self, n_rsus: int) -> None:
        """Begin without known prices."""
        self._last = np.full(n_rsus, np.nan)

    def play(self, moment: Moment) -> Deal:
        """Equilibrium prices, exact demand, the planner's targets."""
        prices, demand = self.solve(moment)
        return Deal(prices, demand, planned(moment, prices, demand))

    def solve(self, moment: Moment) -> tuple[FloatArray, FloatArray]:
        """Prices [R] and demand [V, R] of the equilibrium, looked for near the last prices."""
        columns = list(moment.rsus)
        found = equilibrium(moment.market, self._last[columns], accuracy=ACCURACY)
        self._last[columns] = found.prices
        return found.prices, found.demand


class Geometric:
    """The nearest RSU or the strongest signal, with the best response's prices and demand there."""

    def __init__(self, name: str, n_rsus: int) -> None:
        """``name``: nearest or strongest."""
        self.name = name
        self._market = BestResponse(n_rsus)

    def play(self, moment: Moment) -> Deal:
        """Equilibrium prices and demand, targets by place."""
        prices, demand = self._market.solve(moment)
        worth = -moment.distance if self.name == "nearest" else moment.efficiency
        targets = np.where(moment.market.reach, worth, -np.inf).argmax(axis=1)
        return Deal(prices, demand, tuple(targets.tolist()))


class Random:
    """Chance."""

    name = "random"

    def __init__(self, generator: np.random.Generator) -> None:
        """``generator`` of all its draws."""
        self._draw = generator

    def play(self, moment: Moment) -> Deal:
        """Uniform prices, demand, and target among those in reach."""
        market = moment.market
        low = market.price_min
        prices = low + (market.price_max - low) * (1.0 - self._draw.random(market.n_rsus))
        demand = self._draw.uniform(0.0, market.bandwidth_max, market.reach.shape)
        chance = np.where(market.reach, self._draw.random(market.reach.shape), -1.0)
        return Deal(prices, demand * market.reach, tuple(chance.argmax(axis=1).tolist()))


class Greedy:
    """What was best in memory, now and then something else.

    Each RSU has its own memory; AVs share one, because each plays only a few games in its life.
    """

    name = "greedy"

    def __init__(self, n_rsus: int, generator: np.random.Generator) -> None:
        """Begin without memories."""
        self._draw = generator
        self._earned: list[deque[tuple[float, float]]] = [
            deque(maxlen=MEMORY) for _ in range(n_rsus)
        ]
        self._worth: deque[tuple[float, float]] = deque(maxlen=MEMORY)

    def play(self, moment: Moment) -> Deal:
        """The remembered best, and remember how it went."""
        market = moment.market
        prices = np.array([self._price(j, market, k) for k, j in enumerate(moment.rsus)])
        shares = np.array([self._share() for _ in range(market.n_avs)])
        demand = np.where(market.reach, shares[:, None] * market.bandwidth_max, 0.0)
        deal = Deal(prices, demand, planned(moment, prices, demand))
        asking = market.reach.sum(axis=0)
        for k, profit in enumerate(market.profits(prices, demand).tolist()):
            self._earned[moment.rsus[k]].append((profit / float(asking[k]), float(prices[k])))
        utility = market.parts(prices, demand).sum(axis=1) / market.satisfaction
        self._worth.extend(zip(utility.tolist(), shares.tolist(), strict=True))
        return deal

    def _price(self, rsu: int, market: Market, column: int) -> float:
        memory = self._earned[rsu]
        if memory and self._draw.random() >= EXPLORATION:
            return max(memory)[1]
        low = float(market.price_min[column])
        return low + (market.price_max - low) * (1.0 - self._draw.random())

    def _share(self) -> float:
        if self._worth and self._draw.random() >= EXPLORATION:
            return max(self._worth)[1]
        return float(self._draw.random())


def planned(moment: Moment, prices: FloatArray, demand: FloatArray) -> tuple[int, ...]:
    """Each AV's target as its vehicle's planner decides; the fastest where nothing is in time."""
    market = moment.market
    targets = []
    for i in range(market.n_avs):
        columns = np.flatnonzero(market.reach[i]).tolist()
        targets.append(columns[_plan(moment, prices, demand, i, columns)])
    return tuple(targets)


def _plan(
    moment: Moment, prices: FloatArray, demand: FloatArray, i: int, columns: Sequence[int]
) -> int:
    """Position in ``columns`` of the target of AV ``i``."""
    market = moment.market
    own = demand[i, columns]
    if len(columns) == 1:
        return 0
    ids = tuple(range(1, len(columns) + 1))
    delay = FollowerDelay(
        data=float(moment.data[i]),
        max_delay=float(moment.max_delay[i]),
        spectral_efficiency=dict(zip(ids, moment.efficiency[i, columns].tolist(), strict=True)),
        base_delay=dict(zip(ids, moment.base_delay[i, columns].tolist(), strict=True)),
    )
    social = float(np.asarray(market.social))
    others = demand[:, columns].sum(axis=0) - own
    profile = FollowerProfile(
        av_id=1,
        satisfaction=float(market.satisfaction[i]),
        offset=float(market.offset[i]),
        bandwidth_max=market.bandwidth_max,
        social={2: social} if social else {},
        service={(j, s): market.service for j in ids for s in ids if j != s}
        if market.service
        else {},
        delay=delay,
    )
    # All others have the same coupling: one AV with their whole demand stands for them.
    observation = FollowerObservation(
        1, ids, prices[columns], market.quality[columns], (2,), others[None]
    )
    decision = MigrationPlanner(profile).decide(observation, own)
    if decision.target_rsu_id:
        return decision.target_rsu_id - 1
    times = [moment.delay(i, j, float(b)) for j, b in zip(columns, own.tolist(), strict=True)]
    return int(np.argmin(times))

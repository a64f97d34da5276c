"""Every leader's payoff along its whole price interval, with the AVs re-equilibrated.

The points of all leaders are evaluated together: by the fast kernel where the AVs' equilibrium is
provably unique, by the careful solver elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from math import inf

import numpy as np

from veaat_migration.game.followers import Start, follower_equilibria
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.kernel import Cases, equilibria
from veaat_migration.game.large_lines import ColumnEvaluator
from veaat_migration.game.leader import payoffs, price_grid
from veaat_migration.game.line_search import (
    EvaluateMany,
    IntArray,
    LineMaximum,
    Samples,
    global_maxima,
    in_chunks,
)
from veaat_migration.game.payoff import payoff
from veaat_migration.game.stack import GameStack, covers, is_large, stack_games
from veaat_migration.game.uniqueness import provably_unique

_CAREFUL_CHUNK = 64
"""Points between two looks at the clock."""
_CHUNK = 1_000_000
"""Entries n * V * R handled at once."""


def best_prices(
    instance: GameInstance,
    prices: FloatArray,
    start: Start = "low",
    *,
    demand: FloatArray | None = None,
    rsus: Sequence[int] | None = None,
    give_up: float = inf,
) -> list[LineMaximum]:
    """Leaders' globally best prices, each with the others' held fixed.

    Args:
        instance: the game.
        prices: current prices, [R]; among the points tried.
        start: which of the AVs' equilibria to follow where there are several.
        demand: their equilibrium at ``prices`` [V, R], if known.
        rsus: indices of the leaders in question; None means all.
        give_up: time [s of time.perf_counter] after which a rugged game is not searched on.

    Raises:
        OutOfTimeError: ``give_up`` has passed.
    """
    if demand is None:
        demand = follower_equilibria(instance, prices, start).demand[0]
    evaluator: EvaluateMany = _Evaluator(instance, prices, start, demand, give_up)
    if is_large(instance):
        evaluator = ColumnEvaluator(stack_games([instance]), prices, demand)
    leaders = np.arange(instance.n_rsus) if rsus is None else np.asarray(rsus)
    grids = [price_grid(instance, prices, int(j), demand) for j in leaders]
    scale = 1e-9 * float(instance.satisfaction.sum())

    def evaluate(lines: IntArray, points: FloatArray) -> Samples:
        if time.perf_counter() > give_up:
            raise OutOfTimeError
        return evaluator(leaders[lines], points)

    return global_maxima(evaluate, grids, scale=scale)


class OutOfTimeError(Exception):
    """A search of price intervals took too long."""


@lru_cache
def _whole_numbers(count: int) -> IntArray:
    """Random ones, whose sums tell regimes apart without keeping them."""
    return np.random.default_rng(1).integers(1, 2**62, size=count)


class _Evaluator:
    """Payoff of leader j at price x, all else as given."""

    def __init__(
        self,
        instance: GameInstance,
        prices: FloatArray,
        start: Start,
        demand: FloatArray,
        give_up: float,
    ) -> None:
        self.instance = instance
        self.prices = prices
        self.start = start
        self.give_up = give_up
        self.stack: GameStack | None = None
        if covers(instance) and start == "low":
            self.stack = stack_games([instance])
        self.demand = demand
        self._hash = _whole_numbers(instance.n_avs * (instance.n_rsus + 1))

    def __call__(self, rsus: IntArray, points: FloatArray) -> Samples:
        """Values, slopes by the price, and a number for the regime of each point."""
        size = max(1, _CHUNK // self.demand.size)
        value, slope, regime = in_chunks(self._evaluate, size, rsus, points)
        return Samples(points, value, slope, regime[:, None])

    def _evaluate(
        self, rsus: IntArray, points: FloatArray
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        vectors = np.repeat(self.prices[None], len(points), axis=0)
        rows = np.arange(len(points))
        vectors[rows, rsus] = points
        if self.stack is None:
            return self._carefully(vectors, rsus)
        cases = Cases(self.stack, vectors)
        sure = provably_unique(cases)
        if not sure.any():
            return self._carefully(vectors, rsus)
        guess = np.broadcast_to(self.demand, (int(sure.sum()), *self.demand.shape))
        some = cases if sure.all() else cases.take(sure)
        demand, converged = equilibria(some, guess)
        sure[sure] = converged
        if sure.all():
            return self._quickly(some, demand, rsus)
        value, slope = np.empty(len(points)), np.empty(len(points))
        regime = np.empty(len(points), dtype=np.int64)
        if converged.any():
            found = self._quickly(some.take(converged), demand[converged], rsus[sure])
            value[sure], slope[sure], regime[sure] = found
        value[~sure], slope[~sure], regime[~sure] = self._carefully(vectors[~sure], rsus[~sure])
        return value, slope, regime

    def _quickly(
        self, cases: Cases, demand: FloatArray, rsus: IntArray
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        game = self.instance
        rows = np.arange(len(rsus))
        response = cases.response(demand, rsus)[rows, :, rsus]  # by y = 1 / p
        own, price = demand[rows, :, rsus], cases.prices[rows, rsus]
        theta, cost = cases.theta[rows, rsus], game.cost.T[rsus]
        result = payoff(
            price=price,
            theta=theta,
            margin=price[:, None] - cost,
            demand=own,
            response=-response / price[:, None] ** 2,
            capacity=None if game.capacity is None else game.capacity[rsus],
            axis=1,
        )
        state = (demand >= game.bandwidth_max).astype(np.int64) - (demand <= 0.0)
        regime = state.reshape(len(rsus), -1) @ self._hash[: game.n_avs * game.n_rsus]
        return result.value, result.slope, regime + result.rationed

    def _carefully(
        self, vectors: FloatArray, rsus: IntArray
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        return in_chunks(self._careful_part, _CAREFUL_CHUNK, vectors, rsus)

    def _careful_part(
        self, vectors: FloatArray, rsus: IntArray
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        if time.perf_counter() > self.give_up:
            raise OutOfTimeError
        game = self.instance
        result = payoffs(game, vectors, self.start)
        rows = np.arange(len(rsus))
        signature = result.signature.astype(np.int64)
        rationed = np.zeros(len(rsus), dtype=np.int64)
        if game.capacity is not None:
            # Only the own capacity makes a difference to a leader.
            rationed = signature[rows, rsus - game.n_rsus]
            signature = signature[:, : -game.n_rsus]
        regime = signature @ self._hash[: signature.shape[1]] + rationed
        return result.profit[rows, rsus], result.slope[rows, rsus], regime

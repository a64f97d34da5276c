"""Every leader's payoff along its whole price interval, with the AVs re-equilibrated.

The points of all leaders are evaluated together: by the fast kernel where the AVs' equilibrium is
provably unique, by the careful solver elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veaat_migration.game.capacity import delivered_share
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
)
from veaat_migration.game.stack import GameStack, covers, is_large, stack_games
from veaat_migration.game.uniqueness import provably_unique

_CHUNK = 1_000_000
"""Entries n * V * R handled at once."""


def best_prices(
    instance: GameInstance,
    prices: FloatArray,
    start: Start = "low",
    *,
    demand: FloatArray | None = None,
    rsus: Sequence[int] | None = None,
) -> list[LineMaximum]:
    """Leaders' globally best prices, each with the others' held fixed.

    Args:
        instance: the game.
        prices: current prices, [R]; among the points tried.
        start: which of the AVs' equilibria to follow where there are several.
        demand: their equilibrium at ``prices`` [V, R], if known.
        rsus: indices of the leaders in question; None means all.
    """
    if demand is None:
        demand = follower_equilibria(instance, prices, start).demand[0]
    evaluator: EvaluateMany = _Evaluator(instance, prices, start, demand)
    if is_large(instance):
        evaluator = ColumnEvaluator(stack_games([instance]), prices, demand)
    leaders = np.arange(instance.n_rsus) if rsus is None else np.asarray(rsus)
    grids = [price_grid(instance, prices, int(j), demand) for j in leaders]
    scale = 1e-9 * float(instance.satisfaction.sum())
    return global_maxima(
        lambda lines, points: evaluator(leaders[lines], points), grids, scale=scale
    )


class _Evaluator:
    """Payoff of leader j at price x, all else as given."""

    def __init__(
        self, instance: GameInstance, prices: FloatArray, start: Start, demand: FloatArray
    ) -> None:
        self.instance = instance
        self.prices = prices
        self.start = start
        self.stack: GameStack | None = None
        if covers(instance) and start == "low":
            self.stack = stack_games([instance])
        self.demand = demand
        count = 2 * instance.n_avs * (instance.n_rsus + 1) + instance.n_rsus
        # Sums of random whole numbers tell regimes apart without keeping them.
        self._hash = np.random.default_rng(1).integers(1, 2**62, size=count)

    def __call__(self, rsus: IntArray, points: FloatArray) -> Samples:
        """Values, slopes by the price, and a number for the regime of each point."""
        size = max(1, _CHUNK // self.demand.size)
        parts = [
            self._evaluate(rsus[k : k + size], points[k : k + size])
            for k in range(0, len(points), size)
        ]
        value, slope, regime = (np.concatenate(column) for column in zip(*parts, strict=True))
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
        margin = price[:, None] - cost
        income = (own * margin).sum(axis=1)
        growth = (own - response * margin / price[:, None] ** 2).sum(axis=1)
        value, slope = theta * income, theta * (growth - (1.0 - theta) / price * income)
        state = (demand >= game.bandwidth_max).astype(np.int64) - (demand <= 0.0)
        regime = state.reshape(len(rsus), -1) @ self._hash[: game.n_avs * game.n_rsus]
        if game.capacity is not None:
            share = delivered_share(game, cases.theta, demand)
            rationed = share[rows, rsus] < 1.0
            total = np.where(rationed, own.sum(axis=1), 1.0)
            change = -response.sum(axis=1) / price**2
            sold_out = game.capacity[rsus] * (growth - income * change / total) / total
            value = share[rows, rsus] * value
            slope = np.where(rationed, sold_out, slope)
            regime = regime + (share < 1.0) @ self._hash[-game.n_rsus :]
        return value, slope, regime

    def _carefully(
        self, vectors: FloatArray, rsus: IntArray
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        game = self.instance
        result = payoffs(game, vectors, self.start)
        rows = np.arange(len(rsus))
        signature = result.signature.astype(np.int64)
        regime = signature @ self._hash[: signature.shape[1]]
        if game.capacity is not None:
            r = game.n_rsus
            regime = signature[:, :-r] @ self._hash[: signature.shape[1] - r]
            regime = regime + signature[:, -r:] @ self._hash[-r:]
        return result.profit[rows, rsus], result.slope[rows, rsus], regime

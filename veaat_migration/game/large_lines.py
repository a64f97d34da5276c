"""Leaders' payoffs along their price intervals in large games.

When one leader changes its price, the demand for its own bandwidth finds its new equilibrium
here, while the demands at all other RSUs answer it to first order, each for itself. What is left
out is of third order in the couplings and vanishes at the present prices. In a large game, where
a single RSU matters little to the others, this is nearly exact at 1 / R of the cost.

With b0 the demand at the present price 1 / y0 and D_is the flexibility of the others, their
answers D_is (W_sj b_ij - W_sj0 b0_ij) change the net price x_ij of this RSU by

    - sum_s W_js D_is (W_sj b_ij - W_sj0 b0_ij),    W_js = eta_js (1 + v_s / v_j),  v_j = q_j y_j.
"""

from __future__ import annotations

import numpy as np

from veaat_migration.game.instance import FloatArray
from veaat_migration.game.kernel import Cases
from veaat_migration.game.line_search import IntArray, Samples, in_chunks
from veaat_migration.game.payoff import payoff
from veaat_migration.game.stack import GameStack

_CHUNK = 2_000_000
_SWEEPS = 200
_CLOSE = 1e-14


class ColumnEvaluator:
    """Payoff of leader j at price x, demand at the other RSUs as given."""

    def __init__(self, stack: GameStack, prices: FloatArray, demand: FloatArray) -> None:
        """For the one game of ``stack`` at prices [R] and the AVs' equilibrium there, [V, R]."""
        self.stack = stack
        self.demand = demand
        quality, service = stack.quality[0], stack.service[0]
        self.value = quality / prices
        self.total = float(self.value.sum())
        # Service couplings at price x: near_ij + x far_ij.
        self.near = demand @ service
        self.far = (demand * self.value) @ service / quality
        # Answers at the other RSUs, by powers of the price.
        bent = Cases(stack, prices[None]).flexibility(demand[None])[0]
        squared = service * service
        self.even = bent @ squared
        self.up = (bent * self.value) @ squared / quality
        self.down = (bent / self.value) @ squared * quality
        self.inverse = 1.0 / prices
        self.weights = np.random.default_rng(1).integers(1, 2**62, size=len(demand))

    def __call__(self, rsus: IntArray, points: FloatArray) -> Samples:
        """Values, slopes by the price, and a number for the regime of each point."""
        size = max(1, _CHUNK // len(self.demand))
        value, slope, regime = in_chunks(self._evaluate, size, rsus, points)
        return Samples(points, value, slope, regime[:, None])

    def _evaluate(
        self, rsus: IntArray, points: FloatArray
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        """All arrays are [V, m]."""
        stack = self.stack
        delta, offset, cap = stack.satisfaction[0], stack.offset[0], float(stack.cap[0, 0, 0])
        before, y0 = self.demand[:, rsus], self.inverse[rsus]
        even, up, down = self.even[:, rsus], self.up[:, rsus], self.down[:, rsus]
        echo = 2.0 * even + up * points + down / points
        fixed = (1.0 + points * y0) * even + up * points + down * y0
        net = points - self.near[:, rsus] - points * self.far[:, rsus] + fixed * before
        demand = self._settle(net, echo, before)
        free = (demand > 0.0) & (demand < cap)
        bent = (demand + offset) ** 2 / delta * free
        change = (up - down / points**2) * demand - (y0 * even + up) * before
        push = bent * (self.far[:, rsus] - 1.0 + change)
        response = push
        for _ in range(_SWEEPS):
            new = push + bent * (self._social(response) + echo * response)
            error = float(np.abs(new - response).max())
            response = new
            if error <= 1e-12 * float(np.abs(new).max()):
                break
        quality = stack.quality[0, rsus]
        own = quality / points
        theta = own / (self.total - self.value[rsus] + own)
        result = payoff(
            price=points,
            theta=theta,
            margin=points - stack.cost[0][:, rsus],
            demand=demand,
            response=response,
            capacity=None if stack.capacity is None else stack.capacity[0, rsus],
            axis=0,
        )
        state = (demand >= cap).astype(np.int64) - (demand <= 0.0)
        return result.value, result.slope, self.weights @ state + result.rationed

    def _settle(self, net: FloatArray, echo: FloatArray, demand: FloatArray) -> FloatArray:
        """The equilibrium at one RSU for every point."""
        stack = self.stack
        delta, offset, cap = stack.satisfaction[0], stack.offset[0], float(stack.cap[0, 0, 0])
        least = delta / (cap + offset)
        before = np.inf
        for _ in range(_SWEEPS):
            x = net - self._social(demand) - echo * demand
            wanted = delta / np.maximum(x, least) - offset
            new = np.where(x > least, wanted * (wanted > 0.0), cap)
            change = float(np.abs(new - demand).max()) / cap
            demand = new
            if change <= _CLOSE or (change <= 1e-12 and change >= before):
                break
            before = change
        return demand

    def _social(self, demand: FloatArray) -> FloatArray:
        social = self.stack.social
        result: FloatArray = (social if hasattr(social, "tocsr") else social[0]) @ demand
        return result

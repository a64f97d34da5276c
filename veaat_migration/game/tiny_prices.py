"""Smooth equilibria of a very small game in plain numbers, where numpy's overhead dominates.

The first-order conditions of :mod:`quasi_newton`, for one start at a time and only where payoffs
are smooth: what ends near a kink, at a capacity or on a convex piece of a payoff is left to the
arrays. The Jacobian takes demand for linear in y = 1 / p; what that leaves out is learnt from the
steps themselves (Broyden's update), which is cheaper than second derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veaat_migration.game import tiny
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.leader import price_bounds
from veaat_migration.game.stack import is_large
from veaat_migration.game.tiny import Rows

_MAX_STEPS = 12
_MAX_RATIO = 3.0
"""Prices change by at most this factor in a step."""
_NEAR = 0.3
"""Relative moves from which leaders move on their own, since Newton's steps may go astray."""
_CLOSE = 1e-9
"""Relative move from which one more step leads to about ten digits."""
_BOUND = 1e-5
"""Distance from a bound, relative to b_max, at which an AV may be at a kink of some payoff."""
_LEAST_PRECISION = 1e-3
_SURELY = 0.999


@dataclass(frozen=True)
class TinyFound:
    """Where the iteration came to rest."""

    prices: list[float]
    demand: Rows
    """The AVs' equilibrium, V x R"""
    iterations: int


@dataclass(frozen=True)
class _Slopes:
    """How the AVs' equilibrium changes with y, and who is held by a bound."""

    quantity: Rows
    """dQ_j/dy_l, R x R"""
    cost: Rows
    """dK_j/dy_l, R x R"""
    demand: Rows
    """db_ij/dy_l, one row per (i, j)"""
    regime: tuple[int, ...]
    """Per demand -1 at zero, 1 at b_max, 0 between"""


def suits(instance: GameInstance) -> bool:
    """Whether a game with additive couplings and no delay is so small that plain numbers pay."""
    few = instance.n_avs * instance.n_rsus <= tiny.LARGEST
    return few and instance.capacity is None and not is_large(instance)


class TinyPrices:
    """Local searches in one very small game."""

    def __init__(self, instance: GameInstance) -> None:
        """The game must have additive couplings, no delay constraint and no capacity."""
        self.instance = instance
        low, high = price_bounds(instance)
        self.lowest: list[float] = (1.0 / high).tolist()
        self.highest: list[float] = (1.0 / low).tolist()
        self.satisfaction: list[float] = instance.satisfaction.tolist()
        self.offset: list[float] = instance.offset.tolist()
        self.quality: list[float] = instance.quality.tolist()
        self.cost: Rows = instance.cost.tolist()
        self.social: Rows = instance.social.tolist()
        self.service: Rows = instance.service.tolist()
        self.cap = instance.bandwidth_max
        self.avs, self.rsus = range(instance.n_avs), range(instance.n_rsus)

    def links(self, y: Sequence[float]) -> tuple[Rows, Rows]:
        """L_js = eta_js theta_s / theta_j and W_js = eta_js + L_js, R x R each."""
        value = [q * one for q, one in zip(self.quality, y, strict=True)]
        link = [[eta * value[s] / value[j] for s, eta in enumerate(row)]
                for j, row in enumerate(self.service)]  # fmt: skip
        pair = [[eta + one for eta, one in zip(*rows, strict=True)]
                for rows in zip(self.service, link, strict=True)]  # fmt: skip
        return link, pair

    def surely_unique(self, prices: Sequence[float]) -> bool:
        """Whether row sums over the whole box prove that the AVs' equilibrium is the only one."""
        pair = self.links([1.0 / p for p in prices])[1]
        service = max(sum(map(abs, row)) for row in pair)
        return all(
            (self.cap + self.offset[i]) ** 2 * (sum(map(abs, self.social[i])) + service)
            < _SURELY * self.satisfaction[i]
            for i in self.avs
        )

    def search(self, start: FloatArray) -> TinyFound | None:
        """The smooth local equilibrium that prices ``start`` [R] lead to; None: not this way."""
        rsus = self.rsus
        y = [self._inside(j, one) for j, one in enumerate((1.0 / start).tolist())]
        demand: Rows = [[0.0] * len(rsus) for _ in self.avs]
        learnt: Rows = [[0.0] * len(rsus) for _ in rsus]
        precision = _LEAST_PRECISION
        before: tuple[list[float], Rows] | None = None
        step: list[float] = []
        regimes: list[tuple[int, ...]] = []
        for iteration in range(1, _MAX_STEPS + 1):
            link, pair = self.links(y)
            if not self._settle(y, pair, demand, precision):
                return None
            slopes = self._slopes(y, link, pair, demand)
            if slopes is None:
                return None
            condition, jacobian = self._conditions(y, demand, slopes)
            if not regimes or slopes.regime != regimes[-1]:
                if slopes.regime in regimes:
                    return None  # to and fro over a kink
                regimes.append(slopes.regime)
                learnt = [[0.0] * len(rsus) for _ in rsus]
            elif before is not None:
                _learn(learnt, step, before, (condition, jacobian))
            before = condition, jacobian
            wished = self._step(y, demand, condition, _sum(jacobian, learnt))
            if wished is None:
                return None
            step, size = wished
            new = [self._inside(j, y[j] + step[j]) for j in rsus]
            step = [a - b for a, b in zip(new, y, strict=True)]
            y = new
            self._predict(demand, slopes, step)
            if size <= _CLOSE and iteration > 1:  # the first move rests on a rough answer
                pair = self.links(y)[1]
                if not self._settle(y, pair, demand, 0.0) or self._at_kink(y, pair, demand):
                    return None
                return TinyFound([1.0 / one for one in y], demand, iteration)
            # The error of a step is about its square; there is no use in answers more precise.
            precision = min(0.1 * size * size, _LEAST_PRECISION)
        return None

    def _inside(self, j: int, y: float) -> float:
        return min(max(y, self.lowest[j]), self.highest[j])

    def _settle(self, y: Sequence[float], pair: Rows, demand: Rows, precision: float) -> bool:
        return tiny.settle(
            prices=[1.0 / one for one in y],
            pair=pair,
            social=self.social,
            satisfaction=self.satisfaction,
            offset=self.offset,
            cap=self.cap,
            demand=demand,
            precision=max(precision, 2e-15) * self.cap,
        )

    def _slopes(self, y: Sequence[float], link: Rows, pair: Rows, demand: Rows) -> _Slopes | None:
        """From the linear equations of :mod:`kernel`; None where they are singular."""
        avs, rsus, n_rsus = self.avs, self.rsus, len(self.rsus)
        prices = [1.0 / one for one in y]
        matrix, right, regime = [], [], []
        for i in avs:
            own, friends, delta, e = demand[i], self.social[i], self.satisfaction[i], self.offset[i]
            for j in rsus:
                row = [0.0] * (len(avs) * n_rsus)
                held = (own[j] >= self.cap) - (own[j] <= 0.0)
                regime.append(held)
                if held:
                    force = [0.0] * n_rsus
                else:
                    bent = (own[j] + e) ** 2 / delta
                    for k in avs:
                        row[k * n_rsus + j] = -bent * friends[k]
                    for s in rsus:
                        row[i * n_rsus + s] = -bent * pair[j][s]
                    force = [bent * link[j][s] * prices[s] * own[s] for s in rsus]
                    linked = sum(link[j][s] * own[s] for s in rsus)
                    force[j] = bent * prices[j] * (prices[j] - linked)
                row[i * n_rsus + j] = 1.0
                matrix.append(row)
                right.append(force)
        response = _solve(matrix, right)
        if response is None:
            return None
        quantity = [[sum(response[i * n_rsus + j][s] for i in avs) for s in rsus] for j in rsus]
        cost = [
            [sum(self.cost[i][j] * response[i * n_rsus + j][s] for i in avs) for s in rsus]
            for j in rsus
        ]
        return _Slopes(quantity, cost, response, tuple(regime))

    def _at_kink(self, y: Sequence[float], pair: Rows, demand: Rows) -> bool:
        """Whether some AV is so close to a bound that a payoff may have a kink here."""
        game, b = self.instance, np.array(demand)
        x = 1.0 / np.array(y) - game.social @ b - b @ np.transpose(pair)
        filled = game.satisfaction / (self.cap + game.offset)
        root = game.satisfaction[:, None] / np.maximum(x, 1e-3 * filled[:, None])
        root = root - game.offset[:, None]
        return bool(np.minimum(np.abs(root), np.abs(root - self.cap)).min() <= _BOUND * self.cap)

    def _conditions(
        self, y: Sequence[float], demand: Rows, slopes: _Slopes
    ) -> tuple[list[float], Rows]:
        """Every leader's first-order condition and its derivatives, R and R x R."""
        total = sum(q * one for q, one in zip(self.quality, y, strict=True))
        condition, jacobian = [], []
        for j, q in enumerate(self.quality):
            sold = sum(row[j] for row in demand)
            cost = sum(c[j] * b[j] for c, b in zip(self.cost, demand, strict=True))
            own_q, own_k = slopes.quantity[j][j], slopes.cost[j][j]
            margin = own_q - cost - y[j] * own_k
            condition.append(margin * total - q * (sold - y[j] * cost))
            row = [
                margin * self.quality[s] - q * slopes.quantity[j][s]
                - (total - q * y[j]) * slopes.cost[j][s]
                for s in self.rsus
            ]  # fmt: skip
            row[j] += q * cost - own_k * total
            jacobian.append(row)
        return condition, jacobian

    def _step(
        self, y: Sequence[float], demand: Rows, condition: Sequence[float], jacobian: Rows
    ) -> tuple[list[float], float] | None:
        """Change of y and the largest relative one wished for; None: some payoff is not concave."""
        wants, rows = [], []
        for j in self.rsus:
            bend, idle = -jacobian[j][j], sum(row[j] for row in demand) <= 0.0
            if bend <= 0.0 and not idle:
                return None
            # Who sells nothing gets cheaper.
            want = (_MAX_RATIO - 1.0) * y[j] if idle else condition[j] / bend
            goal = self._inside(j, y[j] + want)
            if idle or goal in (self.lowest[j], self.highest[j]):
                row = [0.0] * len(y)
            else:
                row = [-entry / bend for entry in jacobian[j]]
            row[j] = 1.0
            rows.append(row)
            wants.append(goal - y[j])
        size = max(abs(want) / one for want, one in zip(wants, y, strict=True))
        step = wants
        if size < _NEAR:
            solved = _solve(rows, [[want] for want in wants])
            if solved is None:
                return None
            step = [row[0] for row in solved]
        least = 1.0 / _MAX_RATIO - 1.0
        clipped = [min(max(s, least * one), (_MAX_RATIO - 1.0) * one)
                   for s, one in zip(step, y, strict=True)]  # fmt: skip
        return clipped, size

    def _predict(self, demand: Rows, slopes: _Slopes, step: Sequence[float]) -> None:
        """Move demand along with y, to first order."""
        rows = iter(slopes.demand)
        for own in demand:
            for j in self.rsus:
                change = sum(a * b for a, b in zip(next(rows), step, strict=True))
                own[j] = min(max(own[j] + change, 0.0), self.cap)


def _solve(matrix: Rows, right: Rows) -> Rows | None:
    try:
        solved: Rows = np.linalg.solve(matrix, right).tolist()
    except np.linalg.LinAlgError:
        return None
    return solved


def _sum(a: Rows, b: Rows) -> Rows:
    return [[x + y for x, y in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)]


def _learn(
    learnt: Rows,
    step: Sequence[float],
    before: tuple[list[float], Rows],
    after: tuple[list[float], Rows],
) -> None:
    """Broyden's update of what the Jacobians leave out, by what they got wrong in this step."""
    length = sum(s * s for s in step)
    if length <= 0.0:
        return
    for j, row in enumerate(learnt):
        slope = [0.5 * (a + b) for a, b in zip(before[1][j], after[1][j], strict=True)]
        expected = sum((a + b) * s for a, b, s in zip(slope, row, step, strict=True))
        wrong = (after[0][j] - before[0][j] - expected) / length
        for s, move in enumerate(step):
            row[s] += wrong * move

"""One AV's own optimisation problem P1 (Eqs. 9, 11), everything else held fixed.

Divided by theta_j, the utility as a function of one demand b_j alone is

    A_j ln(b_j + E) - x_j b_j [- lambda w_j / b_j],

where A_j and x_j depend on the AV's other demands through the service coupling:

    additive         A_j = delta                                x_j = p_j - S_j - sum_s W_js b_s
    multiplicative   A_j = delta (1 + S_j + sum_s eta_js b_s)   x_j = p_j - sum_s K_js ln(b_s + E)

with S_j the social term, W_js = eta_js (1 + theta_s / theta_j) and
K_js = delta eta_js theta_s / theta_j. The last term belongs to the delay constraint
sum_j theta_j w_j / b_j <= tau with multiplier lambda, w_j = D / s_j.

Numbers are plain floats: for a handful of RSUs that is several times faster than numpy,
and this code answers price offers on the vehicle.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf, log, sqrt

Vector = list[float]
_LOG_FLOOR = -745.0
"""ln of the smallest positive float: stands for ln 0 where a term is multiplied by it."""


def safe_log(value: float) -> float:
    """Natural logarithm, with a large negative number instead of an error at or below zero."""
    return log(value) if value > 5e-324 else _LOG_FLOOR


class OwnProblem:
    """Data of one AV's problem, with the bounds that make a global search possible."""

    __slots__ = (
        "coupled",
        "log_coupling",
        "lower",
        "multiplicative",
        "offset",
        "pair",
        "price",
        "satisfaction",
        "service",
        "size",
        "social",
        "theta",
        "upper",
        "weight",
    )

    def __init__(
        self,
        *,
        satisfaction: float,
        offset: float,
        upper: Vector,
        prices: Vector,
        theta: Vector,
        social: Vector,
        service: Sequence[Vector],
        weight: Vector,
        multiplicative: bool,
    ) -> None:
        """Take plain lists of length R; ``upper`` is the largest demand from each RSU [MHz]."""
        self.size = len(prices)
        self.satisfaction = satisfaction
        self.offset = offset
        self.upper = upper
        self.theta = theta
        self.weight = weight
        self.multiplicative = multiplicative
        self.service = service
        self.social = social
        # Below -E the logarithm has no meaning; an optimum never gets there.
        floor = 0.0 if offset > 0.0 else -offset + 1e-12 * (max(upper, default=0.0) + offset)
        self.lower = [min(floor, top) for top in upper]
        span = range(self.size)
        self.coupled = any(any(row) for row in service)
        self.price = prices if multiplicative else [prices[j] - social[j] for j in span]
        factor = satisfaction if multiplicative else 1.0
        if self.coupled:
            ratio = [[theta[s] / theta[j] for s in span] for j in span]
            self.pair = [[service[j][s] * (1.0 + ratio[j][s]) for s in span] for j in span]
            self.log_coupling = [[factor * service[j][s] * ratio[j][s] for s in span] for j in span]
        else:
            self.pair = self.log_coupling = []

    def coefficients(self, j: int, b: Vector) -> tuple[float, float]:
        """A_j and x_j at the other demands in ``b``."""
        price = self.price[j]
        if not self.coupled:
            scale = 1.0 + self.social[j] if self.multiplicative else 1.0
            return self.satisfaction * scale, price
        if not self.multiplicative:
            for pair, value in zip(self.pair[j], b, strict=True):
                price -= pair * value
            return self.satisfaction, price
        scale = 1.0 + self.social[j]
        for s, eta in enumerate(self.service[j]):
            if eta:
                scale += eta * b[s]
                price -= self.log_coupling[j][s] * safe_log(b[s] + self.offset)
        return self.satisfaction * scale, price

    def coefficient_bounds(
        self, j: int, low: Vector, high: Vector
    ) -> tuple[float, float, float, float]:
        """Least and greatest A_j, then least and greatest x_j, over the box [low, high]."""
        price_low = price_high = self.price[j]
        scale_low = scale_high = 1.0 + self.social[j] if self.multiplicative else 1.0
        if self.coupled:
            for s, eta in enumerate(self.service[j]):
                if not eta:
                    continue
                if self.multiplicative:
                    at_low = self.log_coupling[j][s] * safe_log(low[s] + self.offset)
                    at_high = self.log_coupling[j][s] * safe_log(high[s] + self.offset)
                    scale_low += min(eta * low[s], eta * high[s])
                    scale_high += max(eta * low[s], eta * high[s])
                else:
                    at_low, at_high = self.pair[j][s] * low[s], self.pair[j][s] * high[s]
                price_low -= max(at_low, at_high)
                price_high -= min(at_low, at_high)
        delta = self.satisfaction
        return delta * scale_low, delta * scale_high, price_low, price_high

    def answer(self, j: int, a: float, x: float, multiplier: float = 0.0) -> float:
        """The best b_j for A_j = ``a`` and x_j = ``x``; rises with ``a``, falls with ``x``."""
        low, high = self.lower[j], self.upper[j]
        strain = multiplier * self.weight[j]
        if a <= 0.0:
            return self._answer_without_satisfaction(j, a, x, strain)
        usable = high + self.offset
        if high <= low or x <= a / usable + (strain / (high * high) if strain else 0.0):
            return high
        root = a / x - self.offset
        if root < low:
            root = low
        return root if strain == 0.0 else self._strained_root(a, x, strain, root, high)

    def _strained_root(self, a: float, x: float, strain: float, low: float, high: float) -> float:
        """Root of a / (b + E) + strain / b^2 = x: Newton in 1 / b, kept inside a bracket."""
        offset = self.offset
        b = max(low, min(high, sqrt(strain / x)))
        for _ in range(80):
            if b + offset <= 0.0 or b <= 0.0:
                b = 0.5 * (low + high)
                continue
            gain, pull = a / (b + offset), strain / (b * b)
            error = gain + pull - x
            if error > 0.0:
                low = b
            else:
                high = b
            step = error / (gain / (b + offset) + 2.0 * pull / b)
            new = b + step / (1.0 - step / b) if step < 0.5 * b else b + step
            if not low <= new <= high:
                new = 0.5 * (low + high)
            if abs(new - b) <= 2e-15 * new:
                return new
            b = new
        return b

    def _answer_without_satisfaction(self, j: int, a: float, x: float, strain: float) -> float:
        """Satisfaction falls with bandwidth (strong multiplicative substitutes): rare."""
        low, high = self.lower[j], self.upper[j]
        candidates = [low, high] if strain == 0.0 or low > 0.0 else [high]
        if strain > 0.0:
            edges = [low + (high - low) * (k / 64.0) ** 3 for k in range(65)]
            spans = pairwise(edges)
            candidates += [self._bisect(a, x, strain, left, right) for left, right in spans]
        return max(candidates, key=lambda b: self._partial_value(a, x, strain, b))

    def _bisect(self, a: float, x: float, strain: float, low: float, high: float) -> float:
        for _ in range(60):
            b = 0.5 * (low + high)
            if a / (b + self.offset) - x + strain / (b * b) > 0.0:
                low = b
            else:
                high = b
        return 0.5 * (low + high)

    def _partial_value(self, a: float, x: float, strain: float, b: float) -> float:
        if strain and b <= 0.0:
            return -inf
        return a * safe_log(b + self.offset) - x * b - (strain / b if strain else 0.0)

    def value(self, b: Vector, multiplier: float = 0.0) -> float:
        """Utility at ``b`` (without the constant social terms), minus lambda times the delay."""
        total = 0.0
        for j in range(self.size):
            scale, bonus = 1.0, 0.0
            if self.multiplicative:
                scale += self.social[j]
            if self.coupled:
                link = sum(eta * v for eta, v in zip(self.service[j], b, strict=True) if eta)
                if self.multiplicative:
                    scale += link
                else:
                    bonus = link * b[j]
            delay = 0.0
            if multiplier and self.weight[j]:
                delay = multiplier * self.weight[j] / b[j] if b[j] > 0.0 else inf
            satisfied = self.satisfaction * scale * safe_log(b[j] + self.offset)
            total += self.theta[j] * (satisfied + bonus - self.price[j] * b[j] - delay)
        return total

    def strain(self, b: Vector) -> float:
        """sum_j theta_j w_j / b_j: the expected delay that bandwidth can shorten [s]."""
        total = 0.0
        for theta, weight, value in zip(self.theta, self.weight, b, strict=True):
            if weight:
                if value <= 0.0:
                    return inf
                total += theta * weight / value
        return total

    def curvature(self, j: int, s: int, low: Vector) -> float:
        """Greatest |d2U / (db_j db_s)| / theta_j over a box from ``low`` upwards, j != s."""
        if not self.multiplicative:
            return abs(self.pair[j][s])
        near_j, near_s = low[j] + self.offset, low[s] + self.offset
        own = abs(self.satisfaction * self.service[j][s])
        return own / near_j + abs(self.log_coupling[j][s]) / near_s

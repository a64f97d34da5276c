"""Many AVs' own problems (P1) at once: the arrays behind a vectorised :mod:`own_problem`.

Same formulas and notation as there; rows are problems of different AVs or at different price
vectors, columns are RSUs. What an AV takes as given (prices, the others' demand) is in the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.game.instance import FloatArray
from veaat_migration.game.replies import PriceBatch
from veaat_migration.game.strained import meet_limit, root_with_pull

_NO_LESS = 1e-12
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class OwnProblems:
    """m own problems over the same R RSUs."""

    satisfaction: FloatArray
    """delta, [m, 1]"""
    offset: FloatArray
    """E, [m, 1]"""
    lower: FloatArray
    """Least demand at which the logarithm has a meaning, [m, 1]"""
    price: FloatArray
    """p_j, less the social term if that is additive, [m, j]"""
    scale: FloatArray
    """1, plus the social term if that is multiplicative, [m, j]"""
    theta: FloatArray
    """[m, j]"""
    weight: FloatArray
    """w_j = D / s_j of the delay constraint, 0 without, [m, j]"""
    limit: FloatArray
    """of sum_j theta_j w_j / b_j, infinite without, [m]"""
    group: IntArray
    """Which of the ``links`` belongs to the row, [m]"""
    links: FloatArray
    """eta_js (1 + theta_s / theta_j), or eta_js theta_s / theta_j if multiplicative, [g, j, s]"""
    service: FloatArray
    """eta_js, [j, s]"""
    cap: float
    multiplicative: bool

    @classmethod
    def of(
        cls, batch: PriceBatch, social: FloatArray, rows: tuple[npt.NDArray[Any], ...]
    ) -> OwnProblems:
        """The problems of AVs rows[1] at the price vectors rows[0].

        Args:
            batch: n price vectors.
            social: sum_k zeta_ik b_kj at each of them, [n, i, j].
            rows: indices of price vectors and indices of AVs, [m] each.
        """
        game, (n, i) = batch.instance, rows
        term = social[n, i]
        offset = game.offset[i, None]
        weight, limit = np.zeros_like(term), np.full(len(n), np.inf)
        if batch.strained is not None:
            weight, limit = batch.strained.weight[i], batch.strained.limit[n, i]
        return cls(
            satisfaction=game.satisfaction[i, None],
            offset=offset,
            lower=np.where(offset > 0.0, 0.0, -offset + 1e-12 * (batch.cap + offset)),
            price=batch.prices[n] if batch.multiplicative else batch.prices[n] - term,
            scale=1.0 + term if batch.multiplicative else np.ones_like(term),
            theta=batch.theta[n],
            weight=weight,
            limit=limit,
            group=np.asarray(n, dtype=np.int64),
            links=batch.link if batch.multiplicative else batch.pair,
            service=game.service,
            cap=batch.cap,
            multiplicative=batch.multiplicative,
        )

    def __len__(self) -> int:
        return len(self.price)

    def take(self, rows: npt.NDArray[Any]) -> OwnProblems:
        """The problems ``rows`` (a mask or integers)."""
        return OwnProblems(
            self.satisfaction[rows], self.offset[rows], self.lower[rows], self.price[rows],
            self.scale[rows], self.theta[rows], self.weight[rows], self.limit[rows],
            self.group[rows], self.links, self.service, self.cap, self.multiplicative,
        )  # fmt: skip

    def linked(self, matrices: FloatArray, values: FloatArray) -> FloatArray:
        """sum_s matrix_js value_s with the row's own of ``matrices`` [g, j, s]."""
        if len(matrices) == 1:
            product: FloatArray = values @ matrices[0].T
            return product
        return np.asarray((matrices[self.group] @ values[..., None])[..., 0])

    def logs(self, demand: FloatArray) -> FloatArray:
        """ln(b_j + E), with a large negative number where that is not defined."""
        return np.asarray(np.log(np.maximum(demand + self.offset, 1e-300)))

    def coefficients(self, demand: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A and x at ``demand`` [m, j]."""
        if not self.multiplicative:
            x = self.price - self.linked(self.links, demand)
            return np.broadcast_to(self.satisfaction, x.shape), x
        a = self.satisfaction * (self.scale + demand @ self.service)
        return a, self.price - self.satisfaction * self.linked(self.links, self.logs(demand))

    def one_coefficient(self, j: int, demand: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A_j and x_j at ``demand``, [m] each."""
        delta = self.satisfaction[:, 0]
        source = self.logs(demand) if self.multiplicative else demand
        if len(self.links) == 1:
            link = source @ self.links[0, j]
        else:
            link = (self.links[self.group, j] * source).sum(axis=1)
        if not self.multiplicative:
            return delta, self.price[:, j] - link
        return delta * (self.scale[:, j] + demand @ self.service[j]), self.price[
            :, j
        ] - delta * link

    def coefficient_bounds(
        self, low: FloatArray, high: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Least and greatest A, then least and greatest x, over boxes [low, high]."""
        plus, minus = np.maximum(self.links, 0.0), np.maximum(-self.links, 0.0)
        if not self.multiplicative:
            least = self.linked(plus, low) - self.linked(minus, high)
            most = self.linked(plus, high) - self.linked(minus, low)
            a = np.broadcast_to(self.satisfaction, least.shape)
            return a, a, self.price - most, self.price - least
        logs = self.logs(low), self.logs(high)
        least = self.linked(plus, logs[0]) - self.linked(minus, logs[1])
        most = self.linked(plus, logs[1]) - self.linked(minus, logs[0])
        up, down = np.maximum(self.service, 0.0), np.maximum(-self.service, 0.0)
        delta = self.satisfaction
        return (
            delta * (self.scale + low @ up - high @ down),
            delta * (self.scale + high @ up - low @ down),
            self.price - delta * most,
            self.price - delta * least,
        )

    def answer(
        self, a: FloatArray, x: FloatArray, multiplier: FloatArray | None, j: int | None = None
    ) -> FloatArray:
        """Best demand for each A and x alone, [m, j]; of the one RSU ``j`` only, [m, 1].

        With a multiplier [m], satisfaction that falls with demand (A <= 0) counts as flat.
        """
        saturated = a / (self.cap + self.offset)
        if multiplier is not None and multiplier.any():
            weight = self.weight if j is None else self.weight[:, j : j + 1]
            a = np.maximum(a, _NO_LESS * self.satisfaction)
            return root_with_pull(a, x, self.offset, multiplier[:, None] * weight, self.cap)[0]
        root = a / np.maximum(x, np.maximum(saturated, 1e-300)) - self.offset
        answer = np.where(x <= saturated, self.cap, np.clip(root, self.lower, self.cap))
        if self.multiplicative and a.min(initial=1.0) <= 0.0:
            span, lower = self.cap - self.lower, np.broadcast_to(self.lower, x.shape)
            gain = a * np.log((self.cap + self.offset) / np.maximum(lower + self.offset, 1e-300))
            end = np.where(gain - x * span > 0.0, self.cap, lower)
            answer = np.where(a <= 0.0, end, answer)
        return np.asarray(answer)

    def replies(self, demand: FloatArray, guess: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Each RSU's best demand at the couplings of ``demand``, delay limits kept; multipliers.

        The delay limits must be feasible. ``guess`` of the multipliers, [m], may be 0.
        """
        a, x = self.coefficients(demand)
        new, multiplier = self.answer(a, x, None), np.zeros(len(self))
        over = self.strain(new) > self.limit
        if over.any():
            new[over], multiplier[over] = meet_limit(
                np.maximum(a[over], _NO_LESS * self.satisfaction[over]), x[over], self.offset[over],
                self.weight[over], self.theta[over], self.limit[over], self.cap, guess[over],
            )  # fmt: skip
        return new, multiplier

    def strain(self, demand: FloatArray) -> FloatArray:
        """sum_j theta_j w_j / b_j, [m] [s]."""
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = np.where(self.weight > 0.0, self.theta * self.weight / demand, 0.0)
        return np.asarray(parts.sum(axis=1))

    def value(self, demand: FloatArray, multiplier: FloatArray | None = None) -> FloatArray:
        """Utility (without the constant social terms) minus multiplier * delay, [m]."""
        logs = self.logs(demand)
        link = demand @ self.service
        if self.multiplicative:
            inner = self.satisfaction * (self.scale + link) * logs
        else:
            inner = self.satisfaction * logs + link * demand
        value = (self.theta * (inner - self.price * demand)).sum(axis=1)
        if multiplier is not None and multiplier.any():
            held = multiplier > 0.0
            value[held] -= multiplier[held] * self.strain(demand)[held]
        return np.asarray(value)

    def bound(
        self, low: FloatArray, high: FloatArray, multiplier: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """An upper bound of the value in each box, [m], and how much each RSU blurs it, [m, j].

        A product is y z = c_y z + c_z y - c_y c_z + (y - c_y)(z - c_z) around the centres c, and
        the last part is at most the product of the half widths. What remains is separable.
        """
        centre, radius = 0.5 * (low + high), 0.5 * (high - low)
        if self.multiplicative:
            ends = self.logs(low), self.logs(high)
            log_centre, log_radius = 0.5 * (ends[0] + ends[1]), 0.5 * (ends[1] - ends[0])
            a = self.satisfaction * (self.scale + centre @ self.service)
            x = self.price - self.satisfaction * self.linked(self.links, log_centre)
            blur = self.satisfaction * log_radius * (radius @ np.abs(self.service))
            fixed = blur - self.satisfaction * log_centre * (centre @ self.service)
        else:
            pushed = self.linked(self.links, centre)
            a, x = np.broadcast_to(self.satisfaction, centre.shape), self.price - pushed
            blur = 0.5 * radius * self.linked(np.abs(self.links), radius)
            fixed = blur - 0.5 * centre * pushed
        peak = np.clip(self.answer(a, x, multiplier), low, high)
        best = self._separable(a, x, peak, multiplier)
        if self.multiplicative and a.min(initial=1.0) <= 0.0:
            for end in (low, high):
                best = np.maximum(best, self._separable(a, x, end, multiplier))
        return (self.theta * (best + fixed)).sum(axis=1), self.theta * blur

    def _separable(
        self, a: FloatArray, x: FloatArray, b: FloatArray, multiplier: FloatArray | None
    ) -> FloatArray:
        value = a * self.logs(b) - x * b
        if multiplier is not None and multiplier.any():
            with np.errstate(divide="ignore", invalid="ignore"):
                pull = multiplier[:, None] * self.weight
                value = value - np.where(pull > 0.0, pull / b, 0.0)
        return np.asarray(value)

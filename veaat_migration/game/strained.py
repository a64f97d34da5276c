"""Replies under the delay constraint (Eq. 11), for many AVs and price vectors at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from veaat_migration.game.instance import FloatArray, GameInstance

BoolArray = npt.NDArray[np.bool_]
_CLOSE = 1e-14


class StrainedReplies:
    """Moves replies that are too slow along lambda until the expected delay meets its limit."""

    def __init__(self, instance: GameInstance, theta: FloatArray) -> None:
        """``theta``: [n, j]."""
        assert instance.delay is not None
        delay = instance.delay
        self.theta = theta
        self.cap = instance.bandwidth_max
        self.offset = instance.offset[:, None]
        self.base = delay.base_delay
        self.weight = delay.data[:, None] / delay.spectral_efficiency
        self.limit = delay.max_delay - theta @ delay.base_delay.T
        """What is left for transmission, [n, i] [s]"""
        quickest = theta @ (self.weight / self.cap).T
        self.feasible: BoolArray = quickest <= self.limit * (1.0 + 1e-12)
        self.saturated: BoolArray = quickest > self.limit - 1e-14 * np.abs(self.limit)

    def delays(self, demand: FloatArray) -> FloatArray:
        """T_ij, [n, i, j] [s]."""
        with np.errstate(divide="ignore", invalid="ignore"):
            transmission = np.where(self.weight > 0.0, self.weight / demand, 0.0)
        return transmission + self.base

    def slack(self, a: FloatArray, x: FloatArray) -> FloatArray:
        """1 / limit - 1 / strain of the replies that ignore the limit, [n, i]; >= 0: it binds."""
        saturated = a / (self.cap + self.offset)
        free = np.clip(a / np.maximum(x, saturated) - self.offset, 0.0, self.cap)
        with np.errstate(divide="ignore"):
            strain = (
                self.theta[:, None, :] * np.where(self.weight > 0.0, self.weight / free, 0.0)
            ).sum(axis=2)
            return np.asarray(1.0 / self.limit - 1.0 / strain)

    def tighten(
        self,
        a: FloatArray,
        x: FloatArray,
        demand: FloatArray,
        free: BoolArray,
        guess: FloatArray | None,
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Demand, multiplier, flexibility and pull (see Reply) from unconstrained replies."""
        demand = np.where(self.saturated[..., None], self.cap, demand)
        free = free & ~self.saturated[..., None]
        multiplier = np.zeros(demand.shape[:2])
        with np.errstate(divide="ignore", invalid="ignore"):
            strain = (
                self.theta[:, None, :] * np.where(self.weight > 0.0, self.weight / demand, 0.0)
            ).sum(axis=2)
        rows = np.nonzero((strain > self.limit) & ~self.saturated)
        pull = np.zeros_like(demand)
        if rows[0].size:
            weight = self.weight[rows[1]]
            solved = meet_limit(
                a[rows],
                x[rows],
                self.offset[rows[1]],
                weight,
                self.theta[rows[0]],
                self.limit[rows],
                self.cap,
                None if guess is None else guess[rows],
            )
            demand[rows], multiplier[rows] = solved
            free[rows] = demand[rows] < self.cap
            pull[rows] = weight / demand[rows] ** 2
        curvature = a / (demand + self.offset) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            added = multiplier[..., None] * np.where(
                self.weight > 0.0, 2.0 * self.weight / demand**3, 0.0
            )
        curvature = np.where(
            free, curvature + np.where(multiplier[..., None] > 0.0, added, 0.0), 1.0
        )
        flexibility = np.where(free, 1.0 / curvature, 0.0)
        return demand, multiplier, flexibility, pull


def meet_limit(
    a: FloatArray,
    x: FloatArray,
    offset: FloatArray,
    weight: FloatArray,
    theta: FloatArray,
    limit: FloatArray,
    cap: float,
    guess: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """Demand and multiplier at which sum_j theta_j w_j / b_j equals the limit, row by row.

    Newton on 1 / strain^2, which is nearly linear in the multiplier, kept inside a bracket.
    """
    rows = len(limit)
    low, high = np.zeros(rows), np.full(rows, np.inf)
    scale = (theta * weight).sum(axis=1) / limit**2
    first = np.maximum((theta * np.abs(x)).sum(axis=1), 1e-9) * scale
    multiplier = first if guess is None else np.where(guess > 0.0, guess, first)
    demand = np.empty_like(x)
    todo = np.arange(rows)
    b: FloatArray | None = None
    for _ in range(200):
        w, t, bound, m = weight[todo], theta[todo], limit[todo], multiplier[todo]
        b, free = root_with_pull(a[todo], x[todo], offset[todo], m[:, None] * w, cap, b)
        demand[todo] = b
        part = t * w / b
        strain = part.sum(axis=1)
        over = strain > bound
        low[todo] = np.where(over, m, low[todo])
        high[todo] = np.where(over, high[todo], m)
        done = (np.abs(strain - bound) <= _CLOSE * bound) | (high[todo] - low[todo] <= 4e-16 * m)
        if done.all():
            break
        curvature = a[todo] / (b + offset[todo]) ** 2 + 2.0 * m[:, None] * w / b**3
        slope = np.where(free, part * w / (b**3 * curvature), 0.0).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            new = m + strain * ((strain / bound) ** 2 - 1.0) / (2.0 * slope)
        inside = (new > low[todo]) & (new < high[todo])
        if not inside.all():
            new = np.where(inside, new, _between(low[todo], high[todo], m))
        multiplier[todo] = np.where(done, m, new)
        todo, b = todo[~done], b[~done]
    return demand, multiplier


def _between(low: FloatArray, high: FloatArray, now: FloatArray) -> FloatArray:
    """A point inside each bracket, in ratio where it spans more than a factor of four."""
    with np.errstate(invalid="ignore", over="ignore"):
        middle = np.where((low > 0.0) & (high > 4.0 * low), np.sqrt(low * high), 0.5 * (low + high))
    return np.where(np.isinf(high), 8.0 * now, middle)


def root_with_pull(
    a: FloatArray,
    x: FloatArray,
    offset: FloatArray,
    strain: FloatArray,
    cap: float,
    guess: FloatArray | None = None,
) -> tuple[FloatArray, BoolArray]:
    """Solve a / (b + E) + strain / b^2 = x for b, at most ``cap``; and where it is below it.

    The left side is convex and falling, so Newton steps from anywhere end left of the root and
    stay there.
    """
    free = x > a / (cap + offset) + strain / (cap * cap)
    x = np.where(free, x, 1.0)
    least = np.maximum(np.maximum(a / x - offset, np.sqrt(strain / x)), 1e-150)
    b = np.where(free, np.minimum(least if guess is None else np.maximum(least, guess), cap), cap)
    previous = np.inf
    for _ in range(60):
        usable = b + offset
        gain, pull = a / usable, strain / (b * b)
        step = (gain + pull - x) / (gain / usable + 2.0 * pull / b)
        step[~free] = 0.0
        new = np.minimum(np.maximum(b + step, least), cap)
        new[~free] = cap
        change = float((np.abs(new - b) / new).max(initial=0.0))
        b = new
        if change <= 1e-15 or (change >= previous and change <= 1e-13):
            break
        previous = change
    return b, free

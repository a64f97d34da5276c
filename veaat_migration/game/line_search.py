"""Global maximum of a piecewise smooth function of one variable that may jump.

Starting from a grid, an interval is refined as long as its optimistic bound beats the best
value known. Where both ends lie on the same smooth piece (equal ``signature``) and the values
agree with the slopes, the bound comes from the tangents; elsewhere (a kink, a jump, a curve the
grid has not resolved) it is the steepest slope seen times the width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.game.instance import FloatArray

_MAX_LEVELS = 80
_MAX_POINTS = 4000


@dataclass(frozen=True)
class Samples:
    """Function values with one-sided slopes and the piece each point lies on, length n."""

    x: FloatArray
    value: FloatArray
    slope: FloatArray
    signature: npt.NDArray[np.int64]
    """[n, k]: equal rows lie on the same smooth piece"""

    def part(self, index: slice) -> Samples:
        """Some of the points."""
        return Samples(self.x[index], self.value[index], self.slope[index], self.signature[index])

    def merged(self, other: Samples) -> Samples:
        """Both sets of points in ascending order."""
        x = np.concatenate([self.x, other.x])
        order = np.argsort(x, kind="stable")
        return Samples(
            x[order],
            np.concatenate([self.value, other.value])[order],
            np.concatenate([self.slope, other.slope])[order],
            np.concatenate([self.signature, other.signature])[order],
        )


@dataclass(frozen=True)
class LineMaximum:
    """The best point found and what competes with it."""

    x: float
    value: float
    rival: float | None
    """A distant point with practically the same value: the maximum is not the only one."""
    complete: bool
    """False if points ran out before every interval was settled."""
    samples: Samples
    """All points evaluated, ascending."""

    def kink(self) -> tuple[int, int] | None:
        """Where the maximum is a kink: the first signature column that changes, and its values.

        Of the two values only the one that is not zero is given. None at a smooth maximum, at
        an end of the interval, or where the pieces do not tell.
        """
        samples, at = self.samples, int(np.searchsorted(self.samples.x, self.x))
        left = at if samples.slope[at] > 0.0 else at - 1
        if left < 0 or left + 1 >= samples.x.size:
            return None
        before, after = samples.signature[left], samples.signature[left + 1]
        changes = np.nonzero(before != after)[0]
        if not changes.size or samples.slope[left] <= 0.0 or samples.slope[left + 1] >= 0.0:
            return None
        column = int(changes[0])
        values = {int(before[column]), int(after[column])}
        return (column, sum(values)) if 0 in values else None

    def peaks(self, share: float = 0.1) -> tuple[float, ...]:
        """Other points higher than their neighbours and at most ``share`` below the maximum."""
        x, value = self.samples.x, np.pad(self.samples.value, 1, constant_values=-np.inf)
        high = (value[1:-1] >= value[:-2]) & (value[1:-1] > value[2:])
        high &= value[1:-1] >= self.value - share * abs(self.value)
        high &= np.abs(x - self.x) > 1e-2 * (x[-1] - x[0])
        return tuple(x[high].tolist())

    def value_at(self, x: float) -> float:
        """The value at a point of the grid."""
        return float(self.samples.value[np.searchsorted(self.samples.x, x)])


Evaluate = Callable[[FloatArray], Samples]
IntArray = npt.NDArray[np.int64]
EvaluateMany = Callable[[IntArray, FloatArray], Samples]
"""Evaluates points (second) on the lines of these numbers (first), both [m]."""


def global_maximum(
    evaluate: Evaluate, grid: FloatArray, *, scale: float, tolerance: float = 1e-13
) -> LineMaximum:
    """Maximise over [grid[0], grid[-1]].

    Args:
        evaluate: values, slopes and signatures at the given points, in the given order.
        grid: ascending distinct points.
        scale: magnitude of the values below which differences mean nothing.
        tolerance: relative accuracy of the maximal value.
    """
    lines = global_maxima(lambda _, x: evaluate(x), [grid], scale=scale, tolerance=tolerance)
    return lines[0]


def global_maxima(
    evaluate: EvaluateMany,
    grids: Sequence[FloatArray],
    *,
    scale: float,
    tolerance: float = 1e-13,
) -> list[LineMaximum]:
    """Maximise several functions in lock-step, all points of a round in one evaluation.

    Arguments as for :func:`global_maximum`, one grid per function.
    """
    samples: list[Samples | None] = [None] * len(grids)
    complete = [False] * len(grids)
    points = dict(enumerate(grids))
    for _ in range(_MAX_LEVELS + 1):
        _evaluate_round(evaluate, points, samples)
        points = {}
        for k, known in enumerate(samples):
            if known is None or complete[k]:
                continue
            new = _refinement(known, _goal(known, scale, tolerance))
            complete[k] = new.size == 0
            if 0 < new.size <= _MAX_POINTS - known.x.size:
                points[k] = new
        if not points:
            break
    return [
        _maximum(known, done, scale)
        for known, done in zip(samples, complete, strict=True)
        if known is not None
    ]


def in_chunks(
    evaluate: Callable[..., tuple[FloatArray, FloatArray, IntArray]], size: int, *points: Any
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Evaluate ``size`` points at a time, so that what lies between need not fit in memory."""
    parts = [
        evaluate(*(part[k : k + size] for part in points)) for k in range(0, len(points[0]), size)
    ]
    value, slope, regime = (np.concatenate(column) for column in zip(*parts, strict=True))
    return value, slope, regime


def _evaluate_round(
    evaluate: EvaluateMany, points: dict[int, FloatArray], samples: list[Samples | None]
) -> None:
    """Evaluate the new points of all lines at once and merge them in."""
    lines = np.concatenate([np.full(len(x), k) for k, x in points.items()])
    found = evaluate(lines, np.concatenate(list(points.values())))
    place = 0
    for k, x in points.items():
        part = found.part(slice(place, place + len(x)))
        known = samples[k]
        samples[k] = part if known is None else known.merged(part)
        place += len(x)


def _maximum(samples: Samples, complete: bool, scale: float) -> LineMaximum:
    best = int(np.argmax(samples.value))
    x, value = float(samples.x[best]), float(samples.value[best])
    span = float(samples.x[-1] - samples.x[0])
    near = samples.value >= value - 1e-10 * max(abs(value), scale)
    near &= np.abs(samples.x - x) > 1e-3 * max(abs(x), span)
    rival = float(samples.x[np.argmax(near)]) if near.any() else None
    return LineMaximum(x, value, rival, complete, samples)


def _goal(samples: Samples, scale: float, tolerance: float) -> float:
    best = float(samples.value.max())
    return best + tolerance * max(abs(best), scale)


def _refinement(samples: Samples, goal: float) -> FloatArray:
    """Points inside every interval that might still hold something better than ``goal``."""
    x, u, du = samples.x, samples.value, samples.slope
    left, right, width = x[:-1], x[1:], np.diff(x)
    u_left, u_right, du_left, du_right = u[:-1], u[1:], du[:-1], du[1:]
    secant = (u_right - u_left) / width
    same = (samples.signature[1:] == samples.signature[:-1]).all(axis=1)
    bend = np.abs(du_left - du_right)
    noise = 1e-12 * np.abs(goal) / width
    low, high = np.minimum(du_left, du_right), np.maximum(du_left, du_right)
    smooth = same & (secant >= low - 0.2 * bend - noise) & (secant <= high + 0.2 * bend + noise)
    steepest = np.maximum(np.maximum(np.abs(du_left), np.abs(du_right)), np.abs(secant))
    hill = (du_left > 0.0) & (du_right < 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        # where the two tangents meet
        meet = (u_right - u_left - du_right * width) / (du_left - du_right)
    meet = np.where(hill, np.clip(meet, 0.0, width), 0.5 * width)
    top = np.maximum(u_left, u_right)
    bound = np.where(smooth, np.where(hill, u_left + du_left * meet, top), top + width * steepest)
    promising = (bound > goal) & (width > 4e-16 * np.maximum(np.abs(left), np.abs(right)))
    if not promising.any():
        return np.empty(0)
    peak = _cubic_peak(u_left, u_right, du_left, du_right, width)
    points = []
    for k in np.nonzero(promising)[0]:
        if hill[k]:
            centre, spread = (peak[k], 0.02) if smooth[k] else (meet[k], 1e-3)
            margin = spread * width[k]
            inner = (
                [centre - margin, centre + margin]
                if smooth[k]
                else [centre - margin, centre + margin, 0.5 * width[k]]
            )
        else:
            inner = [0.5 * width[k]]
        for offset in inner:
            point = left[k] + min(max(offset, 1e-3 * width[k]), 0.999 * width[k])
            if left[k] < point < right[k]:
                points.append(point)
    return np.unique(points)


def _cubic_peak(
    u_left: FloatArray,
    u_right: FloatArray,
    du_left: FloatArray,
    du_right: FloatArray,
    width: FloatArray,
) -> FloatArray:
    """Distance from the left end to the maximum of the cubic through values and slopes."""
    secant = (u_right - u_left) / width
    with np.errstate(divide="ignore", invalid="ignore"):
        d1 = du_left + du_right - 3.0 * secant
        d2 = np.sqrt(np.maximum(d1 * d1 - du_left * du_right, 0.0))
        # minimum of -u in the standard line-search formula
        share = (du_right - d2 - d1) / (du_right - du_left - 2.0 * d2)
        peak = width * (1.0 - share)
    return np.where(np.isfinite(peak), np.clip(peak, 0.0, width), 0.5 * width)

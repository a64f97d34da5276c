"""Few runs, honestly summed up: interquartile means, bootstrap intervals, comparisons.

After Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice"
(NeurIPS 2021). Their library, rliable 1.2.0 of 2024, no longer imports beside current releases of
pandas; scipy has both parts, the trimmed mean and the bootstrap of several samples at once, and a
test compares with numbers that rliable gave.

Samples are lists of arrays: one array per task (a size of the game), one number per run in it.
Resampling is stratified: within each task by itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]
Sample = Sequence[FloatArray]
"""Per task the numbers of its runs."""

CONFIDENCE = 0.95
RESAMPLES = 10_000
_SEED = 20_240_229
"""The bootstrap draws the same resamples every time."""


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval; without one (a single run) both ends are the number."""

    value: float
    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is above zero."""
        return self.low > 0.0

    @property
    def below_zero(self) -> bool:
        """Whether the whole interval is below zero."""
        return self.high < 0.0


def interquartile_mean(values: npt.ArrayLike, axis: int = -1) -> Any:
    """Mean of the middle half: of 5 runs the middle three."""
    return stats.trim_mean(values, 0.25, axis=axis)


def estimate(sample: Sample) -> Estimate:
    """Interquartile mean over all tasks and runs."""
    return _bootstrap(list(sample), _pooled)


def difference(left: Sample, right: Sample) -> Estimate:
    """Interquartile mean of ``left`` less that of ``right``."""
    tasks = len(left)

    def statistic(*samples: FloatArray, axis: int = -1) -> Any:
        return _pooled(*samples[:tasks], axis=axis) - _pooled(*samples[tasks:], axis=axis)

    return _bootstrap([*left, *right], statistic)


def probability_smaller(left: Sample, right: Sample) -> Estimate:
    """Probability that a run of ``left`` gives less than one of ``right``; ties count half.

    The mean over tasks, as rliable's probability of improvement.
    """
    tasks = len(left)

    def statistic(*samples: FloatArray, axis: int = -1) -> Any:
        del axis  # always the last
        return np.mean(
            [_smaller(x, y) for x, y in zip(samples[:tasks], samples[tasks:], strict=True)], axis=0
        )

    return _bootstrap([*left, *right], statistic, resamples=2000)


def curve(values: FloatArray) -> FloatArray:
    """Interquartile mean and interval at every place of a curve.

    Args:
        values: shape [runs, places].

    Returns:
        Value, low and high, shape [3, places].
    """
    if len(values) < 2:
        return np.repeat(values[:1], 3, axis=0)
    generator = np.random.default_rng(_SEED)
    # The same resamples of runs everywhere: a run is drawn with its whole curve.
    chosen = generator.integers(len(values), size=(2000, len(values)))
    resampled = interquartile_mean(values[chosen], axis=1)
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile(resampled, [tail, 100.0 - tail], axis=0)
    return np.stack([interquartile_mean(values, axis=0), low, high])


def settled_from(distances: FloatArray, threshold: float) -> int | None:
    """First place from which ``distances`` [places] stay within ``threshold`` until the end."""
    outside = np.flatnonzero(~(np.abs(distances) <= threshold))
    first = 0 if not len(outside) else int(outside[-1]) + 1
    return first if first < len(distances) else None


def _pooled(*samples: FloatArray, axis: int = -1) -> Any:
    return interquartile_mean(np.concatenate(samples, axis=axis), axis=axis)


def _smaller(left: FloatArray, right: FloatArray) -> Any:
    pairs = left[..., :, None] - right[..., None, :]
    return ((pairs < 0.0) + 0.5 * (pairs == 0.0)).mean((-2, -1))


def _bootstrap(
    samples: Sequence[FloatArray], statistic: Callable[..., Any], resamples: int = RESAMPLES
) -> Estimate:
    value = float(statistic(*samples))
    if min(len(sample) for sample in samples) < 2 or not np.isfinite(value):
        return Estimate(value, value, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # all runs gave the same
        found = stats.bootstrap(
            tuple(samples),
            statistic,
            n_resamples=resamples,
            vectorized=True,
            paired=False,
            confidence_level=CONFIDENCE,
            method="percentile",
            random_state=np.random.default_rng(_SEED),
        )
    low, high = found.confidence_interval
    return Estimate(value, float(low), float(high))

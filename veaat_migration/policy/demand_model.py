"""A leader's model of how demand follows prices, learned from the bids it hears."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

PRIOR_ELASTICITY = 1.2
"""Demand delta/p - E falls a little faster than 1/p: assumed until the data say otherwise."""
PRIOR_DEVIATION = (1.0, 0.5, 0.2)
"""Prior standard deviations of the intercept, the price slopes and the lag slopes (relative)."""
LAG_DISTANCE = 0.1
"""Squared changes of lagged demand count this much beside squared changes of prices."""
MIN_NOISE = 1e-6
"""Relative error that even an exact answer is credited with."""
NOISE_SHARE = 1.0
"""Share of the median unexplained one-step prediction error that is taken for noise."""
FORGETTING = 0.97
"""A sample's weight falls by this factor a round, so that a market that changed is relearned."""
TINY = 1e-9
REFIT_ERROR = 1e-5
"""Relative prediction error above which the model is fitted anew. Prices always move by about
1e-3 (the leaders explore), so that a model that predicts this well has its slopes right to 1 %."""
REFIT_PERIOD = 20
"""Rounds after which it is fitted anew all the same."""


@dataclass(frozen=True, slots=True)
class LocalDemand:
    """Long-run demand of one RSU as linear functions of y = 1/p_j, other prices fixed.

    With the followers' equilibrium B*(p) behind it: Q(y) = sum_i b_ij and
    K(y) = sum_i c_ij b_ij near the latest prices.
    """

    quantity: tuple[float, float]
    """Q = quantity[0] + quantity[1] y [MHz]."""
    cost: tuple[float, float]
    """K = cost[0] + cost[1] y [money]."""
    elasticity: float
    """-(p/Q) dQ/dp at the latest price."""


def _distance(features: FloatArray, n_rsus: int) -> FloatArray:
    """Squared distance of samples from the point of linearisation; shape [N] from [N, 2R]."""
    squares = features * features
    prices: FloatArray = squares[:, :n_rsus].sum(axis=1)
    lags: FloatArray = squares[:, n_rsus:].sum(axis=1)
    return prices + LAG_DISTANCE * lags


@dataclass(frozen=True, slots=True)
class _Fit:
    """Where the model was fitted and what it says about the own demand there."""

    round: int
    inverse: tuple[float, ...]
    """y of the point of linearisation, length R."""
    lagged: tuple[float, ...]
    """Demands of the round before it, length R."""
    scale: tuple[float, ...]
    """Demands at the point, length R."""
    coefficients: tuple[float, ...]
    """Relative own demand at the point, its R price slopes and its R lag slopes."""
    quantity_slope: float
    """Long-run dQ/dy [MHz^2/money]."""
    cost_slope: float
    """Long-run dK/dy [MHz]."""


class DemandModel:
    """Vector autoregression of demand on inverse prices, by locally weighted least squares.

    In round n the total demands L (one entry per RSU) answer the inverse prices y = 1/p of the
    same round and, through the social coupling, the demands of the round before:

        L(n) = a + B y(n) + G L(n-1).

    Without couplings this is exact with B diagonal, because b_ij = delta_i y_j - E_i; with them
    it is the linearisation around the latest prices. The long-run slope (I - G)^-1 B is the
    total derivative through the followers' equilibrium that a Stackelberg leader needs; the
    slope within one round would miss the followers' reactions to each other.

    Samples weigh less with the square of their distance from the latest prices, which is how
    the error of a linearisation grows, and with age. A weak prior of the uncoupled form fills
    in what the data have not shown yet.
    """

    def __init__(
        self,
        own_index: int,
        n_rsus: int,
        *,
        prior_elasticity: float = PRIOR_ELASTICITY,
        memory: int = 40,
    ) -> None:
        self._own = own_index
        self._n_rsus = n_rsus
        # One row a sample: R inverse prices, R lagged demands, R demands, cost-weighted demand.
        self._samples: deque[tuple[float, ...]] = deque(maxlen=memory)
        self._previous: tuple[float, ...] | None = None
        self._round = 0
        self._prior = np.zeros((1 + 2 * n_rsus, n_rsus + 1))
        self._prior[0] = 1.0
        self._prior[1 : 1 + n_rsus, :n_rsus] = prior_elasticity * np.eye(n_rsus)
        self._prior[1 + own_index, n_rsus] = prior_elasticity
        deviation = np.repeat(PRIOR_DEVIATION, (1, n_rsus, n_rsus))
        self._prior_rows = np.diag(1.0 / deviation)
        self._prior_targets = self._prior / deviation[:, None]
        self._fit: _Fit | None = None
        self.prediction_error = 1.0
        """Relative error of the latest one-step prediction of the own demand."""
        self._unexplained: deque[float] = deque(maxlen=5)
        self.noise = MIN_NOISE
        """Relative error of demand that no price explains."""

    def observe(
        self, round_: int, prices: Iterable[float], demand: Iterable[float], cost: float
    ) -> None:
        """Take in one round.

        Args:
            round_: its number; after a gap the demand that this round answered is not known.
            prices: p of the round [money/MHz], shape [R], > 0.
            demand: total demand sum_i b_ij at each RSU [MHz], shape [R].
            cost: sum_i c_ij b_ij of the own RSU [money].
        """
        inverse, total = tuple([1.0 / price for price in prices]), tuple(demand)
        if self._previous is not None and round_ == self._round + 1:
            if self._fit is not None:
                self._check_prediction(self._fit, inverse, self._previous, total[self._own])
            self._samples.append((*inverse, *self._previous, *total, cost))
        elif not self._samples:
            # Nothing precedes the first round; taking it for a steady state starts the fit.
            self._samples.append((*inverse, *total, *total, cost))
        self._previous, self._round = total, round_

    def _check_prediction(
        self, fit: _Fit, inverse: Sequence[float], lagged: Sequence[float], demand: float
    ) -> None:
        """Compare the own demand with the one predicted; plain floats, as this is every round."""
        r = self._n_rsus
        predicted, distance = fit.coefficients[0], 0.0
        for j in range(r):
            price = inverse[j] / fit.inverse[j] - 1.0
            lag = (lagged[j] - fit.lagged[j]) / fit.scale[j]
            predicted += fit.coefficients[1 + j] * price + fit.coefficients[1 + r + j] * lag
            distance += price * price + LAG_DISTANCE * lag * lag
        self.prediction_error = abs(predicted - demand / fit.scale[self._own])
        # What the linearisation does not explain, and lasts, is noise.
        self._unexplained.append(self.prediction_error - distance)
        self.noise = max(MIN_NOISE, NOISE_SHARE * _median(self._unexplained))

    def local(self) -> LocalDemand:
        """Demand around the latest observation (at least one is needed).

        Fits anew only if the model does not predict well any more, or has become old.
        """
        fit = self._fit
        if (
            fit is None
            or self._previous is None
            or self.prediction_error > REFIT_ERROR
            or self._round >= fit.round + REFIT_PERIOD
        ):
            return self.fit()
        latest = self._samples[-1]
        y, cost = latest[self._own], latest[-1]
        return _tangent(y, max(self._previous[self._own], TINY), max(cost, TINY), fit)

    def fit(self) -> LocalDemand:
        """Fit around the latest observation (at least one is needed)."""
        r = self._n_rsus
        rows = np.array(self._samples)
        latest = rows[-1]
        y0, lag0 = latest[:r], latest[2 * r : 3 * r]
        scale = np.maximum(latest[2 * r :], TINY)

        features = np.empty((len(rows), 1 + 2 * r))
        features[:, 0] = 1.0
        features[:, 1 : 1 + r] = rows[:, :r] / y0 - 1.0
        features[:, 1 + r :] = (rows[:, r : 2 * r] - lag0) / scale[:r]
        distance = _distance(features[:, 1:], r)
        age = np.arange(len(rows) - 1, -1, -1)
        weight = np.sqrt(FORGETTING**age / (self.noise**2 + distance**2))[:, None]
        coefficients = np.linalg.lstsq(
            np.concatenate((features * weight, self._prior_rows)),
            np.concatenate((rows[:, 2 * r :] / scale * weight, self._prior_targets)),
            rcond=None,
        )[0]
        slopes = self._long_run(coefficients, float(y0[self._own]), scale)
        self._fit = _Fit(
            self._round,
            tuple(y0.tolist()),
            tuple(lag0.tolist()),
            tuple(scale[:r].tolist()),
            tuple(coefficients[:, self._own].tolist()),
            *slopes,
        )
        return _tangent(float(y0[self._own]), float(scale[self._own]), float(scale[r]), self._fit)

    def _long_run(
        self, coefficients: FloatArray, y0: float, scale: FloatArray
    ) -> tuple[float, float]:
        """Total derivatives of demand and cost by y = 1/p, the followers re-equilibrated."""
        r, own = self._n_rsus, self._own
        price_slopes, lag_slopes = coefficients[1 : 1 + r], coefficients[1 + r :]
        direct = price_slopes[own, :r]
        try:
            total = np.linalg.solve(np.eye(r) - lag_slopes[:, :r].T, direct)
        except np.linalg.LinAlgError:
            total = direct
        # Demand falls in the own price; a slope outside this range is noise.
        elasticity = min(max(float(total[own]), 0.05), 50.0)
        cost_elasticity = float(price_slopes[own, r] + lag_slopes[:, r] @ total)
        if not 0.05 <= cost_elasticity <= 50.0:
            cost_elasticity = elasticity
        return elasticity * float(scale[own]) / y0, cost_elasticity * float(scale[r]) / y0


def _tangent(y: float, quantity: float, cost: float, fit: _Fit) -> LocalDemand:
    """The linear demand with the slopes of ``fit`` through the latest point."""
    return LocalDemand(
        quantity=(quantity - fit.quantity_slope * y, fit.quantity_slope),
        cost=(cost - fit.cost_slope * y, fit.cost_slope),
        elasticity=fit.quantity_slope * y / quantity,
    )


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return 0.5 * (ordered[middle - 1] + ordered[middle])

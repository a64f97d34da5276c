"""A leader's model of how demand follows prices, learned from the bids it hears."""

from __future__ import annotations

import statistics
from collections import deque
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
    """Squared distance of samples from the point of linearisation; shape [...] from [..., 2R]."""
    squares = features * features
    prices: FloatArray = squares[..., :n_rsus].sum(axis=-1)
    lags: FloatArray = squares[..., n_rsus:].sum(axis=-1)
    return prices + LAG_DISTANCE * lags


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
        self._samples: deque[FloatArray] = deque(maxlen=memory)
        self._previous: FloatArray | None = None
        self._previous_round = 0
        self._prior = np.zeros((1 + 2 * n_rsus, n_rsus + 1))
        self._prior[0] = 1.0
        self._prior[1 : 1 + n_rsus, :n_rsus] = prior_elasticity * np.eye(n_rsus)
        self._prior[1 + own_index, n_rsus] = prior_elasticity
        deviation = np.repeat(PRIOR_DEVIATION, (1, n_rsus, n_rsus))
        self._prior_rows = np.diag(1.0 / deviation)
        self._prior_targets = self._prior / deviation[:, None]
        self._fit: tuple[FloatArray, FloatArray, FloatArray, FloatArray] | None = None
        self.prediction_error = 1.0
        """Relative error of the latest one-step prediction of the own demand."""
        self._unexplained: deque[float] = deque(maxlen=5)
        self.noise = MIN_NOISE
        """Relative error of demand that no price explains."""

    def observe(self, round_: int, prices: FloatArray, demand: FloatArray, cost: float) -> None:
        """Take in one round.

        Args:
            round_: its number; after a gap the demand that this round answered is not known.
            prices: p of the round [money/MHz], shape [R], > 0.
            demand: total demand sum_i b_ij at each RSU [MHz], shape [R].
            cost: sum_i c_ij b_ij of the own RSU [money].
        """
        inverse = 1.0 / prices
        if self._previous is not None and round_ == self._previous_round + 1:
            if self._fit is not None:
                self._check_prediction(inverse, demand)
            self._samples.append(np.concatenate((inverse, self._previous, demand, (cost,))))
        elif not self._samples:
            # Nothing precedes the first round; taking it for a steady state starts the fit.
            self._samples.append(np.concatenate((inverse, demand, demand, (cost,))))
        self._previous, self._previous_round = demand, round_

    def _check_prediction(self, inverse: FloatArray, demand: FloatArray) -> None:
        assert self._fit is not None
        assert self._previous is not None
        coefficients, y0, lag0, scale = self._fit
        r = self._n_rsus
        features = np.concatenate(((1.0,), inverse / y0 - 1.0, (self._previous - lag0) / scale[:r]))
        own = self._own
        predicted = float(features @ coefficients[:, own])
        self.prediction_error = abs(predicted - float(demand[own] / scale[own]))
        # What the linearisation does not explain, and lasts, is noise.
        self._unexplained.append(self.prediction_error - float(_distance(features[1:], r)))
        self.noise = max(MIN_NOISE, NOISE_SHARE * statistics.median(self._unexplained))

    def fit(self) -> LocalDemand:
        """Fit around the latest observation (at least one is needed)."""
        r, own = self._n_rsus, self._own
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
        self._fit = (coefficients, y0, lag0, scale)
        return self._long_run(coefficients, float(y0[own]), scale)

    def _long_run(self, coefficients: FloatArray, y0: float, scale: FloatArray) -> LocalDemand:
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
        quantity, cost = float(scale[own]), float(scale[r])
        return LocalDemand(
            quantity=(quantity * (1.0 - elasticity), quantity * elasticity / y0),
            cost=(cost * (1.0 - cost_elasticity), cost * cost_elasticity / y0),
            elasticity=elasticity,
        )

"""Best responses from private data and what was heard: a learning leader, an exact follower."""

from __future__ import annotations

import math

import numpy as np

from veaat_migration.game.follower import respond
from veaat_migration.game.profiles import FollowerProfile, LeaderProfile
from veaat_migration.policy.demand_model import PRIOR_ELASTICITY, DemandModel, LocalDemand
from veaat_migration.policy.interface import FloatArray, FollowerObservation, LeaderObservation
from veaat_migration.policy.quick_response import QuickResponse

MAX_STEP = 1.5
"""Largest factor between two prices in a row: the demand model is local."""
MARKETS = 4
"""Sets of players for which a demand model is kept, so that one absence costs no memory."""
LOWEST_PRICE = 1e-4
"""Lowest price ever asked, relative to the highest allowed."""
NO_DEMAND = 1e-9
"""Total demand below which nobody buys [MHz]."""


def best_price(demand: LocalDemand, quality: float, rivals: float) -> float:
    """Profit-maximising price against a linear demand in y = 1/p [money/MHz].

    The profit of Eq. (10) is q (Q(y) - y K(y)) / (G + q y) with G = sum of q_l / p_l over the
    rivals; its first-order condition is a quadratic in y. For Q = A y - E and K = c Q the
    root is Eq. (23) (corrected: it is y, not a price).

    Args:
        demand: long-run demand and cost near the current price.
        quality: own q_j [-].
        rivals: G [MHz/money].

    Returns:
        The price, or infinity where profit grows with every rise of the price.
    """
    a = demand.quantity[0]
    b = demand.quantity[1] - demand.cost[0]
    g = -demand.cost[1]
    if g >= 0.0:
        # Free of marginal cost: profit q (a + b y) / (G + q y) is monotone in y.
        return 0.0 if b * rivals > quality * a else math.inf
    # g q y^2 + 2 g G y + (b G - q a) = 0, the larger root of a concave-then-falling profit.
    discriminant = rivals * rivals - quality * (b * rivals - quality * a) / g
    if discriminant <= rivals * rivals:
        return math.inf
    return quality / (math.sqrt(discriminant) - rivals)


class BestResponseLeader:
    """Prices against the demand it has learned from past prices, its own and its rivals'.

    Starts from a random price. As long as nobody buys it lowers the price. The price carries a
    small disturbance, which shrinks with the error of the model's predictions down to
    ``exploration``: without it the slope of the demand could not be told from the rivals' moves.
    """

    name = "best_response"

    def __init__(
        self,
        profile: LeaderProfile,
        *,
        seed: int,
        exploration: float = 1e-3,
        max_exploration: float = 0.03,
    ) -> None:
        """Both explorations are relative half-widths of the price disturbance."""
        self._profile = profile
        self._rng = np.random.default_rng(seed)
        self._exploration = exploration
        self._max_exploration = max_exploration
        self._models: dict[tuple[tuple[int, ...], tuple[int, ...]], DemandModel] = {}
        self._elasticity = PRIOR_ELASTICITY
        self._costs_of: tuple[int, ...] = ()
        self._costs: FloatArray = np.zeros(0)
        # A price must be positive; at a unit cost of nothing the best one may be as low as can be.
        self._price_min = max(profile.price_min, LOWEST_PRICE * profile.price_max)
        self._price = float(self._rng.uniform(self._price_min, profile.price_max))

    def act(self, observation: LeaderObservation) -> float:
        """The next price [money/MHz]."""
        all_prices, all_qualities = observation.prices.tolist(), observation.qualities.tolist()
        # Not finite: never heard.
        heard = [j for j, price in enumerate(all_prices) if 0.0 < price < math.inf]
        rsu_ids = tuple([observation.rsu_ids[j] for j in heard])
        if not observation.av_ids or self._profile.rsu_id not in rsu_ids:
            return self._price
        own = rsu_ids.index(self._profile.rsu_id)
        prices = [all_prices[j] for j in heard]
        totals = np.add.reduce(observation.demand, axis=0).tolist()
        total = [totals[j] for j in heard]
        self._price = prices[own]
        if total[own] <= NO_DEMAND:
            self._price = self._bounded(self._price / MAX_STEP)
            return self._price

        model = self._model(rsu_ids, observation.av_ids, own)
        cost = float(self._unit_costs(observation.av_ids) @ observation.demand[:, heard[own]])
        model.observe(observation.round - 1, prices, total, cost)
        local = model.local()
        self._elasticity = local.elasticity

        rivals = sum(
            [all_qualities[j] / all_prices[j] for j in heard if j != heard[own]], start=0.0
        )
        target = best_price(local, self._profile.quality, rivals)
        target = self._bounded(min(max(target, self._price / MAX_STEP), self._price * MAX_STEP))
        self._price = self._bounded(target * self._disturbance(model, target))
        return self._price

    def _unit_costs(self, av_ids: tuple[int, ...]) -> FloatArray:
        """c_ij of these AVs [money/MHz], shape [V]."""
        if av_ids != self._costs_of:
            self._costs_of = av_ids
            self._costs = np.array([self._profile.cost_of(av) for av in av_ids])
        return self._costs

    def _model(self, rsu_ids: tuple[int, ...], av_ids: tuple[int, ...], own: int) -> DemandModel:
        """The model of this set of players; a new one starts from the last known elasticity."""
        key = (rsu_ids, av_ids)
        model = self._models.pop(key, None)
        if model is None:
            model = DemandModel(own, len(rsu_ids), prior_elasticity=self._elasticity)
            if len(self._models) >= MARKETS:
                self._models.pop(next(iter(self._models)))
        self._models[key] = model  # most recently used last
        return model

    def _disturbance(self, model: DemandModel, target: float) -> float:
        step = abs(math.log(target / self._price))
        # Slopes are worth having only if the disturbance stands out from the noise.
        width = max(0.5 * min(model.prediction_error, step), math.sqrt(model.noise))
        width = min(max(width, self._exploration), self._max_exploration)
        return 1.0 + width * (2.0 * self._rng.random() - 1.0)

    def _bounded(self, price: float) -> float:
        return min(max(price, self._price_min), self._profile.price_max)


class BestResponseFollower:
    """Maximises its own utility against this round's prices and the others' last demand."""

    name = "best_response"

    def __init__(self, profile: FollowerProfile) -> None:
        self._profile = profile
        self._quick = QuickResponse(profile)

    def act(self, observation: FollowerObservation) -> FloatArray:
        """The demand from each RSU heard [MHz], shape [R]."""
        quick = self._quick.respond(observation)
        if quick is not None:
            return np.array(quick)
        return respond(
            self._profile,
            observation.rsu_ids,
            observation.prices,
            observation.qualities,
            observation.other_av_ids,
            observation.other_demand,
        ).bandwidth

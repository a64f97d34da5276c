"""How good shared networks are, beside the equilibrium."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veaat_migration.fleet.equilibrium import equilibrium
from veaat_migration.fleet.learned import (
    Weights,
    demand_of,
    follower_inputs,
    leader_inputs,
    prices_of,
)
from veaat_migration.fleet.training_games import Reach, draw_games, single


@dataclass(frozen=True)
class Verdict:
    """The networks beside the equilibrium, in games of towns that they have not seen."""

    price_error: float
    """Mean |ln(p / p*)|, both with the AVs' exact answer where p* is concerned."""
    demand_error: float
    """Mean |b - b*(p)| at the networks' prices [MHz]."""
    utility_share: float
    """AVs' utility with the network's demand, of that with the exact demand at the same prices."""
    profit_share: float
    """RSUs' profits, of those in equilibrium."""

    def __str__(self) -> str:
        """For a line of a log."""
        return (
            f"prices {100 * self.price_error:.1f} % from the equilibrium, demand "
            f"{self.demand_error:.2f} MHz from exact at these prices; AVs reach "
            f"{100 * self.utility_share:.1f} % of the utility of exact answers, RSUs "
            f"{100 * self.profit_share:.1f} % of the profit of the equilibrium"
        )


def judge(weights: Weights, reaches: Sequence[Reach], games: int = 40) -> Verdict:
    """Compare with the equilibrium; always the same games."""
    batch = draw_games(reaches, games, np.random.default_rng(12345))
    errors: list[float] = []
    misses: list[float] = []
    utility = exact_utility = profit = exact_profit = 0.0
    for k in range(games):
        market = single(batch, k)
        found = equilibrium(market, accuracy=1e-3)
        prices = prices_of(market, weights.answer("leader", leader_inputs(market)))
        demand = demand_of(market, weights.answer("follower", follower_inputs(market, prices)))
        exact = market.demand(prices[None])[0]
        errors += np.abs(np.log(prices / found.prices)).tolist()
        misses += np.abs(demand - exact)[market.reach].tolist()
        utility += float(market.parts(prices, demand).sum())
        exact_utility += float(market.parts(prices, exact).sum())
        profit += float(market.profits(prices, demand).sum())
        exact_profit += float(market.profits(found.prices, found.demand).sum())
    return Verdict(
        float(np.mean(errors)),
        float(np.mean(misses)),
        utility / exact_utility,
        profit / exact_profit,
    )

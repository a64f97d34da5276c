"""What a step of the parallel environment earned."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.environment import Environment


class Account:
    """Of an environment with one game and one round per rollout; agents are RSUs, then AVs."""

    def __init__(self, instance: GameInstance) -> None:
        n_avs, n_rsus = instance.n_avs, instance.n_rsus
        self.rewards = np.zeros(n_rsus + n_avs)
        """Of this step [money]: utilities less what missed deadlines cost."""
        self.utilities = np.zeros(n_rsus + n_avs)
        """Of this step [money], Eqs. (9) and (10)."""
        self.lateness = np.zeros(n_avs)
        """Of this step [s], see :meth:`.game.BatchedGame.lateness`."""
        self.last = self.utilities
        """Of the last round that was played [money]."""
        self.prices = np.zeros(n_rsus)
        """Of the last round, remembered or played [money/MHz]."""
        self.demands = np.zeros((n_avs, n_rsus))
        """Of the last round, remembered or played [MHz]."""

    def clear(self) -> None:
        """A step begins."""
        self.rewards = np.zeros_like(self.rewards)
        self.utilities = np.zeros_like(self.utilities)
        self.lateness = np.zeros_like(self.lateness)

    def begin(self, environment: Environment) -> None:
        """An episode begins."""
        self.clear()
        self.last = self.utilities
        self._remember(*environment.outcome())

    def settle(self, environment: Environment) -> None:
        """A round has been played."""
        played, now, game = environment.outcome(), environment.circumstances, environment.game
        profits, utilities = (x[1, 0].numpy() for x in game.rewards(*played, now))
        self.rewards = np.concatenate([profits, utilities])
        self.utilities = self.rewards.copy()
        if game.instance.delay is not None:
            self.lateness = game.lateness(*played, now)[1, 0].numpy()
            self.utilities[len(profits) :] += game.delay_penalty * self.lateness
        self.last = self.utilities
        self._remember(*played)

    def _remember(self, prices: Tensor, demands: Tensor) -> None:
        self.prices, self.demands = prices[1, 0].numpy(), demands[1, 0].numpy()

    def table(self, leaders: list[str], followers: list[str]) -> str:
        """The last round as text."""
        names = "".join(f"{name:>9}" for name in leaders)
        prices = "".join(f"{price:9.3f}" for price in self.prices)
        profits = "".join(f"{u:9.3f}" for u in self.last[: len(leaders)])
        lines = [f"{'':16}{names}{'utility':>10}", f"{'price':16}{prices}"]
        for name, bought, earned in zip(
            followers, self.demands, self.last[len(leaders) :], strict=True
        ):
            demand = "".join(f"{b:9.3f}" for b in bought)
            lines.append(f"{name + ' demand':16}{demand}{earned:10.3f}")
        return "\n".join([*lines, f"{'utility':16}{profits}"])

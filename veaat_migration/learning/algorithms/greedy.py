"""Greedy: each player repeats what earned it most in its last rounds, now and then trying anew.

The batched twin of :mod:`veaat_migration.policy.baselines`: a memory of 100 rounds, and a random
action in one round of ten. AVs remember what they demanded and what it was worth, not at which
prices; so they do not answer prices, which is why this falls short of an equilibrium.

It learns by remembering alone: of the configuration it obeys ``environment`` and ``iterations``
and ignores the rest. Every game is a run of its own, with memories of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.algorithms.unlearned import Unlearned, random_actions
from veaat_migration.learning.config import TrainingConfig
from veaat_migration.learning.surroundings import Surroundings
from veaat_migration.policy.baselines import EXPLORATION, MEMORY


class GreedyPolicy:
    """The best that is remembered: of game 1 in the first game, and so on, over and over."""

    def __init__(self, best: Tensor, n_rsus: int) -> None:
        self._best, self._n_rsus = best, n_rsus
        self.variety = best.shape[1]

    def prices(self, record: Tensor) -> Tensor:
        """Shares of all prices, [R, G]."""
        return self._actions(record)[: self._n_rsus]

    def demands(self, record: Tensor) -> Tensor:
        """Shares of all demands, [V R, G]."""
        return self._actions(record)[self._n_rsus :]

    def _actions(self, record: Tensor) -> Tensor:
        games = torch.arange(record.shape[1], device=self._best.device) % self._best.shape[1]
        return self._best[:, games]


class Greedy(Unlearned):
    """Players with a memory."""

    def __init__(
        self,
        instance: GameInstance,
        config: TrainingConfig,
        *,
        seed: int,
        surroundings: Surroundings | None,
        device: torch.device | str,
    ) -> None:
        super().__init__(instance, config, seed=seed, surroundings=surroundings, device=device)
        n_rsus, n_avs, games = self.layout.n_rsus, self.layout.n_avs, self.environment.games
        agents = torch.arange(n_rsus + n_avs, device=self.device)
        # The agent of each action.
        self._owner = torch.cat([agents[:n_rsus], agents[n_rsus:].repeat_interleave(n_rsus)])
        options = {"dtype": self.environment.game.dtype, "device": self.device}
        self._shares = torch.zeros((MEMORY, len(self._owner), games), **options)
        self._worth = torch.full((MEMORY, len(agents), games), -torch.inf, **options)
        self._rounds = 0

    @property
    def policy(self) -> GreedyPolicy:
        """The best remembered actions, as they are now."""
        return GreedyPolicy(self.best(), self.layout.n_rsus)

    def best(self) -> Tensor:
        """Of each agent in each game the remembered action that earned most, [R + V R, G]."""
        chosen = self._worth.argmax(0)[self._owner]
        return self._shares.gather(0, chosen[None])[0]

    def _choose(self) -> Tensor:
        new = random_actions(self.environment, self.environment.games, self.generator)
        if self._rounds == 0:
            return new
        lots = torch.rand(self._worth.shape[1:], generator=self.generator).to(self.device)
        return torch.where((lots < EXPLORATION)[self._owner], new, self.best())

    def _learn(self, shares: Tensor, worth: Tensor) -> None:
        self._shares[self._rounds % MEMORY] = shares
        self._worth[self._rounds % MEMORY] = worth
        self._rounds += 1

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps besides the counters."""
        return {
            **super().state(),
            "memory.shares": self._shares,
            "memory.worth": self._worth,
            "memory.rounds": torch.tensor(self._rounds),
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        super().load(state)
        self._shares.copy_(state["memory.shares"])
        self._worth.copy_(state["memory.worth"])
        self._rounds = int(state["memory.rounds"])


RUN = Greedy

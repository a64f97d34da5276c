"""What players without networks have in common: they just play round after round."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.algorithms.interface import JointPolicy
from veaat_migration.learning.build import make_environment
from veaat_migration.learning.config import TrainingConfig
from veaat_migration.learning.environment import Environment
from veaat_migration.learning.progress import Progress
from veaat_migration.learning.stopwatch import Stopwatch
from veaat_migration.learning.surroundings import Surroundings


class Unlearned(ABC):
    """Rollouts of players that need no gradient; actions are shares [R + V R, G]."""

    def __init__(
        self,
        instance: GameInstance,
        config: TrainingConfig,
        *,
        seed: int,
        surroundings: Surroundings | None,
        device: torch.device | str,
    ) -> None:
        self.config, self.instance, self.seed = config, instance, seed
        self.device = torch.device(device)
        self.generator = torch.Generator().manual_seed(seed)
        self.environment, self.surroundings = make_environment(
            instance,
            config,
            surroundings=surroundings,
            device=self.device,
            generator=self.generator,
        )
        self.layout = self.environment.layout
        self.stopwatch = Stopwatch()
        self.iteration = 0
        self.steps = 0

    @property
    def finished(self) -> bool:
        """Whether all iterations are done."""
        return self.iteration >= self.config.iterations

    @property
    @abstractmethod
    def policy(self) -> JointPolicy:
        """How it plays without exploration."""

    @abstractmethod
    def _choose(self) -> Tensor:
        """The next actions of all players."""

    def _learn(self, shares: Tensor, worth: Tensor) -> None:
        """See what a round paid, [R + V, G] [money]; nothing is learned from it by default."""
        del shares, worth

    @torch.no_grad()
    def iterate(self) -> Progress:
        """Play one rollout."""
        environment, n_rsus = self.environment, self.layout.n_rsus
        with self.stopwatch("environment and players"):
            environment.begin()
            for t in range(environment.rounds):
                shares = self._choose()
                environment.leaders_see(t)
                environment.post_prices(t, shares[:n_rsus])
                environment.post_demands(t, shares[n_rsus:])
                self._learn(shares, round_rewards(environment, shares))
            rewards = environment.rewards()[:, 1:].mean((1, 2))
        self.iteration += 1
        self.steps += environment.rounds * environment.games
        return Progress(
            iteration=self.iteration,
            steps=self.steps,
            rewards=rewards.tolist(),
            surprise=[0.0] * len(rewards),
            sparsity=[0.0] * len(rewards),
            widths=[],
        )

    @property
    def widths(self) -> list[int]:
        """There are no networks."""
        return []

    def sparsity(self) -> Tensor:
        """Nothing is pruned, [R + V] of 0."""
        return torch.zeros(self.layout.n_rsus + self.layout.n_avs)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps besides the counters."""
        return {
            "generator": self.generator.get_state(),
            **{f"environment.{k}": v for k, v in self.environment.state().items()},
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        self.generator.set_state(state["generator"])
        carried = {
            k.removeprefix("environment."): v for k, v in state.items() if "environment." in k
        }
        self.environment.load_state(carried)


def round_rewards(environment: Environment, shares: Tensor) -> Tensor:
    """Utilities of all players [money], [R + V, G], for actions [R + V R, G]."""
    layout, played = environment.layout, shares.T
    prices = environment.price_scale.value(played[:, : layout.n_rsus])
    demands = environment.bandwidth_scale.value(played[:, layout.n_rsus :])
    demands = demands.reshape(-1, layout.n_avs, layout.n_rsus)
    return torch.cat(environment.game.utilities(prices, demands), -1).T


def random_actions(environment: Environment, games: int, generator: torch.Generator) -> Tensor:
    """Shares of prices and demands that are drawn evenly over their intervals, [R + V R, G]."""
    layout, device = environment.layout, environment.game.device
    size = (layout.n_rsus * (1 + layout.n_avs), games)
    even = torch.rand(size, generator=generator, dtype=environment.game.dtype).to(device)
    # Even in money, as players without a learned policy count, is not even on a geometric scale.
    scale = environment.price_scale
    low, high = (
        torch.as_tensor(ends, dtype=even.dtype, device=device) for ends in (scale.low, scale.high)
    )
    money = low + (high - low) * even[: layout.n_rsus].T
    return torch.cat([scale.share(money).T, even[layout.n_rsus :]])

"""The exploration incentive at work in a run: Algorithm 2, and r_int for Eqs. (32) and (38)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from veaat_migration.learning.incentive import Incentive
from veaat_migration.learning.rollout import Rollout

if TYPE_CHECKING:
    from veaat_migration.learning.learner import Learner

LARGEST = 5.0
"""r_int is cut off at so many times its mean: a KL divergence has a long tail."""
COMPARED = 32
"""Transitions over which the bounded surprise of Eq. (41) is averaged."""


class ExplorationBonus:
    """Trains the module on each rollout and says what its transitions are worth."""

    def __init__(self, learner: Learner) -> None:
        config, layout = learner.config.incentive, learner.layout
        self._learner, self._config = learner, config
        state_size = layout.round_size + 2 * layout.n_rsus + layout.n_rsus + layout.n_avs
        self.module = Incentive(
            layout,
            state_size,
            latent=config.latent,
            hidden=config.hidden,
            difference=config.target == "difference",
            generator=learner.generator,
        ).to(learner.device)
        self.optimizer = torch.optim.Adam(
            self.module.parameters(), lr=config.learning_rate, fused=True
        )
        self.scale = torch.zeros(learner.actors.agents, 1, device=learner.device)
        self.mean_surprise = torch.zeros(learner.actors.agents)
        self.bounded = torch.zeros(learner.actors.agents, device=learner.device)

    def weight(self, iteration: int) -> float:
        """c_1 of Eq. (32)."""
        falling = self._learner.annealing.falling(iteration) if self._config.anneal else 1.0
        return self._config.weight * falling

    def observe(self, rollout: Rollout) -> Tensor:
        """Learn from a rollout; r_int of its transitions, about 1 in the mean, [A, T, G]."""
        states, actions = self._transitions(rollout)
        now, following = states[:, :-1].flatten(1), states[:, 1:].flatten(1)
        actions = actions.flatten(1)
        self._train(now, actions, following)
        surprise = self.module.surprise(now, actions)
        mean = surprise.mean(1, keepdim=True)
        self.mean_surprise = mean[:, 0].cpu()
        first = not bool(self.scale.any())
        self.scale = mean if first else self.scale.lerp(mean, 0.1)
        if self._learner.pruner.needs_surprise:
            chosen = self._choose(now.shape[1], COMPARED)
            self.bounded = self.module.bounded_surprise(
                now[:, chosen],
                actions[:, chosen],
                samples=self._config.samples,
                generator=self._learner.generator,
            )
        relative = (surprise / (self.scale + 1e-8)).clamp_max(LARGEST)
        return relative.view(len(relative), *states[0, 1:].shape)

    def _transitions(self, rollout: Rollout) -> tuple[Tensor, Tensor]:
        """s^0 ... s^T, [s, T + 1, G], and a^0 ... a^(T-1), [a, T, G]."""
        learner = self._learner
        rewards = learner.reward_scale.apply(rollout.rewards)
        states = torch.cat([rollout.played, learner.environment.rates, rewards])
        return states, rollout.played[:, 1:]

    def _train(self, now: Tensor, actions: Tensor, following: Tensor) -> None:
        config, generator = self._config, self._learner.generator
        networks = self.module.evaluators()
        for _ in range(config.steps):
            chosen = self._choose(now.shape[1], config.batch)
            noise = torch.randn(
                (self.module.prior.agents, config.latent, len(chosen)), generator=generator
            ).to(now.device)
            samples = (part.index_select(1, chosen) for part in (now, actions, following))
            self.module.take_gradient(networks, *samples, noise)
            self.optimizer.step()

    def _choose(self, n: int, wanted: int) -> Tensor:
        chosen = torch.randint(n, (min(wanted, n),), generator=self._learner.generator)
        return chosen.to(self._learner.device)

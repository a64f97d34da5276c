"""One training run as a sequence of iterations: Algorithm 1, with Algorithms 2 and 3 inside.

:class:`Learner` knows no files, threads or clocks beyond its own stopwatch; :mod:`.trainer` drives
it.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.actors import Actors, seen_entries
from veaat_migration.learning.advantage import advantages
from veaat_migration.learning.algorithms.interface import ActorPolicy
from veaat_migration.learning.annealing import Annealing
from veaat_migration.learning.build import make_environment
from veaat_migration.learning.config import TrainingConfig
from veaat_migration.learning.exploration_bonus import ExplorationBonus
from veaat_migration.learning.progress import Progress
from veaat_migration.learning.pruning import create_pruner
from veaat_migration.learning.rollout import Rollout, collect
from veaat_migration.learning.running import RunningScale
from veaat_migration.learning.stacked import StackedMLP
from veaat_migration.learning.state import learner_state, load_learner_state
from veaat_migration.learning.stopwatch import Stopwatch
from veaat_migration.learning.surroundings import Surroundings
from veaat_migration.learning.update import Batch, UpdateSettings, normalised, update


class Learner:
    """All agents of one game learning together."""

    def __init__(
        self,
        instance: GameInstance,
        config: TrainingConfig,
        *,
        seed: int,
        surroundings: Surroundings | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """Initialise all networks (Algorithm 1, lines 1 to 3).

        Args:
            instance: the game.
            config: everything else.
            seed: of all random numbers.
            surroundings: the game's queues and radio; the usual ones by default.
            device: where to compute.
        """
        self.config, self.instance, self.seed = config, instance, seed
        self.device = torch.device(device)
        # All random numbers come from the CPU: the same seed gives the same draws on any device.
        self.generator = torch.Generator().manual_seed(seed)
        self.environment, self.surroundings = make_environment(
            instance,
            config,
            surroundings=surroundings,
            device=self.device,
            generator=self.generator,
        )
        self.layout = self.environment.layout
        self._build_networks()
        self._quiet = config.update.follower_baseline == "quiet" and config.update.gamma == 0.0
        self.annealing = Annealing(config.iterations, config.exploration)
        self.reward_scale = RunningScale(self.actors.agents, device=self.device)
        self.bonus = ExplorationBonus(self) if config.incentive.weight > 0.0 else None
        self.pruner = create_pruner(self)
        self.stopwatch = Stopwatch()
        self.iteration = 0
        self.steps = 0

    def _build_networks(self) -> None:
        config, layout = self.config, self.layout
        net = config.network
        self.actors: Actors = Actors(
            layout,
            net.hidden,
            activation=net.activation,
            initial_std=config.exploration.initial_std,
            generator=self.generator,
        ).to(self.device)
        self.actors.learns_std = config.exploration.std == "learned"
        self.average = copy.deepcopy(self.actors).requires_grad_(False)
        seen = seen_entries(layout)
        if config.update.critic == "central":
            # All but the own present price, which must not explain its own reward.
            seen[:] = 1.0
            for j in range(layout.n_rsus):
                seen[j, layout.record_size - layout.n_rsus + j] = 0.0
        self.critics: StackedMLP = StackedMLP(
            self.actors.agents,
            [layout.record_size, *net.hidden, 1],
            activation=net.activation,
            seen=seen,
            generator=self.generator,
        ).to(self.device)
        rate = config.update.learning_rate
        self.actor_optimizer = torch.optim.Adam([self.actors.values], lr=rate, fused=True)
        self.critic_optimizer = torch.optim.Adam([self.critics.values], lr=rate, fused=True)

    @property
    def policy(self) -> ActorPolicy:
        """What would be deployed now."""
        return ActorPolicy(self.average)

    @property
    def players(self) -> Actors:
        """Whose actions are played."""
        return self.actors

    @property
    def valuers(self) -> StackedMLP:
        """Whose state values are the baseline of advantages."""
        return self.critics

    @property
    def followers_only(self) -> bool:
        """Whether leaders still post drawn prices and do not learn."""
        return self.iteration < self.config.stages.follower_iterations

    @property
    def average_start(self) -> int:
        """Iteration from which actors are averaged; not before the last neuron is pruned."""
        share = self.config.network.average_from
        if self.config.pruning.method != "none":
            share = max(share, self.config.pruning.end)
        return round(share * self.config.iterations)

    @property
    def finished(self) -> bool:
        """Whether all iterations are done."""
        return self.iteration >= self.config.iterations

    def iterate(self) -> Progress:
        """Play one rollout and learn from it."""
        self._anneal()
        self.pruner.before_iteration(self.iteration)
        update_part, watch = self.config.update, self.stopwatch
        warm = self.followers_only
        games = self.environment.games
        stages = self.config.stages
        drawn = games if warm else int(stages.drawn_prices * games)
        nearby = 0 if warm else int(stages.nearby_prices * games)
        with watch("environment and actors"):
            rollout = collect(
                self.environment,
                self.players,
                drawn_prices=drawn,
                nearby_prices=nearby,
                nearby=stages.nearby,
                look_ahead=update_part.gamma > 0.0,
                quiet=self._quiet,
                generator=self.generator,
            )
        rewards = self.reward_scale(rollout.rewards[:, 1:])
        surprise = torch.zeros(self.actors.agents)
        if self.bonus is not None:
            with watch("incentive"):
                intrinsic = self.bonus.observe(rollout)
                surprise = self.bonus.mean_surprise
                rewards = rewards + self.bonus.weight(self.iteration) * intrinsic
        with watch("values"):
            batch = self._batch(rollout, rewards, warm)
        if self.bonus is not None and self.config.incentive.in_loss:
            weight = self.annealing.entropy_weight(self.iteration)
            batch.advantages.add_(weight * normalised(intrinsic.flatten(1), batch.weights))
        with watch("update"):
            self._update(batch, self.actors.followers if warm else slice(None))
        with watch("pruning"):
            self.pruner.after_iteration(self.iteration, batch.inputs)
        self._average()
        self.iteration += 1
        self.steps += self.environment.rounds * games
        # Where leaders set the prices, unless they nowhere do.
        played = rollout.rewards[:, 1:, 0 if warm else rollout.drawn_prices :]
        return Progress(
            iteration=self.iteration,
            steps=self.steps,
            rewards=played.mean((1, 2)).tolist(),
            surprise=surprise.tolist(),
            sparsity=self.sparsity().tolist(),
            widths=self.actors.widths[1:-1],
        )

    def sparsity(self) -> Tensor:
        """Share of each actor's original hidden neurons that are masked or removed, [A]."""
        kept = torch.zeros(self.actors.agents)
        for mask, width in zip(self.actors.masks, self.actors.widths[1:-1], strict=True):
            kept += width if mask is None else mask.sum((1, 2)).cpu()
        return 1.0 - kept / sum(self.config.network.hidden)

    @property
    def widths(self) -> list[int]:
        """Hidden widths as they are computed."""
        widths: list[int] = self.average.widths[1:-1]
        return widths

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps besides the counters."""
        return learner_state(self)

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        load_learner_state(self, state)

    def extra_state(self) -> dict[str, Tensor]:
        """What a kind of learner keeps in a checkpoint besides."""
        return {}

    def load_extra(self, state: dict[str, Tensor]) -> None:
        """Go on from what :meth:`extra_state` kept, after all else has been loaded."""

    def _anneal(self) -> None:
        rate = self.annealing.learning_rate(self.iteration, self.config.update)
        for optimizer in (self.actor_optimizer, self.critic_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = rate
        if self.config.exploration.std == "scheduled":
            leader, follower = self.annealing.deviations(
                self.iteration, self.config.stages.follower_iterations
            )
            with torch.no_grad():
                log_std = self.actors.log_std
                log_std[self.actors.leaders] = math.log(leader)
                log_std[self.actors.followers] = math.log(follower)

    @torch.no_grad()
    def _batch(self, rollout: Rollout, rewards: Tensor, warm: bool) -> Batch:
        part = self.config.update
        agents, rounds, games = rewards.shape
        n_leaders = self.layout.n_rsus
        values = self.valuers.outputs(rollout.records.flatten(1))
        values = values.view(agents, rounds + 1, games)
        advantage = advantages(
            rewards,
            values,
            gamma=part.gamma,
            lam=part.gae_lambda,
            ends=self.environment.ended,
        )
        returns = (advantage + values[:, :-1]).flatten(1)
        if rollout.quiet is not None:
            quiet = self.reward_scale.apply(rollout.quiet, self.actors.followers)
            advantage[n_leaders:] = rewards[n_leaders:] - quiet
        weights = torch.ones_like(advantage)
        weights[:n_leaders, :, : rollout.drawn_prices] = 0.0
        if not warm and rollout.drawn_prices < games:
            weights[:n_leaders] *= games / (games - rollout.drawn_prices)
        weights = weights.flatten(1)
        return Batch.of(
            records=rollout.records[:, :-1].flatten(1),
            latents=rollout.latents.flatten(2),
            log_probabilities=rollout.log_probabilities.flatten(1),
            advantages=normalised(advantage.flatten(1), weights),
            returns=returns,
            weights=weights,
        )

    def _update(self, batch: Batch, agents: slice) -> None:
        if self.pruner.learn(self.iteration, batch):
            return
        learned = self.config.exploration.std == "learned"
        update(
            batch,
            self.actors,
            self.critics,
            (self.actor_optimizer, self.critic_optimizer),
            self._settings(),
            agents=agents,
            entropy_weight=self.annealing.entropy_weight(self.iteration) if learned else 0.0,
            penalty=self.pruner.penalty(self.iteration),
            generator=self.generator,
        )

    def _settings(self) -> UpdateSettings:
        part = self.config.update
        return UpdateSettings(
            epochs=part.epochs,
            minibatches=part.minibatches,
            clip=part.clip,
            value_weight=part.value_weight,
            max_gradient=part.max_gradient,
        )

    @torch.no_grad()
    def _average(self) -> None:
        """Mean of the actors over the last iterations: gradient noise averages out."""
        done = self.iteration - self.average_start
        if done <= 0 or self.average.widths != self.actors.widths:
            self.average = copy.deepcopy(self.actors).requires_grad_(False)
            return
        self.average.values.lerp_(self.actors.values, 1.0 / (done + 1))

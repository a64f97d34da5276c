"""MAA3C: asynchronous advantage actor-critic of several agents (Mnih et al., ICML 2016).

W workers (``update.workers``) hold copies of all parameters and play their own shares of the
games with them. A worker's gradient, computed at its copies, is applied to the shared parameters,
which have moved on since the worker fetched them; then it fetches them anew. In an iteration
every worker has one turn, in an order drawn anew: a gradient is W - 1 updates old on average and
at most 2 W - 2. All workers play and differentiate in one batch, which changes nothing in what
they compute, as a worker's copies do not move between its turns.

Workers share what is not learned by gradients: the scale of rewards and advantages, schedules,
and one Adam, where the original shares the statistics of RMSProp.

Fixes ``update.clip`` at null, ``update.epochs`` and ``update.minibatches`` at 1,
``exploration.std`` at scheduled, ``incentive.weight`` at 0 and ``pruning.method`` at none;
ignores all else of ``incentive`` and ``pruning``. ``environment.games`` must be a multiple of the
workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.actors import Actors
from veaat_migration.learning.algorithms.settings import ONE_STEP, fixed
from veaat_migration.learning.config import TrainingConfig
from veaat_migration.learning.evaluator import Evaluator
from veaat_migration.learning.learner import Learner
from veaat_migration.learning.stacked import StackedMLP
from veaat_migration.learning.surroundings import Surroundings
from veaat_migration.learning.update import Batch, update

SETTINGS = {**ONE_STEP, "exploration": {"std": "scheduled"}}


def split(samples: Tensor, workers: int) -> Tensor:
    """Every worker's samples, [A W, n, N / W], of all samples [A, n, N]."""
    return samples.unflatten(2, (-1, workers)).permute(0, 3, 1, 2).flatten(0, 1)


def joined(samples: Tensor, workers: int) -> Tensor:
    """All samples again, [A, n, N]: undoes :func:`split`."""
    return samples.unflatten(0, (-1, workers)).permute(0, 2, 3, 1).flatten(2)


class CopiesEvaluator(Evaluator):
    """Each column is computed by its worker's copy."""

    def __init__(self, *numbers: Any, workers: int, **options: Any) -> None:
        super().__init__(*numbers, **options)
        self._workers = workers

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs [A, out, N] for ``x`` [in, N]."""
        shared = x[: self._widths[0]].expand(self.agents // self._workers, -1, -1)
        return joined(super().__call__(split(shared, self._workers)), self._workers)

    def differentiate(
        self, by_output: Tensor, into: Tensor, *, by_input: Tensor | None = None
    ) -> None:
        """As :meth:`.Evaluator.differentiate`, ``by_output`` as outputs are."""
        super().differentiate(split(by_output, self._workers), into, by_input=by_input)


class Copies(StackedMLP):
    """Every worker's copy of a stack, as one stack of A W networks: agent by agent.

    From outside it is a stack of A networks; sample n is worker n mod W's.
    """

    def __init__(self, shared: StackedMLP, workers: int) -> None:
        seen = None if shared.seen is None else shared.seen[:, 0].repeat_interleave(workers, 0)
        super().__init__(
            shared.agents * workers, shared.widths, activation=shared.activation, seen=seen
        )
        self.workers = workers
        self._make_evaluator = partial(CopiesEvaluator, workers=workers)
        for worker in range(workers):
            self.fetch(worker, shared)

    @property
    def agents(self) -> int:
        """A."""
        return super().agents // self.workers

    def rows_of(self, agents: slice) -> slice:
        """The copies of some agents."""
        chosen = range(self.agents)[agents]
        return slice(chosen.start * self.workers, chosen.stop * self.workers)

    def outputs(self, x: Tensor) -> Tensor:
        """As :meth:`.StackedMLP.outputs`, but at once: blocks would move samples to others."""
        return self.evaluator()(x).clone()

    @torch.no_grad()
    def fetch(self, worker: int, shared: StackedMLP) -> None:
        """Take over the shared weights and biases."""
        self._of(worker, self.values).copy_(shared.values[:, : self.values.shape[1]])

    @torch.no_grad()
    def push(self, worker: int, shared: StackedMLP) -> None:
        """Hand the worker's gradient to the shared parameters."""
        shared.values.grad = torch.zeros_like(shared.values)
        own = self._of(worker, cast(Tensor, self.values.grad))
        shared.values.grad[:, : own.shape[1]] = own

    def _of(self, worker: int, rows: Tensor) -> Tensor:
        """One worker's rows, [A, P]."""
        return rows.unflatten(0, (-1, self.workers))[:, worker]


class ActorCopies(Copies):
    """Every worker's copy of the actors; standard deviations are the same for all."""

    def __init__(self, shared: Actors, workers: int) -> None:
        super().__init__(shared, workers)
        self.leaders, self.followers = shared.leaders, shared.followers
        self.learns_std = False
        # Not a submodule: its parameters are not the workers' own.
        self._shared = (shared,)

    @property
    def log_std(self) -> Tensor:
        """Of the shared actors."""
        return self._shared[0].log_std

    @property
    def used(self) -> Tensor:
        """Of the shared actors."""
        return self._shared[0].used

    def precision(self, agents: slice = slice(None)) -> Tensor:
        """As :meth:`.Actors.precision`."""
        return self._shared[0].precision(agents)

    def log_density(self, error: Tensor, agents: slice = slice(None)) -> Tensor:
        """As :meth:`.Actors.log_density`."""
        return self._shared[0].log_density(error, agents)


class Turns:
    """An optimiser that takes a step of the shared parameters for each worker in turn."""

    def __init__(
        self, copies: Copies, shared: StackedMLP, optimizer: torch.optim.Optimizer
    ) -> None:
        self._copies, self._shared, self._optimizer = copies, shared, optimizer
        self.order: list[int] = list(range(copies.workers))

    def step(self) -> None:
        """Apply every worker's gradient to what the shared parameters have become by its turn."""
        for worker in self.order:
            self._copies.push(worker, self._shared)
            self._optimizer.step()
            self._copies.fetch(worker, self._shared)


class AsynchronousLearner(Learner):
    """Workers with stale parameters."""

    def __init__(
        self,
        instance: GameInstance,
        config: TrainingConfig,
        *,
        seed: int,
        surroundings: Surroundings | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        config = fixed(config, SETTINGS)
        super().__init__(instance, config, seed=seed, surroundings=surroundings, device=device)
        self.workers = workers = config.update.workers
        self._actor_copies = ActorCopies(self.actors, workers).to(self.device)
        self._critic_copies: Copies = Copies(self.critics, workers).to(self.device)
        self._turns = (
            Turns(self._actor_copies, self.actors, self.actor_optimizer),
            Turns(self._critic_copies, self.critics, self.critic_optimizer),
        )

    @property
    def players(self) -> Actors:
        """Every worker plays its games with its own copies."""
        return cast(Actors, self._actor_copies)

    @property
    def valuers(self) -> StackedMLP:
        """And values their states with them."""
        return self._critic_copies

    def extra_state(self) -> dict[str, Tensor]:
        """The workers' copies."""
        return {name: parameter.detach() for name, parameter in self._copied()}

    @torch.no_grad()
    def load_extra(self, state: dict[str, Tensor]) -> None:
        """Give the workers their copies back."""
        for name, parameter in self._copied():
            parameter.copy_(state[name])

    def _copied(self) -> Iterator[tuple[str, Tensor]]:
        for kind, copies in (("actors", self._actor_copies), ("critics", self._critic_copies)):
            for name, parameter in copies.named_parameters():
                yield f"workers.{kind}.{name}", parameter

    def _update(self, batch: Batch, agents: slice) -> None:
        # Means over all samples are to be means over each worker's own, which are 1 in W.
        batch.advantages.mul_(self.workers)
        batch.weights.mul_(self.workers)
        order = torch.randperm(self.workers, generator=self.generator).tolist()
        for turns in self._turns:
            turns.order = order
        update(
            batch,
            self.players,
            self.valuers,
            cast(tuple[torch.optim.Optimizer, torch.optim.Optimizer], self._turns),
            self._settings(),
            agents=agents,
            entropy_weight=0.0,
            penalty=None,
            generator=self.generator,
        )


RUN = AsynchronousLearner

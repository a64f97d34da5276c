"""One update of all agents' actors and critics: Eqs. (26) to (29), (33), (45) to (47).

The losses of all agents are summed, which leaves every agent's gradient its own. Where an option
of :class:`UpdateSettings` differs, this is PPO, A2C or what lies between.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from veaat_migration.learning.actors import Actors
from veaat_migration.learning.stacked import StackedMLP

QUICK_ROWS = 8
"""Products with inputs are quickest where these have a multiple of so many rows."""


@dataclass(frozen=True)
class UpdateSettings:
    """What makes the difference between policy-gradient methods."""

    epochs: int = 4
    minibatches: int = 4
    clip: float | None = 0.2
    """epsilon of Eq. (29); None: the plain policy gradient, without ratio."""
    value_weight: float = 0.5
    """c_2 of Eq. (33)."""
    max_gradient: float = 0.5
    """Largest Euclidean norm of one agent's gradient, actor and critic each."""


class Batch:
    """N samples of A agents, each a column of one tensor: one operation shuffles all of it."""

    def __init__(self, columns: Tensor, shapes: Sequence[tuple[int, ...]]) -> None:
        """See :meth:`of`; ``shapes`` of its parts, without N."""
        self.columns, self._shapes = columns, shapes
        parts = columns.split([math.prod(shape) for shape in shapes])
        self.inputs = parts[0]
        """Records for networks: then a row of ones, then rows of zeros, [more than record, N]."""
        self.latents, self.log_probabilities, self.advantages, self.returns, self.weights = (
            part.unflatten(0, shape) for part, shape in zip(parts[1:], shapes[1:], strict=True)
        )

    @classmethod
    def of(
        cls,
        *,
        records: Tensor,
        latents: Tensor,
        log_probabilities: Tensor,
        advantages: Tensor,
        returns: Tensor,
        weights: Tensor,
    ) -> Batch:
        """Put samples together.

        Args:
            records: [record, N].
            latents: u, [A, R, N].
            log_probabilities: of u under the policy that played, [A, N].
            advantages: normalised; 0 where an agent learns nothing from a sample, [A, N].
            returns: targets of the critics, [A, N].
            weights: of the critics' errors: 0 where an agent learns nothing, 1 on average, [A, N].
        """
        ones = records.new_ones(1, records.shape[1])
        padding = records.new_zeros(-(len(records) + 1) % QUICK_ROWS, records.shape[1])
        inputs = torch.cat([records, ones, padding])
        return cls._join([inputs, latents, log_probabilities, advantages, returns, weights])

    @classmethod
    def _join(cls, parts: Sequence[Tensor]) -> Batch:
        columns = torch.cat([part.flatten(0, -2) for part in parts])
        return cls(columns, [tuple(part.shape[:-1]) for part in parts])

    def only(self, agents: slice) -> Batch:
        """Some agents' share of it."""
        parts = (self.latents, self.log_probabilities, self.advantages, self.returns, self.weights)
        return self._join([self.inputs, *(part[agents] for part in parts)])

    def shuffled(self, order: Tensor) -> Batch:
        """The samples in another order, [N]."""
        return Batch(self.columns.index_select(1, order), self._shapes)

    def minibatches(self, count: int) -> Iterator[Batch]:
        """Equal parts of the samples, in their order; views, not copies."""
        size = -(-self.columns.shape[1] // count)
        for columns in self.columns.split(size, 1):
            yield Batch(columns, self._shapes)


def surrogate_slope(ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """Derivative by ln pi of the clipped objective inside Eq. (27), with g_clip of Eq. (29).

    The objective is the smaller of ratio A and its clipped twin, which has no slope.
    """
    plain = ratio * advantage
    clipped = ratio.clamp(1.0 - clip, 1.0 + clip) * advantage
    return plain.masked_fill_(clipped < plain, 0.0)


def normalised(advantages: Tensor, weights: Tensor) -> Tensor:
    """Advantages of each agent with mean 0 and deviation 1 over the samples that count."""
    mean = (advantages * weights).mean(-1, keepdim=True)
    centred = advantages - mean
    deviation = (centred.square() * weights).mean(-1, keepdim=True).sqrt()
    return centred * weights / (deviation + 1e-8)


@torch.no_grad()
def limit_gradients(network: StackedMLP, limit: float) -> None:
    """Shorten each agent's gradient to a Euclidean norm of at most ``limit``."""
    gradient = network.values.grad
    if gradient is not None:
        length = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        gradient.mul_((limit / (length + 1e-12)).clamp_max_(1.0))


@torch.no_grad()
def update(
    batch: Batch,
    actors: Actors,
    critics: StackedMLP,
    optimizers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
    settings: UpdateSettings,
    *,
    agents: slice,
    entropy_weight: float,
    penalty: Callable[[], Tensor] | None,
    generator: torch.Generator,
) -> None:
    """Gradient steps over the batch.

    Args:
        batch: what was played, of all agents.
        actors: policies to improve.
        critics: their state values.
        optimizers: of the actors and of the critics.
        settings: the method.
        agents: who learns.
        entropy_weight: c_3 of Eq. (33), annealed by Eq. (34).
        penalty: what Eq. (45) subtracts for the sake of sparsity.
        generator: of the minibatches.
    """
    own = batch.only(agents)
    policies, values = actors.evaluator(agents), critics.evaluator(agents)
    n, device = batch.columns.shape[1], batch.columns.device
    for _ in range(settings.epochs):
        mixed = own
        if settings.minibatches > 1:
            order = torch.randperm(n, generator=generator, device=generator.device)
            # Once per epoch: minibatches are then slices of it.
            mixed = own.shuffled(order.to(device))
        for part in mixed.minibatches(settings.minibatches):
            policies.refresh()
            mean = policies(part.inputs)
            by_mean, by_log_std = policy_gradient(
                part, mean, actors, agents, clip=settings.clip, entropy_weight=entropy_weight
            )
            actors.take_gradient(policies, by_mean, agents, further=by_log_std)
            if penalty is not None:
                with torch.enable_grad():
                    penalty().backward()
                # It is on all weights, and must not move those of who does not learn.
                actors.only_gradient(agents)
            limit_gradients(actors, settings.max_gradient)
            optimizers[0].step()

            values.refresh()
            error = values(part.inputs)[:, 0] - part.returns
            scale = 2.0 * settings.value_weight / error.shape[-1]
            by_value = (error * part.weights * scale).unsqueeze(1)
            critics.take_gradient(values, by_value, agents)
            limit_gradients(critics, settings.max_gradient)
            optimizers[1].step()


@torch.no_grad()
def policy_gradient(
    batch: Batch,
    mean: Tensor,
    actors: Actors,
    agents: slice,
    *,
    clip: float | None,
    entropy_weight: float,
) -> tuple[Tensor, Tensor | None]:
    """Gradient of what actors minimise, Eqs. (27) and (33): -E[objective] - c_3 H, of each agent.

    Args:
        batch: samples.
        mean: of the policies, [A, R, N].
        actors: all of them.
        agents: who learns.
        clip: epsilon of Eq. (29), or None.
        entropy_weight: c_3.

    Returns:
        Gradient by the means, [A, R, N], and by ln std, [A, R], where that is learned.
    """
    precision = actors.precision(agents)
    error = (batch.latents - mean) * precision
    slope = batch.advantages
    if clip is not None:
        ratio = (actors.log_density(error, agents) - batch.log_probabilities).exp_()
        slope = surrogate_slope(ratio, batch.advantages, clip)
    by_log_density = (slope / -slope.shape[-1]).unsqueeze(1)
    by_mean = error * by_log_density
    by_log_std = None
    if actors.learns_std:
        # d ln pi / d ln std = error^2 - 1, and H grows by 1 with each ln std.
        used = actors.used[agents]
        by_log_std = (by_mean * error - used * by_log_density).sum(-1)
        by_log_std.sub_(used[..., 0], alpha=entropy_weight)
    return by_mean.mul_(precision), by_log_std

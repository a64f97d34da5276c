"""The policies pi(o; theta_k) of all agents: squashed Gaussians over bounded actions.

An agent draws u ~ N(mean(o), std) and plays the share sigmoid(u) of its interval. The squashing
keeps actions within bounds without losing the gradient there, which clipping would; it cancels
in the ratio of Eq. (27), so that all formulas are those of a Gaussian. What is deployed is the
median, sigmoid(mean(o)).

Agents are in the order RSU 1..R, AV 1..V. A leader has one action, a follower R; the stack holds
max(1, R) outputs for each and ignores those that a leader does not have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from veaat_migration.learning.stacked import StackedMLP
from veaat_migration.policy.observation import ObservationLayout


def seen_entries(layout: ObservationLayout) -> Tensor:
    """Which entries of the record each agent observes, [R + V, record] of 0 and 1."""
    columns = [layout.leader_columns(j) for j in range(layout.n_rsus)]
    columns += [layout.follower_columns(i) for i in range(layout.n_avs)]
    seen = torch.zeros(len(columns), layout.record_size)
    for agent, entries in enumerate(columns):
        seen[agent, entries] = 1.0
    return seen


class Actors(StackedMLP):
    """Mean networks of all agents and their standard deviations."""

    def __init__(
        self,
        layout: ObservationLayout,
        hidden: Sequence[int],
        *,
        activation: str = "tanh",
        initial_std: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        n_agents, outputs = layout.n_rsus + layout.n_avs, layout.n_rsus
        super().__init__(
            n_agents,
            [layout.record_size, *hidden, outputs],
            activation=activation,
            output_gain=0.01,
            seen=seen_entries(layout),
            further=outputs,
            generator=generator,
        )
        self.leaders = slice(0, layout.n_rsus)
        self.followers = slice(layout.n_rsus, n_agents)
        self.learns_std = True
        """Whether standard deviations follow the gradient; else somebody sets them."""
        with torch.no_grad():
            self.log_std.fill_(math.log(initial_std))
        used = torch.ones(n_agents, outputs, 1)
        used[self.leaders, 1:] = 0.0
        self.register_buffer("used", used)

    @property
    def log_std(self) -> Tensor:
        """Ln of the standard deviations, [A, R, 1]."""
        return self.layers().further.unsqueeze(2)

    def precision(self, agents: slice = slice(None)) -> Tensor:
        """1 / std of each output that an agent has, else 0, [A, R, 1]."""
        return (-self.log_std[agents]).exp() * self.used[agents]

    def log_density(self, error: Tensor, agents: slice = slice(None)) -> Tensor:
        """Ln pi(u|o) but for constants, [A, N], of (u - mean) / std (else 0), [A, R, N]."""
        normalisation = (self.log_std[agents] * self.used[agents]).sum(1)
        return error.square().sum(1).mul_(-0.5).sub_(normalisation)

    def log_probability(self, latent: Tensor, mean: Tensor, agents: slice = slice(None)) -> Tensor:
        """Ln pi(u|o) but for constants, [A, N]; ``latent`` u and ``mean`` [A, R, N]."""
        return self.log_density((latent - mean) * self.precision(agents), agents)

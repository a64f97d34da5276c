"""Individual exploration incentive: how much one agent's action moves the state (Eqs. 30, 31, 41).

Two Gaussians over a latent z^{t+1} are compared: p(z|s, a), which knows all actions, and
p(z|s, a_-k), which does not know agent k's. A conditional variational autoencoder learns them
together with their recognition networks, which also see s^{t+1}, and with a decoder that all
share. All encoders of one kind are one stack: entry 0 sees every action, entry k + 1 all but
those of agent k.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from veaat_migration.learning.evaluator import Evaluator
from veaat_migration.learning.stacked import BLOCK, StackedMLP
from veaat_migration.policy.observation import ObservationLayout

LEAST_DEVIATION = 0.01
"""Standard deviations of the latent are at least this: KL divergences stay finite."""


@dataclass(frozen=True)
class Gaussian:
    """Independent normal distributions over the latent, [..., z, N]."""

    mean: Tensor
    deviation: Tensor

    def __getitem__(self, index: slice) -> Gaussian:
        return Gaussian(self.mean[index], self.deviation[index])

    def sample(self, noise: Tensor) -> Tensor:
        """Reparametrised draws."""
        return torch.addcmul(self.mean, self.deviation, noise)

    def log_density(self, z: Tensor) -> Tensor:
        """Ln p(z) but for a constant, summed over the latent dimension."""
        error = (z - self.mean) / self.deviation
        return -(0.5 * error.square() + self.deviation.log()).sum(-2)


def divergence(p: Gaussian, q: Gaussian) -> Tensor:
    """D_KL(p || q) in nats, summed over the latent dimension (Eq. 30, closed form)."""
    ratio = p.deviation / q.deviation
    distance = (p.mean - q.mean) / q.deviation
    return (0.5 * (ratio.square() + distance.square() - 1.0) - ratio.log()).sum(-2)


def js_divergence(p: Gaussian, q: Gaussian, samples: int, generator: torch.Generator) -> Tensor:
    """D_JS(p || q) of Eq. (41) in bits, in [0, 1]: Monte Carlo, as the mixture is no Gaussian."""
    p_all = Gaussian(p.mean.expand_as(q.mean), p.deviation.expand_as(q.mean))
    total = torch.zeros(())
    for own, other in ((p_all, q), (q, p_all)):
        noise = torch.randn(
            (samples, *own.mean.shape), generator=generator, device=generator.device
        ).to(own.mean.device)
        z = own.sample(noise)
        # ln(own / mixture) = ln 2 - softplus(ln other - ln own)
        difference = other.log_density(z) - own.log_density(z)
        total = total + 0.5 * (math.log(2.0) - functional.softplus(difference)).mean(0)
    return (total / math.log(2.0)).clamp(0.0, 1.0)


def hidden_actions(layout: ObservationLayout) -> Tensor:
    """Which actions each encoder sees: all, then all but agent k's, [1 + R + V, R + V R]."""
    n_avs, n_rsus = layout.n_avs, layout.n_rsus
    seen = torch.ones(1 + n_rsus + n_avs, n_rsus + n_avs * n_rsus)
    for j in range(n_rsus):
        seen[1 + j, j] = 0.0
    for i in range(n_avs):
        first = n_rsus + i * n_rsus
        seen[1 + n_rsus + i, first : first + n_rsus] = 0.0
    return seen


class Evaluators(NamedTuple):
    """Of the networks of an :class:`Incentive`."""

    prior: Evaluator
    recognition: Evaluator
    decoder: Evaluator


class Incentive(torch.nn.Module):
    """The exploration incentive module: phi_1 (all actions), phi_2 (all but one), phi_3 (decoder).

    States are vectors (previous prices, demands and utilities, current rates), scaled to about
    one; actions are shares in [-1, 1].
    """

    def __init__(
        self,
        layout: ObservationLayout,
        state_size: int,
        *,
        latent: int = 16,
        hidden: int = 64,
        difference: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        """``difference``: decode s^{t+1} - s^t instead of s^{t+1}."""
        super().__init__()
        seen = hidden_actions(layout)
        states = torch.ones(len(seen), state_size)
        self.latent, self.difference = latent, difference

        def stack(parts: list[Tensor], outputs: int) -> StackedMLP:
            visible = torch.cat(parts, 1)
            widths = [visible.shape[1], hidden, hidden, outputs]
            return StackedMLP(len(visible), widths, seen=visible, generator=generator)

        self.prior = stack([states, seen], 2 * latent)
        self.recognition = stack([states, seen, states], 2 * latent)
        self.decoder = StackedMLP(1, [latent, hidden, hidden, state_size], generator=generator)

    def _gaussian(self, output: Tensor) -> Gaussian:
        mean, raw = output.split(self.latent, 1)
        return Gaussian(mean, functional.softplus(raw) + LEAST_DEVIATION)

    @torch.no_grad()
    def priors(self, states: Tensor, actions: Tensor) -> tuple[Gaussian, Gaussian]:
        """p(z|s, a), [1, z, N], and p(z|s, a_-k), [A, z, N], of states [s, N], actions [a, N]."""
        both = self._gaussian(self.prior.outputs(torch.cat([states, actions])))
        return both[:1], both[1:]

    @torch.no_grad()
    def surprise(self, states: Tensor, actions: Tensor) -> Tensor:
        """r_int of Eq. (30) [nats], [A, N]."""
        blocks = zip(states.split(BLOCK, 1), actions.split(BLOCK, 1), strict=True)
        return torch.cat([divergence(*self.priors(*block)) for block in blocks], -1)

    @torch.no_grad()
    def bounded_surprise(
        self, states: Tensor, actions: Tensor, *, samples: int, generator: torch.Generator
    ) -> Tensor:
        """R' of Eq. (41) [bits], mean over the given states, [A]."""
        p, q = self.priors(states, actions)
        return js_divergence(p, q, samples, generator).mean(-1)

    def evaluators(self) -> Evaluators:
        """The networks without automatic differentiation, for :meth:`take_gradient`."""
        return Evaluators(
            self.prior.evaluator(), self.recognition.evaluator(), self.decoder.evaluator()
        )

    @torch.no_grad()
    def take_gradient(
        self,
        networks: Evaluators,
        states: Tensor,
        actions: Tensor,
        following: Tensor,
        noise: Tensor,
    ) -> Tensor:
        """Loss and its gradient: -F(phi_1, phi_2, phi_3) of Eq. (31), phi_2 averaged over agents.

        The gradient, by hand since that takes half the time of autograd, goes to the networks.

        Args:
            networks: of this module.
            states: s^t, [s, N].
            actions: a^t, [a, N].
            following: s^{t+1}, [s, N].
            noise: standard normal, [1 + A, z, N].
        """
        for network in networks:
            network.refresh()
        encoders, size, n = noise.shape
        known = torch.cat([states, actions])
        prior = self._gaussian(networks.prior(known))
        recognised = self._gaussian(networks.recognition(torch.cat([known, following])))
        z = recognised.sample(noise)
        decoded = networks.decoder(z.transpose(0, 1).reshape(1, size, -1))
        target = following - states if self.difference else following
        # The decoder's normal distribution has unit variance.
        error = decoded.view(-1, encoders, n) - target.unsqueeze(1)
        terms = divergence(recognised, prior) + 0.5 * error.square().sum(0)
        share = terms.new_full((encoders, 1), 1.0 / (n * (encoders - 1)))
        share[0] = 1.0 / n

        by_z = z.new_empty(1, size, encoders * n)
        self.decoder.take_gradient(
            networks.decoder, (error * share).view_as(decoded), slice(None), by_input=by_z
        )
        by_z = by_z.view(size, encoders, n).transpose(0, 1)
        # Derivatives of Eq. (30).
        ratio = recognised.deviation / prior.deviation
        distance = (recognised.mean - prior.mean) / prior.deviation
        per_deviation = share.unsqueeze(2) / prior.deviation
        by_mean = distance * per_deviation
        by_own = ratio * per_deviation - share.unsqueeze(2) / recognised.deviation
        by_other = (1.0 - ratio.square() - distance.square()) * per_deviation
        self.recognition.take_gradient(
            networks.recognition,
            _by_output(recognised, by_mean + by_z, by_own + by_z * noise),
            slice(None),
        )
        self.prior.take_gradient(networks.prior, _by_output(prior, -by_mean, by_other), slice(None))
        return (terms * share).sum()


def _by_output(gaussian: Gaussian, by_mean: Tensor, by_deviation: Tensor) -> Tensor:
    """Gradient by the outputs that make a distribution, from that by its parameters."""
    # The derivative of softplus, from its value.
    slope = -torch.expm1(LEAST_DEVIATION - gaussian.deviation)
    return torch.cat([by_mean, by_deviation * slope], 1)

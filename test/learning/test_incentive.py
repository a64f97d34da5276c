"""The exploration incentive: divergences are exact, encoders blind for the right actions."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Independent, Normal, kl_divergence

from veaat_migration.learning.incentive import (
    LEAST_DEVIATION,
    Gaussian,
    Incentive,
    divergence,
    hidden_actions,
    js_divergence,
)
from veaat_migration.policy.observation import ObservationLayout

LAYOUT = ObservationLayout(3, 2, 4, True)
STATE_SIZE = 12


def gaussian(mean: float, deviation: float) -> Gaussian:
    """A normal distribution in one dimension, as [1, z = 1, N = 1]."""
    return Gaussian(torch.full((1, 1, 1), mean), torch.full((1, 1, 1), deviation))


def random_gaussian(seed: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(4, 16, 7, generator=generator)
    return Gaussian(mean, torch.rand(mean.shape, generator=generator) + 0.01)


def js(p: Gaussian, q: Gaussian, samples: int = 4000) -> float:
    return float(js_divergence(p, q, samples, torch.Generator().manual_seed(1)).mean())


def test_divergence_is_the_closed_form_of_torch() -> None:
    p, q = random_gaussian(1), random_gaussian(2)
    expected = kl_divergence(
        *(
            Independent(Normal(g.mean.transpose(1, 2), g.deviation.transpose(1, 2)), 1)
            for g in (p, q)
        )
    )
    torch.testing.assert_close(divergence(p, q), expected, rtol=1e-4, atol=1e-3)
    assert float(divergence(p, p).abs().max()) < 1e-4


def exact_js(m1: float, s1: float, m2: float, s2: float) -> float:
    """In bits, by quadrature."""
    low, high = min(m1 - 12 * s1, m2 - 12 * s2), max(m1 + 12 * s1, m2 + 12 * s2)
    z = torch.linspace(low, high, 200_001, dtype=torch.float64)
    p, q = (
        Normal(torch.tensor(m, dtype=torch.float64), torch.tensor(s, dtype=torch.float64))
        .log_prob(z)
        .exp()
        for m, s in ((m1, s1), (m2, s2))
    )
    mixture = (p + q) / 2.0
    terms = torch.xlogy(p, p / mixture) + torch.xlogy(q, q / mixture)
    return float(torch.trapezoid(torch.nan_to_num(terms), z)) / (2.0 * math.log(2.0))


@settings(max_examples=25, deadline=None)
@given(st.floats(-2, 2), st.floats(0.2, 2.0), st.floats(-2, 2), st.floats(0.2, 2.0))
def test_bounded_surprise_agrees_with_quadrature(
    m1: float, s1: float, m2: float, s2: float
) -> None:
    p, q = gaussian(m1, s1), gaussian(m2, s2)
    found = js(p, q, 20_000)
    assert found == pytest.approx(exact_js(m1, s1, m2, s2), abs=0.02)
    assert 0.0 <= found <= 1.0
    assert js(q, p, 20_000) == pytest.approx(found, abs=0.02)


def test_bounded_surprise_is_nothing_for_equal_and_one_bit_for_far_distributions() -> None:
    p = random_gaussian(1)
    assert js(p, p, 64) == pytest.approx(0.0, abs=1e-6)
    far = Gaussian(p.mean + 50.0, p.deviation)
    assert js(p, far, 64) == pytest.approx(1.0, abs=1e-5)


def test_bounded_surprise_stays_within_its_bounds_at_the_smallest_deviation() -> None:
    narrow, wide = gaussian(0.0, 0.01), gaussian(0.0, 100.0)
    for samples in (1, 8, 64):
        value = float(js_divergence(narrow, wide, samples, torch.Generator().manual_seed(3)))
        assert 0.0 <= value <= 1.0


def test_one_distribution_is_compared_with_many() -> None:
    p, q = random_gaussian(1), random_gaussian(2)
    together = js_divergence(p[:1], q, 3000, torch.Generator().manual_seed(1))
    assert together.shape == (4, 7)
    assert divergence(p[:1], q).shape == (4, 7)
    assert float(together.mean()) == pytest.approx(js(p[:1], q), abs=0.02)


def module() -> Incentive:
    return Incentive(
        LAYOUT, STATE_SIZE, latent=4, hidden=16, generator=torch.Generator().manual_seed(5)
    )


def trained() -> Incentive:
    incentive = module()
    optimizer = torch.optim.Adam(incentive.parameters(), lr=1e-2)
    for _ in range(10):
        states, following = torch.randn(2, STATE_SIZE, 50)
        noise = torch.randn(6, 4, 50)
        incentive.take_gradient(incentive.evaluators(), states, torch.rand(8, 50), following, noise)
        optimizer.step()
    return incentive


@pytest.mark.parametrize("difference", [False, True])
def test_loss_and_gradient_are_those_of_equation_31(difference: bool) -> None:
    """Against torch's distributions and its automatic differentiation."""
    incentive = trained()
    incentive.difference = difference
    states, actions, following = (
        torch.randn(STATE_SIZE, 9),
        torch.rand(8, 9),
        torch.randn(STATE_SIZE, 9),
    )
    noise = torch.randn(6, 4, 9)
    found = incentive.take_gradient(incentive.evaluators(), states, actions, following, noise)
    networks = (incentive.prior, incentive.recognition, incentive.decoder)
    gradients = [
        network.values.grad.clone() for network in networks if network.values.grad is not None
    ]
    incentive.zero_grad()

    def normal(output: torch.Tensor) -> Normal:
        mean, raw = output.split(4, 1)
        return Normal(mean, torch.nn.functional.softplus(raw) + LEAST_DEVIATION)

    prior = normal(incentive.prior(torch.cat([states, actions])))
    recognised = normal(incentive.recognition(torch.cat([states, actions, following])))
    z = recognised.mean + recognised.stddev * noise
    target = following - states if difference else following
    terms = kl_divergence(recognised, prior).sum(1)
    for encoder in range(6):
        error = incentive.decoder(z[encoder][None])[0] - target
        terms[encoder] = terms[encoder] + 0.5 * error.square().sum(0)
    loss = terms[0].mean() + terms[1:].mean()
    loss.backward()
    torch.testing.assert_close(found, loss.detach())
    assert len(gradients) == 3
    for network, gradient in zip(networks, gradients, strict=True):
        torch.testing.assert_close(gradient, network.values.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [module, trained])
def test_each_encoder_is_blind_for_its_agents_action_alone(make: type) -> None:
    incentive = make()
    seen = hidden_actions(LAYOUT)
    # RSU j's action is its price, AV i's are its demands.
    owners = [0, 1, 2, 2, 3, 3, 4, 4]
    states, actions = torch.randn(STATE_SIZE, 5), torch.rand(8, 5)
    both = torch.cat([states, actions])
    for action, owner in enumerate(owners):
        moved = both.clone()
        moved[STATE_SIZE + action] += 1.0
        change = (incentive.prior(moved) - incentive.prior(both)).abs().amax((1, 2))
        full = torch.cat([both, states]), torch.cat([moved, states])
        recognised = incentive.recognition(full[1]) - incentive.recognition(full[0])
        for found in (change.detach(), recognised.detach().abs().amax((1, 2))):
            for encoder in range(6):
                blind = encoder == 1 + owner
                assert (float(found[encoder]) == 0.0) == blind
                assert seen[encoder, action] == (0.0 if blind else 1.0)


def test_training_lowers_the_loss_and_action_that_matters_surprises() -> None:
    """s' is moved by the first price alone: nobody else's action says more than the state."""
    torch.manual_seed(0)
    incentive = module()
    optimizer = torch.optim.Adam(incentive.parameters(), lr=3e-3)

    def data(n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        states, actions = torch.randn(STATE_SIZE, n), torch.rand(8, n) * 2.0 - 1.0
        following = torch.zeros(STATE_SIZE, n)
        following[:] = 3.0 * actions[0]
        return states, actions, following

    losses = []
    for _ in range(250):
        loss = incentive.take_gradient(incentive.evaluators(), *data(128), torch.randn(6, 4, 128))
        optimizer.step()
        losses.append(float(loss))
    assert sum(losses[-20:]) < 0.8 * sum(losses[:20])
    states, actions, _ = data(500)
    surprise = incentive.surprise(states, actions).mean(1)
    assert float(surprise[0]) > 2.0 * float(surprise[1:].max())
    bounded = incentive.bounded_surprise(
        states, actions, samples=64, generator=torch.Generator().manual_seed(0)
    )
    assert float(bounded[0]) > float(bounded[1:].max())
    assert float(bounded.min()) >= 0.0
    assert float(bounded.max()) <= 1.0

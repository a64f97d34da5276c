"""Advantages, objective, minibatches, annealing: Eqs. (26) to (29), (33), (34)."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.advantage import advantages
from veaat_migration.learning.annealing import Annealing
from veaat_migration.learning.config import ExplorationPart, TrainingConfig, UpdatePart
from veaat_migration.learning.learner import Learner
from veaat_migration.learning.rollout import collect
from veaat_migration.learning.update import (
    Batch,
    UpdateSettings,
    limit_gradients,
    normalised,
    surrogate_slope,
    update,
)


@settings(deadline=None)  # The first product of a process takes its time.
@given(st.floats(0.0, 0.99), st.floats(0.0, 1.0), st.booleans(), st.integers(1, 5))
def test_gae_is_the_discounted_sum_of_errors(
    gamma: float, lam: float, ends: bool, rounds: int
) -> None:
    torch.manual_seed(rounds)
    rewards, values = torch.randn(2, rounds, 3), torch.randn(2, rounds + 1, 3)
    found = advantages(rewards, values, gamma=gamma, lam=lam, ends=ends)
    following = values.clone()
    if ends:
        following[:, -1] = 0.0
    for t in range(rounds):
        expected = torch.zeros(2, 3)
        for k in range(t, rounds):
            error = rewards[:, k] + gamma * following[:, k + 1] - values[:, k]
            expected += (gamma * lam) ** (k - t) * error
        torch.testing.assert_close(found[:, t], expected, rtol=1e-4, atol=1e-5)


@settings(deadline=None)
@given(st.floats(0.01, 5.0), st.floats(-3.0, 3.0))
def test_the_slope_is_that_of_the_smaller_of_both(ratio: float, advantage: float) -> None:
    assume(min(abs(ratio - 0.8), abs(ratio - 1.2)) > 1e-5)  # the kinks
    log_ratio = torch.tensor(math.log(ratio), requires_grad=True)
    plain = log_ratio.exp() * advantage
    torch.minimum(plain, log_ratio.exp().clamp(0.8, 1.2) * advantage).backward()
    found = surrogate_slope(log_ratio.detach().exp(), torch.tensor(advantage), 0.2)
    assert log_ratio.grad is not None
    assert float(found) == pytest.approx(float(log_ratio.grad), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("learns_std", [False, True])
@pytest.mark.parametrize("clip", [None, 0.2])
@pytest.mark.parametrize("agents", [slice(None), slice(2, None)])
def test_gradients_are_those_of_the_losses(
    base: GameInstance, small: TrainingConfig, agents: slice, clip: float | None, learns_std: bool
) -> None:
    """Against autograd; steps of gradient descent show the gradient."""
    learner = Learner(base, small, seed=1)
    actors, critics = learner.actors, learner.critics
    actors.learns_std = learns_std
    batch = batch_of(learner)
    with torch.no_grad():  # so that ratios differ from 1
        for network in (actors, critics):
            network.values.add_(0.05 * torch.randn_like(network.values))
            network.blind()
    own = batch.only(agents)
    log_probability = actors.log_probability(own.latents, actors(batch.inputs, agents), agents)
    objective = log_probability * own.advantages
    if clip is not None:
        ratio = (log_probability - own.log_probabilities).exp()
        assert float((ratio.detach() - 1.0).abs().max()) > clip
        clipped = ratio.clamp(1.0 - clip, 1.0 + clip)
        objective = torch.minimum(ratio * own.advantages, clipped * own.advantages)
    error = critics(batch.inputs, agents)[:, 0] - own.returns
    entropy = (actors.log_std * actors.used)[agents].sum()
    losses = (
        -objective.mean(-1).sum() - 0.1 * entropy,
        0.7 * (error.square() * own.weights).mean(-1).sum(),
    )
    expected = []
    for network, loss in zip((actors, critics), losses, strict=True):
        (gradient,) = torch.autograd.grad(loss, network.values)
        if network is actors and not learns_std:
            actors.layers(gradient).further.zero_()
        expected.append(network.values.detach() - gradient)
    update(
        batch,
        actors,
        critics,
        (torch.optim.SGD([actors.values], lr=1.0), torch.optim.SGD([critics.values], lr=1.0)),
        UpdateSettings(epochs=1, minibatches=1, clip=clip, value_weight=0.7, max_gradient=1e9),
        agents=agents,
        entropy_weight=0.1,
        penalty=None,
        generator=learner.generator,
    )
    for network, values in zip((actors, critics), expected, strict=True):
        torch.testing.assert_close(network.values.detach(), values, rtol=1e-4, atol=1e-5)


def test_advantages_are_normalised_over_what_counts() -> None:
    values = torch.randn(3, 1000) * 5.0 + 2.0
    weights = torch.ones(3, 1000)
    weights[0, :400], weights[0, 400:] = 0.0, 1000 / 600
    found = normalised(values, weights)
    assert found[0, :400].abs().max() == 0.0
    kept = found[0, 400:] / weights[0, 400:]
    assert float(kept.mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(kept.std(unbiased=False)) == pytest.approx(1.0, rel=1e-4)


def batch_of(learner: Learner) -> Batch:
    rollout = collect(learner.environment, learner.actors, quiet=True, generator=learner.generator)
    return learner._batch(rollout, learner.reward_scale(rollout.rewards[:, 1:]), warm=False)


def test_minibatches_hold_every_sample_once(base: GameInstance, small: TrainingConfig) -> None:
    batch = batch_of(Learner(base, small, seed=1))
    order = torch.randperm(batch.columns.shape[1])
    mixed = batch.only(slice(2, None)).shuffled(order)
    for count in (1, 3, 4):
        parts = list(mixed.minibatches(count))
        assert len(parts) == count
        assert torch.equal(torch.cat([part.inputs for part in parts], -1), batch.inputs[:, order])
        returns = torch.cat([part.returns for part in parts], -1)
        assert torch.equal(returns, batch.returns[2:, order])


def test_one_plain_step_follows_the_policy_gradient(
    base: GameInstance, small: TrainingConfig
) -> None:
    """Without clip, one step of gradient descent moves weights by -rate times autograd's gradient
    of -mean(ln pi A), with the same networks written plainly."""
    learner = Learner(base, small, seed=1)
    batch = batch_of(learner)
    before = [p.detach().clone() for p in learner.actors.weights]
    plain = [p.detach().clone().requires_grad_() for p in learner.actors.weights]
    h = batch.inputs[: learner.layout.record_size].expand(5, -1, -1)
    for k, (weight, bias) in enumerate(zip(plain, learner.actors.biases, strict=True)):
        h = weight @ h + bias.detach()
        if k < len(plain) - 1:
            h = torch.tanh(h)
    log_probability = learner.actors.log_probability(batch.latents, h)
    (-(log_probability * batch.advantages).mean(-1).sum()).backward()
    rate = 1e-2
    update(
        batch,
        learner.actors,
        learner.critics,
        (
            torch.optim.SGD(learner.actors.parameters(), lr=rate),
            torch.optim.SGD(learner.critics.parameters(), lr=rate),
        ),
        UpdateSettings(epochs=1, minibatches=1, clip=None, max_gradient=1e9),
        agents=slice(None),
        entropy_weight=0.0,
        penalty=None,
        generator=learner.generator,
    )
    seen = learner.actors.seen
    for k, (old, new, reference) in enumerate(
        zip(before, learner.actors.weights, plain, strict=True)
    ):
        assert reference.grad is not None
        gradient = reference.grad * seen if k == 0 else reference.grad
        torch.testing.assert_close(new.detach(), old - rate * gradient, rtol=1e-3, atol=1e-6)


def test_only_those_who_learn_change(base: GameInstance, small: TrainingConfig) -> None:
    learner = Learner(base, small, seed=1)
    before = [p.detach().clone() for p in learner.actors.weights]
    learner.iterate()
    assert learner.config.stages.follower_iterations > 1
    for old, new in zip(before, learner.actors.weights, strict=True):
        assert torch.equal(old[:2], new[:2])
        assert not torch.equal(old[2:], new[2:])


def test_gradients_are_limited_agent_by_agent(base: GameInstance, small: TrainingConfig) -> None:
    actors = Learner(base, small, seed=1).actors
    gradient = torch.zeros_like(actors.values)
    for agent, size in enumerate((0.1, 1.0, 10.0, 0.0, 0.5)):
        gradient[agent] = size / math.sqrt(gradient.shape[1])
    actors.values.grad = gradient
    limit_gradients(actors, 0.5)
    norms = gradient.norm(dim=1)
    torch.testing.assert_close(norms, torch.tensor([0.1, 0.5, 0.5, 0.0, 0.5]))


def test_annealing_falls_from_its_start_to_its_end() -> None:
    part = ExplorationPart()
    annealing = Annealing(100, part)
    falling = [annealing.falling(k) for k in range(100)]
    assert all(np.diff(falling) < 0.0)
    assert falling[round(100 * part.anneal_at)] == pytest.approx(0.5)
    assert annealing.entropy_weight(0) == pytest.approx(part.entropy, rel=0.01)
    assert annealing.deviations(0, 20)[1] == pytest.approx(part.initial_std)
    assert annealing.deviations(20, 20) == pytest.approx((part.initial_std, part.follower_std))
    last = annealing.deviations(99, 20)
    assert last == pytest.approx((part.final_std, part.follower_final_std))
    steps = UpdatePart()
    rates = [annealing.learning_rate(k, steps) for k in (0, 99)]
    assert rates == pytest.approx([steps.learning_rate, steps.final_learning_rate])

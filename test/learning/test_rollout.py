"""What is played, and what is remembered of it."""

import dataclasses

import numpy as np
import pytest
import torch

from veaat_migration.game.instance import GameInstance
from veaat_migration.game.utilities import follower_utilities, leader_utilities
from veaat_migration.learning.config import TrainingConfig
from veaat_migration.learning.learner import Learner
from veaat_migration.learning.rollout import Rollout, collect

DRAWN, NEARBY, WIDTH = 2, 3, 0.1


@pytest.fixture
def learner(base: GameInstance, small: TrainingConfig) -> Learner:
    return Learner(base, small, seed=5)


def play(learner: Learner, **options: object) -> Rollout:
    return collect(
        learner.environment,
        learner.actors,
        generator=learner.generator,
        **options,  # type: ignore[arg-type]
    )


def test_rewards_are_those_of_the_game(learner: Learner, base: GameInstance) -> None:
    rollout = play(learner)
    prices, demand = (x.double().numpy() for x in learner.environment.outcome())
    expected = np.concatenate(
        [leader_utilities(base, prices, demand), follower_utilities(base, prices, demand)], -1
    )
    np.testing.assert_allclose(rollout.rewards.permute(1, 2, 0), expected, rtol=1e-4, atol=1e-4)


def test_log_probabilities_are_those_of_the_policy_that_played(learner: Learner) -> None:
    rollout = play(learner)
    with torch.no_grad():
        # Leaders priced before the prices stood in the record: they are blind for them.
        mean = learner.actors(rollout.records[:, :-1].flatten(1))
        again = learner.actors.log_probability(rollout.latents.flatten(2), mean)
    torch.testing.assert_close(again, rollout.log_probabilities.flatten(1), rtol=1e-4, atol=1e-4)


def test_prices_are_drawn_where_they_are_said_to_be(learner: Learner) -> None:
    with torch.no_grad():
        learner.actors.weights[-1].zero_()
        learner.actors.biases[-1][learner.actors.leaders] = 0.4
    centre = 1.0 / (1.0 + np.exp(-0.4))
    rollouts = [
        play(learner, drawn_prices=DRAWN, nearby_prices=NEARBY, nearby=WIDTH).played.clone()
        for _ in range(30)
    ]
    shares = (torch.cat([played[:2, 1:] for played in rollouts], 1).numpy() + 1.0) / 2.0
    drawn, near = shares[..., :DRAWN], shares[..., DRAWN : DRAWN + NEARBY]
    assert drawn.min() < 0.05
    assert drawn.max() > 0.95
    assert drawn.mean() == pytest.approx(0.5, abs=0.05)
    assert np.abs(near - centre).max() <= WIDTH + 1e-6
    assert near.std() == pytest.approx(WIDTH / np.sqrt(3.0), rel=0.1)
    own = np.log(shares[..., DRAWN + NEARBY :] / (1.0 - shares[..., DRAWN + NEARBY :]))
    assert own.mean() == pytest.approx(0.4, abs=0.1)
    assert own.std() == pytest.approx(float(learner.actors.log_std[0, 0].detach().exp()), rel=0.1)


@pytest.mark.parametrize("capacity", [None, [3.0, 30.0], [5.0, 6.0]])
def test_quiet_utilities_are_those_without_own_exploration(
    base: GameInstance, small: TrainingConfig, capacity: list[float] | None
) -> None:
    short = None if capacity is None else np.array(capacity)
    base = dataclasses.replace(base, capacity=short)
    learner = Learner(base, small, seed=5)
    rollout = play(learner, quiet=True)
    assert rollout.quiet is not None
    prices, demand = (x[1:].double().numpy() for x in learner.environment.outcome())
    with torch.no_grad():
        mean = learner.actors(rollout.records[:, :-1].flatten(1), learner.actors.followers)
    shares = mean.sigmoid().view(3, 2, *prices.shape[:2]).double().numpy()
    for av in range(3):
        changed = demand.copy()
        changed[:, :, av] = 10.0 * shares[av].transpose(1, 2, 0)
        expected = follower_utilities(base, prices, changed)[..., av]
        np.testing.assert_allclose(rollout.quiet[av], expected, rtol=1e-4, atol=1e-4)


def test_leaders_learn_nothing_from_prices_that_were_drawn(learner: Learner) -> None:
    rollout = play(learner, drawn_prices=DRAWN, nearby_prices=NEARBY, nearby=WIDTH, quiet=True)
    assert rollout.drawn_prices == DRAWN + NEARBY
    rewards = learner.reward_scale(rollout.rewards[:, 1:])
    batch = learner._batch(rollout, rewards, warm=False)
    weights = batch.weights.view(5, 10, 8)
    assert weights[:2, :, :5].abs().max() == 0.0
    assert weights[:2].mean() == pytest.approx(1.0)
    assert weights[2:].min() == 1.0
    assert batch.advantages.view(5, 10, 8)[:2, :, :5].abs().max() == 0.0
    torch.testing.assert_close(
        (batch.advantages.square()).mean(-1)[2:], torch.ones(3), rtol=1e-4, atol=1e-4
    )


def test_a_stack_of_agents_never_sees_what_is_hidden(learner: Learner) -> None:
    for _ in range(4):
        learner.iterate()
    record = torch.randn(learner.layout.record_size, 7)
    changed = record.clone()
    own_demand = [c for c in range(learner.layout.record_size)
                  if c not in learner.layout.follower_columns(0)]  # fmt: skip
    changed[own_demand] += 1.0
    with torch.no_grad():
        first, second = (learner.actors(x)[learner.layout.n_rsus] for x in (record, changed))
    assert torch.equal(first, second)
    # A critic may see everything but its own leader's present price.
    price = learner.layout.record_size - learner.layout.n_rsus
    changed = record.clone()
    changed[price] += 1.0
    with torch.no_grad():
        values = [learner.critics(x)[:, 0] for x in (record, changed)]
    assert torch.equal(values[0][0], values[1][0])
    assert not torch.equal(values[0][1], values[1][1])

"""Learned play is judged as the exact engine judges any play."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from veaat_migration.game.equilibrium import solve
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import GameInstance
from veaat_migration.game.utilities import follower_utilities, leader_utilities
from veaat_migration.learning.config import TrainingConfig
from veaat_migration.learning.evaluation import (
    Play,
    gains_against_learned_answers,
    judge,
    learned_play,
)
from veaat_migration.learning.learner import Learner
from veaat_migration.learning.perturb import perturbed, robustness


def play_of(instance: GameInstance, prices: np.ndarray, demand: np.ndarray) -> Play:
    return Play(
        prices,
        demand,
        leader_utilities(instance, prices, demand),
        follower_utilities(instance, prices, demand),
        0.0,
    )


def test_the_equilibrium_has_no_gap_and_no_gain(base: GameInstance) -> None:
    exact = solve(base)
    report = judge(base, play_of(base, exact.prices, exact.demand), exact)
    assert report.gaps is not None
    assert np.abs(report.gaps).max() < 1e-9
    assert report.exploitability < 1e-9


def test_a_wrong_price_shows_even_if_avs_buy_too_much(base: GameInstance) -> None:
    exact = solve(base)
    prices = exact.prices * np.array([1.3, 1.0])
    right = follower_equilibria(base, prices[None]).demand[0]
    generous = right * 1.2
    for demand in (right, generous):
        report = judge(base, play_of(base, prices, demand), exact)
        assert report.leader_gains[0] > 0.02
        assert report.exploitability >= report.leader_gains[0]
    assert judge(base, play_of(base, prices, generous), exact).follower_gains.min() > 0.0


def test_play_settles_on_what_the_actors_say(base: GameInstance, small: TrainingConfig) -> None:
    learner = Learner(base, small, seed=1)
    with torch.no_grad():
        for network in (learner.actors, learner.average):
            for weight in network.weights:
                weight.zero_()
            network.biases[-1][0] = -1.0  # share sigmoid(-1) of the first leader's interval
            network.biases[-1][1] = 0.5
            network.biases[-1][2:] = 0.25
    play = learned_play(learner)
    shares = 1.0 / (1.0 + np.exp([1.0, -0.5]))
    low = base.price_min
    np.testing.assert_allclose(play.prices, low * (30.0 / low) ** shares, rtol=1e-5)
    np.testing.assert_allclose(play.demand, 10.0 / (1.0 + np.exp(-0.25)), rtol=1e-5)
    assert play.restless == 0.0
    # Constant AVs never answer: the best deviation is the highest price.
    gains = gains_against_learned_answers(learner, play)
    highest = [np.where(np.arange(2) == j, 30.0, play.prices) for j in range(2)]
    expected = [
        leader_utilities(base, highest[j], play.demand)[j] / play.leader_utilities[j] - 1.0
        for j in range(2)
    ]
    np.testing.assert_allclose(gains, expected, rtol=1e-4)


def test_perturbed_games_stay_within_their_share(base: GameInstance) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        game = perturbed(base, 0.1, rng)
        for name in ("satisfaction", "quality", "cost"):
            ratio = getattr(game, name) / getattr(base, name)
            assert np.all(np.abs(ratio - 1.0) <= 0.1)
    costly = replace(base, cost=np.full((3, 2), 29.5))
    assert perturbed(costly, 0.2, rng).cost.max() < 30.0


def test_larger_perturbations_lose_more(base: GameInstance) -> None:
    exact = solve(base)
    play = play_of(base, exact.prices, exact.demand)
    found = list(robustness(base, play, [0.02, 0.2], 5))
    assert found[0].exploitability.max() == pytest.approx(0.0, abs=0.02)
    assert np.median(found[1].exploitability) > np.median(found[0].exploitability)
    assert len(found[0].gaps) == 5

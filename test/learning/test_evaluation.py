"""Learned play is judged as the exact engine judges any play."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from veaat_migration.game.equilibrium import solve
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import DelayConstraint, GameInstance
from veaat_migration.game.solution import Equilibrium
from veaat_migration.game.utilities import follower_utilities, leader_utilities
from veaat_migration.learning.algorithms import create
from veaat_migration.learning.config import TrainingConfig
from veaat_migration.learning.evaluation import (
    Play,
    average,
    evaluate,
    gains_against_learned_answers,
    judge,
    lateness,
    learned_plays,
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
    play = learned_plays(learner)[0]
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
    found = list(robustness(base, [play], [0.02, 0.2], 5))
    assert found[0].exploitability.max() == pytest.approx(0.0, abs=0.02)
    assert np.median(found[1].exploitability) > np.median(found[0].exploitability)
    assert len(found[0].gaps) == 5


@pytest.mark.parametrize("algorithm", ["random", "greedy"])
def test_players_that_vary_are_judged_by_many_plays(
    base: GameInstance, small: TrainingConfig, algorithm: str
) -> None:
    learner = create(base, small.model_copy(update={"algorithm": algorithm}), seed=1)
    for _ in range(3):
        learner.iterate()
    plays = learned_plays(learner)
    assert len(plays) == learner.policy.variety > 1
    assert np.ptp([play.prices[0] for play in plays]) > 0.0

    report = evaluate(learner, solve(base))
    assert report.gaps is not None
    mean = np.mean([play.leader_utilities for play in plays], axis=0)
    if algorithm == "greedy":  # it remembers; random players would draw anew
        np.testing.assert_allclose(report.play.leader_utilities, mean)
    assert report.exploitability > 0.01


def test_reports_of_several_plays_are_averaged(base: GameInstance) -> None:
    exact = solve(base)
    near = [exact.prices * factor for factor in (0.9, 1.0, 1.2)]
    demand = [follower_equilibria(base, prices[None]).demand[0] for prices in near]
    reports = [
        judge(base, play_of(base, prices, bought), exact)
        for prices, bought in zip(near, demand, strict=True)
    ]
    mean = average(reports, exact)
    np.testing.assert_allclose(mean.play.prices, np.mean(near, axis=0))
    assert mean.exploitability == sorted(report.exploitability for report in reports)[1]
    assert mean.gaps is not None
    gaps = [report.gaps for report in reports if report.gaps is not None]
    np.testing.assert_allclose(mean.gaps, np.mean(gaps, axis=0))
    assert average(reports[:1], exact) is reports[0]


def test_lateness_is_that_of_the_delay_constraint(base: GameInstance) -> None:
    exact = solve(base)
    play = play_of(base, exact.prices, exact.demand)
    assert lateness(base, [play]) is None

    data = np.array([10.0, 20.0, 30.0])
    efficiency, waiting = np.full((3, 2), 2.0), np.full((3, 2), 0.5)
    weight = base.quality / exact.prices
    delay = (weight / weight.sum()) @ (data / (exact.demand * 2.0).T + 0.5)
    limit = delay * np.array([2.0, 1.0 - 1e-9, 0.5])
    constraint = DelayConstraint(data, efficiency, waiting, limit)
    limited = replace(base, delay=constraint)
    late = lateness(limited, [play, play])
    assert late is not None
    np.testing.assert_allclose(late, [0.0, 0.0, delay[2] / 2.0], atol=1e-6)


def test_play_is_compared_with_the_nearest_equilibrium(base: GameInstance) -> None:
    exact = solve(base)
    prices = exact.prices * 2.0
    demand = follower_equilibria(base, prices[None]).demand[0]
    other = Equilibrium(
        prices,
        demand,
        leader_utilities(base, prices, demand),
        follower_utilities(base, prices, demand),
        "low",
        0.0,
    )
    two = replace(exact, other_equilibria=(other,))

    at_first = judge(base, play_of(base, exact.prices, exact.demand), two)
    at_other = judge(base, play_of(base, prices, demand), two)

    assert (at_first.nearest, at_other.nearest) == (0, 1)
    for report in (at_first, at_other):
        assert report.gaps is not None
        assert np.abs(report.gaps).max() < 1e-9

"""Best-response play in memory: learning leaders reach the exact Stackelberg equilibrium."""

from __future__ import annotations

import numpy as np
import pytest

from veaat_migration.game.equilibrium import solve
from veaat_migration.game.instance import GameInstance
from veaat_migration.game.profiles import follower_profile, leader_profile
from veaat_migration.game.utilities import follower_utilities, leader_utilities
from veaat_migration.policy.best_response import BestResponseFollower, BestResponseLeader
from veaat_migration.policy.play import play


@pytest.fixture(scope="module")
def base() -> GameInstance:
    return GameInstance.create(
        satisfaction=[20.0, 25.0, 30.0],
        offset=np.e - np.array([1.5, 1.8, 2.0]),
        quality=[1.0, 1.2],
        cost=[2.0, 2.5],
        social=0.02,
        service=0.02,
        price_max=30.0,
        bandwidth_max=10.0,
    )


def players(instance: GameInstance, seed: int):
    leaders = [
        BestResponseLeader(leader_profile(instance, j + 1), seed=1000 * seed + j)
        for j in range(instance.n_rsus)
    ]
    followers = [
        BestResponseFollower(follower_profile(instance, i + 1)) for i in range(instance.n_avs)
    ]
    return leaders, followers


def deviations(instance: GameInstance, prices, demands):
    """Largest relative deviation of any utility from the equilibrium, per round."""
    exact = solve(instance)
    reached = np.concatenate(
        (
            leader_utilities(instance, prices, demands),
            follower_utilities(instance, prices, demands),
        ),
        axis=-1,
    )
    target = np.concatenate(
        (
            leader_utilities(instance, exact.prices, exact.demand),
            follower_utilities(instance, exact.prices, exact.demand),
        )
    )
    return np.abs(reached / target - 1.0).max(axis=-1)


@pytest.mark.parametrize("seed", range(10))
def test_base_case_settles_within_one_per_cent_from_random_starts(base, seed):
    prices, demands = play(base, *players(base, seed), rounds=150)
    assert deviations(base, prices, demands)[40:].max() < 0.01


def random_instance(rng: np.random.Generator) -> GameInstance:
    v, r = int(rng.integers(2, 9)), int(rng.integers(1, 5))
    return GameInstance.create(
        satisfaction=rng.uniform(15, 35, v),
        offset=np.e - rng.uniform(1.0, 2.2, v),
        quality=rng.uniform(0.6, 1.6, r),
        cost=rng.uniform(1.5, 4.0, (v, r)),
        social=0.04 / (v - 1) * rng.uniform(0, 1.5),
        service=0.02 / max(r - 1, 1) * rng.uniform(-1, 1.5),
        price_max=30.0,
        bandwidth_max=10.0,
    )


@pytest.mark.parametrize("seed", range(4))
def test_other_games_settle_too(seed):
    instance = random_instance(np.random.default_rng(seed))
    prices, demands = play(instance, *players(instance, seed), rounds=120)
    assert deviations(instance, prices, demands)[80:].max() < 0.01


def test_a_leader_that_restarts_finds_back(base):
    leaders, followers = players(base, 1)

    class Restarting:
        name = "restarting"

        def __init__(self):
            self.policy, self.round = leaders[0], 0

        def act(self, observation):
            self.round += 1
            if self.round == 60:
                self.policy = BestResponseLeader(leader_profile(base, 1), seed=99)
            return self.policy.act(observation)

    prices, demands = play(base, [Restarting(), leaders[1]], followers, rounds=150)
    assert deviations(base, prices, demands)[100:].max() < 0.01


def test_noisy_followers_do_not_throw_the_price_off(base):
    rng = np.random.default_rng(5)
    leaders, followers = players(base, 2)
    prices, _ = play(
        base,
        leaders,
        followers,
        rounds=200,
        disturb=lambda demand: demand * (1 + 1e-3 * rng.normal(size=demand.shape)),
    )
    exact = solve(base).prices
    assert np.abs(prices[100:].mean(axis=0) / exact - 1.0).max() < 0.02


def test_a_price_at_which_nobody_buys_falls(base):
    leader = BestResponseLeader(leader_profile(base, 1), seed=0)
    others = [BestResponseLeader(leader_profile(base, 2), seed=1)]
    _, followers = players(base, 0)
    leader._price = 30.0
    prices, demands = play(base, [leader, *others], followers, rounds=20)
    assert prices[0, 0] == 30.0
    assert demands[-1, :, 0].sum() > 1.0

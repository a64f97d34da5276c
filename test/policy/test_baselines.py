"""Fixed, random and greedy policies, and the factory that makes them."""

from __future__ import annotations

import numpy as np
import pytest

from veaat_migration.game.instance import GameInstance
from veaat_migration.game.profiles import (
    FollowerProfile,
    LeaderProfile,
    follower_profile,
    leader_profile,
)
from veaat_migration.policy.baselines import GreedyFollower, GreedyLeader
from veaat_migration.policy.factory import (
    POLICIES,
    PolicyError,
    make_follower_policy,
    make_leader_policy,
)
from veaat_migration.policy.interface import FollowerObservation, LeaderObservation
from veaat_migration.policy.play import play

LEADER = LeaderProfile(rsu_id=1, quality=1.0, unit_cost=2.0, price_max=30.0)
FOLLOWER = FollowerProfile(av_id=1, satisfaction=20.0, offset=1.2, bandwidth_max=10.0)


def instance() -> GameInstance:
    return GameInstance.create(
        satisfaction=[20.0, 25.0],
        offset=[1.2, 0.9],
        quality=[1.0, 1.2],
        cost=[2.0, 2.5],
        price_max=30.0,
        bandwidth_max=10.0,
    )


def nothing_heard() -> LeaderObservation:
    return LeaderObservation(1, (1,), np.array([np.nan]), np.array([np.nan]), (), np.zeros((0, 1)))


def offers(prices=(4.0, 5.0)) -> FollowerObservation:
    return FollowerObservation(
        1, (1, 2), np.array(prices), np.array([1.0, 1.2]), (), np.zeros((0, 2))
    )


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_acts_within_bounds_from_the_first_round(name):
    leader = make_leader_policy(name, LEADER, seed=1, equilibrium_price=4.0)
    follower = make_follower_policy(name, FOLLOWER, seed=1, equilibrium_bandwidth={1: 3.0})
    assert leader.name == follower.name == name
    assert 2.0 <= leader.act(nothing_heard()) <= 30.0
    bandwidth = follower.act(offers())
    assert bandwidth.shape == (2,)
    assert np.all((bandwidth >= 0) & (bandwidth <= 10.0))


@pytest.mark.parametrize("name", ["best_response", "greedy", "random"])
def test_policies_repeat_themselves_with_the_same_seed(name):
    def prices(seed):
        game = instance()
        leaders = [make_leader_policy(name, leader_profile(game, j), seed=seed + j) for j in (1, 2)]
        followers = [
            make_follower_policy(name, follower_profile(game, i), seed=seed + 10 + i)
            for i in (1, 2)
        ]
        return play(game, leaders, followers, 10)[0]

    assert np.array_equal(prices(3), prices(3))
    assert not np.array_equal(prices(3), prices(4))


@pytest.mark.parametrize("make", [make_leader_policy, make_follower_policy])
def test_unknown_policy_is_named_with_the_known_ones(make):
    with pytest.raises(PolicyError, match="best_response, equilibrium, greedy, random; got 'best'"):
        make("best", LEADER if make is make_leader_policy else FOLLOWER, seed=0)


def test_equilibrium_needs_its_numbers():
    with pytest.raises(PolicyError, match="equilibrium_price"):
        make_leader_policy("equilibrium", LEADER, seed=0)
    with pytest.raises(PolicyError, match="equilibrium_bandwidth"):
        make_follower_policy("equilibrium", FOLLOWER, seed=0)


def test_fixed_follower_bids_by_rsu_id():
    policy = make_follower_policy("equilibrium", FOLLOWER, seed=0, equilibrium_bandwidth={2: 4.5})
    assert policy.act(offers()).tolist() == [0.0, 4.5]


def test_greedy_leader_repeats_the_price_that_earned_most():
    policy = GreedyLeader(LEADER, seed=0, exploration=0.0)

    def sold(round_, price, quantity):
        return LeaderObservation(
            round_, (1,), np.array([price]), np.array([1.0]), (1,), np.array([[quantity]])
        )

    policy.act(nothing_heard())
    policy.act(sold(2, 10.0, 1.0))  # earns 8
    policy.act(sold(3, 5.0, 4.0))  # earns 12
    assert policy.act(sold(4, 20.0, 0.1)) == 5.0


def test_greedy_follower_repeats_the_demand_that_was_worth_most():
    policy = GreedyFollower(FOLLOWER, seed=0, exploration=0.0)
    tried = []
    for round_ in range(1, 4):
        # Only what was tried while memory was empty is random: force trials by forgetting.
        policy._memory.clear()
        tried.append(
            policy.act(
                FollowerObservation(
                    round_, (1,), np.array([4.0]), np.array([1.0]), (), np.zeros((0, 1))
                )
            )
        )
    kept = policy.act(
        FollowerObservation(4, (1,), np.array([4.0]), np.array([1.0]), (), np.zeros((0, 1)))
    )
    assert any(np.array_equal(kept, other) for other in tried)

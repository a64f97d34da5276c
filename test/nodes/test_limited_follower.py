"""An AV whose twin may go to some RSUs only, and RSUs whose quality changes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from veaat_migration.game.profiles import FollowerProfile, LeaderProfile
from veaat_migration.nodes.limited_follower import best_response
from veaat_migration.nodes.offered_profile import OfferedProfile
from veaat_migration.nodes.vehicle_state import SOME_RSUS, Task, VehicleState
from veaat_migration.policy.interface import FollowerObservation, LeaderObservation
from veaat_migration.protocol.config import LeaderConfig
from veaat_migration.protocol.leader import LeaderMachine
from veaat_migration.protocol.messages import Bid, Offer

PROFILE = FollowerProfile(
    av_id=1, satisfaction=25.0, offset=1.0, bandwidth_max=10.0, service={(1, 2): 0.02, (2, 1): 0.02}
)


def observation(*rsu_ids: int) -> FollowerObservation:
    n = len(rsu_ids)
    return FollowerObservation(
        3, rsu_ids, np.linspace(4.0, 6.0, n), np.ones(n), (2,), np.full((1, n), 3.0)
    )


def test_the_others_do_not_exist():
    limited = best_response(PROFILE, {2, 9}).act(observation(1, 2, 3))
    alone = FollowerObservation(3, (2,), np.array([5.0]), np.ones(1), (2,), np.full((1, 1), 3.0))
    assert limited[[0, 2]].tolist() == [0.0, 0.0]
    assert limited[1] == best_response(PROFILE, None).act(alone)[0] > 0.0


def test_nowhere_means_nothing():
    assert best_response(PROFILE, ()).act(observation(1, 2)).tolist() == [0.0, 0.0]


def test_all_is_what_it_was():
    everything = best_response(PROFILE, None).act(observation(1, 2))
    assert best_response(PROFILE, {1, 2}).act(observation(1, 2)) == pytest.approx(everything)


def test_a_learned_policy_is_set_aside_meanwhile():
    nan = math.nan
    state = VehicleState(PROFILE, Task(25.0, 1.0, nan, nan))
    assert state.aside == ""
    assert state.take_task(Task(nan, nan, nan, nan, frozenset([2])))
    assert (state.rsu_ids, state.aside) == (frozenset([2]), SOME_RSUS)
    assert state.take_task(Task(nan, nan, nan, nan))
    assert (state.rsu_ids, state.aside) == (None, "")


class Prices:
    """A policy that notes what quality it had when it was asked."""

    name = "notes"

    def __init__(self, profile: Any) -> None:
        self.profile = profile
        self.qualities: list[float] = []

    def act(self, _: LeaderObservation) -> float:
        self.qualities.append(self.profile.quality)
        return 5.0


def bid(offer: Offer) -> Bid:
    return Bid(
        1, offer.round, 1, False, (1,), (offer.session,), (offer.price,), (offer.quality,), (2.0,)
    )


def test_a_quality_is_offered_from_the_next_round_on():
    profile = OfferedProfile.of(LeaderProfile(1, 1.0, 2.0, 30.0))
    policy = Prices(profile)
    config = LeaderConfig(join_listen=0.0)
    machine = LeaderMachine(config, profile, policy, session=9, on_quality=profile.set_quality)
    (first,) = machine.start(0.0)
    assert machine.offer_quality(1.5)
    outputs = machine.on_bid(bid(first), 0.1)
    second = outputs[0]
    assert (first.quality, second.quality) == (1.0, 1.5)
    assert outputs[1].quality == 1.0
    assert policy.qualities == [1.0, 1.5]
    third = machine.on_bid(bid(second), 0.2)
    assert third[1].av_ids == (1,)


@pytest.mark.parametrize("quality", [0.0, -1.0, math.inf, math.nan])
def test_a_quality_without_meaning_is_not_offered(quality: float):
    profile = LeaderProfile(1, 1.0, 2.0, 30.0)
    machine = LeaderMachine(LeaderConfig(join_listen=0.0), profile, Prices(profile), session=9)
    assert not machine.offer_quality(quality)
    (offer,) = machine.start(0.0)
    assert offer.quality == 1.0

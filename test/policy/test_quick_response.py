"""The quick best response is the general one wherever it answers at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.game.follower import respond
from veaat_migration.game.instance import Externality
from veaat_migration.game.profiles import FollowerDelay, FollowerProfile
from veaat_migration.policy.best_response import BestResponseFollower
from veaat_migration.policy.interface import FollowerObservation
from veaat_migration.policy.quick_response import LOOP_LIMIT, QuickResponse


def general(profile: FollowerProfile, seen: FollowerObservation) -> np.ndarray:
    return respond(
        profile, seen.rsu_ids, seen.prices, seen.qualities, seen.other_av_ids, seen.other_demand
    ).bandwidth


@st.composite
def profiles(draw: st.DrawFn, coupling: float = 0.05) -> FollowerProfile:
    eta = st.floats(-coupling, coupling)
    service = {}
    for j in range(1, 5):
        for s in range(1, j):
            service[j, s] = service[s, j] = draw(eta)
    return FollowerProfile(
        av_id=1,
        satisfaction=draw(st.floats(5.0, 40.0)),
        offset=draw(st.floats(-2.0, 3.0)),
        bandwidth_max=draw(st.floats(3.0, 15.0)),
        social={k: draw(eta) for k in range(2, 15)},
        service=service,
    )


@st.composite
def observations(draw: st.DrawFn) -> FollowerObservation:
    rsu_ids = tuple(sorted(draw(st.sets(st.integers(1, 4), min_size=1))))
    av_ids = tuple(sorted(draw(st.sets(st.integers(2, 20), max_size=14))))
    size = len(rsu_ids)
    demand = st.lists(st.floats(0.0, 15.0), min_size=size, max_size=size)
    return FollowerObservation(
        round=1,
        rsu_ids=rsu_ids,
        prices=np.array([draw(st.floats(0.5, 30.0)) for _ in rsu_ids]),
        qualities=np.array([draw(st.floats(0.1, 3.0)) for _ in rsu_ids]),
        other_av_ids=av_ids,
        other_demand=np.array([draw(demand) for _ in av_ids]).reshape(len(av_ids), size),
    )


@given(profiles(), st.lists(observations(), min_size=1, max_size=5))
def test_it_is_the_general_answer_whatever_came_before(
    profile: FollowerProfile, seen: list[FollowerObservation]
):
    quick = QuickResponse(profile)
    for observation in seen:
        answer = quick.respond(observation)
        if answer is not None:
            expected = general(profile, observation)
            assert answer == pytest.approx(expected, rel=1e-9, abs=1e-9)


def base(**changes: object) -> FollowerProfile:
    fields = {
        "av_id": 1,
        "satisfaction": 20.0,
        "offset": 1.2,
        "bandwidth_max": 10.0,
        "social": {2: 0.02, 3: 0.02},
        "service": {(1, 2): 0.02, (2, 1): 0.02},
    }
    return FollowerProfile(**(fields | changes))


def market(prices: tuple[float, ...] = (4.36, 5.38), n_avs: int = 2) -> FollowerObservation:
    return FollowerObservation(
        round=1,
        rsu_ids=(1, 2),
        prices=np.array(prices),
        qualities=np.array([1.0, 1.2]),
        other_av_ids=tuple(range(2, 2 + n_avs)),
        other_demand=np.full((n_avs, 2), 5.0),
    )


@pytest.mark.parametrize("n_avs", [0, 1, LOOP_LIMIT])
def test_the_usual_case_is_answered(n_avs: int):
    answer = QuickResponse(base()).respond(market(n_avs=n_avs))
    assert answer == pytest.approx(general(base(), market(n_avs=n_avs)), rel=1e-12)


@pytest.mark.parametrize(
    "profile",
    [
        base(externality=Externality.MULTIPLICATIVE),
        base(delay=FollowerDelay(100.0, 5.0, {1: 12.0, 2: 12.0}, {1: 0.1, 2: 0.1})),
        base(service={(1, 2): 0.2, (2, 1): 0.2}),
    ],
    ids=["multiplicative", "delay", "strong coupling"],
)
def test_other_cases_are_left_to_the_general_solver(profile: FollowerProfile):
    assert QuickResponse(profile).respond(market()) is None
    answer = BestResponseFollower(profile).act(market())
    assert answer == pytest.approx(general(profile, market()))


def test_a_price_of_nothing_is_left_to_the_general_solver():
    assert QuickResponse(base()).respond(market(prices=(0.0, 5.0))) is None

"""Learned policies in play: what they observe, when they answer, when their fallback does."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from artifacts import make_artifact, make_bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.game.instance import GameInstance
from veaat_migration.game.profiles import follower_profile, leader_profile
from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.best_response import BestResponseFollower, BestResponseLeader
from veaat_migration.policy.interface import FollowerObservation, LeaderObservation
from veaat_migration.policy.learned import (
    LearnedFollower,
    LearnedLeader,
    PolicyMismatchError,
    Reason,
)
from veaat_migration.policy.observation import RATE_UNIT, as_input
from veaat_migration.policy.play import play
from veaat_migration.policy.policy_files import read_bundle, write_bundle
from veaat_migration.policy.runtime import NumpyActor
from veaat_migration.protocol.config import FollowerConfig, LeaderConfig
from veaat_migration.protocol.follower import FollowerMachine
from veaat_migration.protocol.leader import LeaderMachine
from veaat_migration.protocol.messages import Bid, Offer

QUALITIES = np.array([1.0, 1.2])
FALLBACK_PRICE, FALLBACK_BANDWIDTH = 7.25, 1.25


class Constant:
    """A fallback whose answers are known."""

    name = "constant"

    def act(self, observation):
        if isinstance(observation, LeaderObservation):
            return FALLBACK_PRICE
        return np.full(len(observation.rsu_ids), FALLBACK_BANDWIDTH)


def base() -> GameInstance:
    return GameInstance.create(
        satisfaction=[20.0, 25.0, 30.0],
        offset=np.e - np.array([1.5, 1.8, 2.0]),
        quality=QUALITIES,
        cost=[2.0, 2.5],
        social=0.02,
        service=0.02,
        price_max=30.0,
        bandwidth_max=10.0,
    )


def expected(artifact: PolicyArtifact, prices, demands, t: int) -> list[float]:
    """The answer in round t (from 0) by the names of the record's entries."""
    schema = artifact.schema
    shape = (len(schema.av_ids), len(schema.rsu_ids))
    record = []
    for name in schema.layout.names():
        kind, when, *who = re.fullmatch(
            r"(\w+)\[t-?(\d*)\](?:\[av (\d+)\])?\[rsu (\d+)\]", name
        ).groups()
        j = int(who[-1]) - 1
        if kind == "arrival_rate":
            record.append(schema.arrival_rate[j] / RATE_UNIT)
        elif kind == "service_rate":
            record.append(schema.service_rate[j] / RATE_UNIT)
        elif kind == "price":
            record.append(as_input(schema.price_scale.share(prices[t - int(when or 0)])[j]))
        else:
            i = int(who[0]) - 1
            shares = schema.bandwidth_scale.share(demands[t - int(when)].reshape(-1))
            record.append(as_input(shares.reshape(shape)[i, j]))
    return NumpyActor(artifact).act(np.array(record)[schema.columns])


def in_play(artifacts: list[PolicyArtifact]) -> tuple[list, list]:
    leaders = [LearnedLeader(a, Constant()) for a in artifacts if a.schema.role == "leader"]
    followers = [LearnedFollower(a, Constant()) for a in artifacts if a.schema.role == "follower"]
    return leaders, followers


@pytest.mark.parametrize("history", [1, 4])
@pytest.mark.parametrize("observe_current_price", [True, False])
@pytest.mark.parametrize("price_scale", ["geometric", "linear"])
def test_a_bundle_plays_against_itself(tmp_path, history, observe_current_price, price_scale):
    """Every answer is the network's to the record as the layout names its entries."""
    write_bundle(
        make_bundle(
            history=history,
            observe_current_price=observe_current_price,
            price_scale=price_scale,
            low=0.5,
            gain=2.0,
        ),
        tmp_path,
    )
    artifacts = list(read_bundle(tmp_path))
    leaders, followers = in_play(artifacts)

    # Players that tremble, so that no two rounds are alike.
    rng = np.random.default_rng(1)
    seen: list[np.ndarray] = []

    def tremble(demand):
        seen.append(demand.copy())
        return np.clip(demand + rng.normal(0.0, 0.5, demand.shape), 0.5, 10.0)

    prices, demands = play(base(), leaders, followers, 12, tremble)

    for t in range(12):
        if t < history:
            assert prices[t].tolist() == [FALLBACK_PRICE] * 2
            assert np.all(seen[t] == FALLBACK_BANDWIDTH)
            continue
        for j, artifact in enumerate(artifacts[:2]):
            answer = expected(artifact, np.vstack([prices, prices[:1]]), demands, t)
            assert prices[t, j] == pytest.approx(answer[0], rel=1e-12)
        for i, artifact in enumerate(artifacts[2:]):
            assert seen[t][i] == pytest.approx(expected(artifact, prices, demands, t), rel=1e-12)
    for player in leaders + followers:
        assert player.name == "learned"
        assert player.reason is None
        assert player.decisions == 12 - history
        assert player.fallbacks == {
            Reason.PLAYERS: 0,
            Reason.HISTORY: history,
            Reason.NOT_FINITE: 0,
        }


def test_best_responses_lead_into_the_game():
    instance = base()
    artifacts = make_bundle()
    leaders = [
        LearnedLeader(a, BestResponseLeader(leader_profile(instance, j + 1), seed=j))
        for j, a in enumerate(artifacts[:2])
    ]
    followers = [
        LearnedFollower(a, BestResponseFollower(follower_profile(instance, i + 1)))
        for i, a in enumerate(artifacts[2:])
    ]

    prices, demands = play(instance, leaders, followers, 50)

    assert np.all((prices >= 2.0) & (prices <= 30.0))
    assert np.all((demands >= 0.0) & (demands <= 10.0))
    assert all(player.decisions == 46 for player in (*leaders, *followers))


# One leader


def heard(
    round_: int, *, rsu_ids=(1, 2), av_ids=(1, 2, 3), prices=(4.0, 5.0), demand=3.0
) -> LeaderObservation:
    """What a leader sees before it prices a round."""
    return LeaderObservation(
        round_,
        rsu_ids,
        np.array(prices[: len(rsu_ids)]),
        QUALITIES[: len(rsu_ids)],
        av_ids,
        np.full((len(av_ids), len(rsu_ids)), demand),
    )


def started_leader(rounds: int = 6, **options) -> LearnedLeader:
    leader = LearnedLeader(make_artifact("leader", 1, gain=2.0), Constant(), **options)
    for round_ in range(1, rounds + 1):
        leader.act(heard(round_))
    assert leader.reason is None
    return leader


def test_a_leader_waits_for_its_history():
    leader = LearnedLeader(make_artifact("leader"), Constant())
    nothing = heard(1, rsu_ids=(1,), av_ids=(), prices=(np.nan,))

    assert leader.act(nothing) == FALLBACK_PRICE
    assert leader.reason is Reason.HISTORY
    for round_ in (2, 3, 4):
        assert leader.act(heard(round_)) == FALLBACK_PRICE
        assert leader.reason is Reason.HISTORY
    assert leader.act(heard(5)) != FALLBACK_PRICE
    assert leader.reason is None
    assert leader.fallbacks[Reason.HISTORY] == 4
    assert leader.decisions == 1


def test_one_lost_bid_is_bridged_two_are_not():
    leader = started_leader(hold=1)
    usual = leader.act(heard(7))

    assert leader.act(heard(8, av_ids=(1, 3))) == usual
    assert leader.act(heard(9)) == usual
    assert leader.act(heard(10, av_ids=(1, 2))) == usual
    assert leader.act(heard(11, av_ids=(1, 2))) == FALLBACK_PRICE
    assert leader.reason is Reason.PLAYERS
    for round_ in range(12, 15):
        leader.act(heard(round_))
        assert leader.reason is Reason.HISTORY
    assert leader.act(heard(15)) == usual


@pytest.mark.parametrize("hold", [0, 1, 3])
def test_what_is_missing_is_held_as_long_as_allowed(hold: int):
    leader = started_leader(hold=hold)

    for k in range(hold):
        leader.act(heard(7 + k, av_ids=(2, 3)))
        assert leader.reason is None
    leader.act(heard(7 + hold, av_ids=(2, 3)))
    assert leader.reason is Reason.PLAYERS


def test_a_held_value_is_the_one_of_the_round_before():
    one, other = started_leader(), started_leader()
    changed = heard(7, prices=(4.4, 5.5), demand=2.5)
    demand = np.vstack([np.full(2, 2.5), np.full(2, 3.0), np.full(2, 2.5)])

    lossy = one.act(replace(changed, av_ids=(1, 3), demand=np.full((2, 2), 2.5)))

    assert lossy == pytest.approx(other.act(replace(changed, demand=demand)), rel=1e-14)


def test_silence_of_all_avs_is_a_loss_not_a_change_of_players():
    leader = started_leader(hold=1)
    silent = {"rsu_ids": (1,), "av_ids": (), "prices": (4.0,)}

    leader.act(heard(7, **silent))
    assert leader.reason is None
    leader.act(heard(8, **silent))
    assert leader.reason is Reason.HISTORY


@pytest.mark.parametrize(
    "change",
    [
        {"av_ids": (1, 2, 3, 4)},
        {"av_ids": (1, 2, 4)},
        {"rsu_ids": (1, 3)},
    ],
)
def test_strangers_end_the_history(change):
    leader = started_leader()

    assert leader.act(heard(7, **change)) == FALLBACK_PRICE
    assert leader.reason is Reason.PLAYERS
    assert leader.act(heard(8)) == FALLBACK_PRICE
    assert leader.reason is Reason.HISTORY


def test_a_rival_that_nobody_answered_is_held():
    leader = started_leader()

    leader.act(heard(7, rsu_ids=(1,), prices=(4.0,)))
    assert leader.reason is None


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["prices", "demand"])
def test_a_value_that_is_not_finite_is_a_missing_one(number: float, place: str):
    leader = started_leader(hold=1)
    usual = leader.act(heard(7))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for round_ in (8, 9):
            observation = heard(round_)
            getattr(observation, place)[..., 1] = number
            answer = leader.act(observation)
            assert answer == (usual if round_ == 8 else FALLBACK_PRICE)
    assert leader.reason is Reason.HISTORY


def test_rates_that_are_not_finite():
    leader = started_leader()
    leader.set_rates(np.nan, None)

    assert leader.act(heard(7)) == FALLBACK_PRICE
    assert leader.reason is Reason.NOT_FINITE
    leader.set_rates(None, None)
    leader.act(heard(8))
    assert leader.reason is None


def test_a_leader_observes_its_own_rates():
    artifact = make_artifact("leader", 2, gain=2.0)
    trained, same, busy = (
        LearnedLeader(artifact, Constant(), arrival_rate=arrival, service_rate=service)
        for arrival, service in ((None, None), (4.0, 10.0), (6.0, None))
    )
    for round_ in range(1, 7):
        answers = [leader.act(heard(round_)) for leader in (trained, same, busy)]

    assert answers[0] == answers[1] != answers[2]


def test_a_lost_round_is_bridged_and_a_longer_gap_is_not():
    leader = started_leader(hold=1)
    usual = leader.act(heard(7))

    assert leader.act(heard(9)) == usual
    assert leader.act(heard(10)) == usual
    assert leader.act(heard(13)) == FALLBACK_PRICE
    assert leader.reason is Reason.HISTORY


def test_rounds_before_a_lost_one_keep_their_age():
    """What stands in the record after round 8 is 5, 6, 7 (lost, so 6 again) and 8."""
    lossy, whole = started_leader(), started_leader()
    for round_ in (7, 9):
        price = lossy.act(heard(round_, prices=(3.0 + 0.1 * round_, 5.0)))
    for round_ in (7, 8, 9):
        last = 9 if round_ == 9 else 7
        expected_price = whole.act(heard(round_, prices=(3.0 + 0.1 * last, 5.0)))

    assert price == expected_price


def test_a_repeated_round_changes_nothing():
    leader = started_leader()
    other = started_leader()

    for _ in range(3):
        again = leader.act(heard(6, prices=(9.0, 9.0)))
    assert again == other.act(heard(6))
    assert leader.act(heard(7)) == other.act(heard(7))


def test_a_game_that_begins_anew_begins_a_new_history():
    leader = started_leader()

    leader.act(heard(2))
    assert leader.reason is Reason.HISTORY


def test_values_beyond_their_intervals_count_as_their_ends():
    high, end = started_leader(), started_leader()

    assert high.act(heard(7, prices=(99.0, 5.0), demand=50.0)) == end.act(
        heard(7, prices=(30.0, 5.0), demand=10.0)
    )


# One follower


def offered(
    round_: int, *, rsu_ids=(1, 2), others=(2, 3), prices=(4.0, 5.0), demand=3.0
) -> FollowerObservation:
    """What follower 1 sees before it bids."""
    return FollowerObservation(
        round_,
        rsu_ids,
        np.array(prices[: len(rsu_ids)]),
        QUALITIES[: len(rsu_ids)],
        others,
        np.full((len(others), len(rsu_ids)), demand),
    )


def started_follower(rounds: int = 6, **options) -> LearnedFollower:
    follower = LearnedFollower(make_artifact(gain=2.0), Constant(), **options)
    for round_ in range(1, rounds + 1):
        follower.act(offered(round_, others=() if round_ == 1 else (2, 3)))
    assert follower.reason is None
    return follower


def is_fallback(bandwidth: np.ndarray) -> bool:
    return bool(np.all(bandwidth == FALLBACK_BANDWIDTH))


def test_a_follower_waits_for_its_history():
    follower = LearnedFollower(make_artifact(), Constant())

    for round_ in range(1, 5):
        assert is_fallback(follower.act(offered(round_, others=() if round_ == 1 else (2, 3))))
        assert follower.reason is Reason.HISTORY
    assert not is_fallback(follower.act(offered(5)))
    assert follower.decisions == 1


def test_a_follower_answers_only_those_it_hears():
    follower = started_follower()

    assert follower.act(offered(7, rsu_ids=(2,))).shape == (1,)
    assert follower.reason is Reason.PLAYERS
    # Two rounds miss something: the receipt of round 6 and the price of round 7.
    follower.act(offered(8))
    assert follower.reason is None


def test_a_follower_without_one_receipt():
    follower = started_follower(hold=1)
    usual = follower.act(offered(7))

    assert np.array_equal(follower.act(offered(8, others=(3,))), usual)
    assert np.array_equal(follower.act(offered(9)), usual)
    assert not is_fallback(follower.act(offered(10, others=(3,))))
    assert is_fallback(follower.act(offered(11, others=(3,))))
    assert follower.reason is Reason.PLAYERS


@pytest.mark.parametrize("change", [{"others": (2, 3, 4)}, {"others": (1, 2)}])
def test_a_follower_among_strangers(change):
    follower = started_follower()

    assert is_fallback(follower.act(offered(7, **change)))
    assert follower.reason is Reason.PLAYERS
    assert is_fallback(follower.act(offered(8)))
    assert follower.reason is Reason.HISTORY


@pytest.mark.parametrize("rsu_ids", [(1, 2, 3), (1, 3), ()])
def test_a_follower_among_other_rsus(rsu_ids):
    follower = started_follower()

    bandwidth = follower.act(
        replace(
            offered(7),
            rsu_ids=rsu_ids,
            prices=np.full(len(rsu_ids), 4.0),
            other_demand=np.full((2, len(rsu_ids)), 3.0),
        )
    )
    assert bandwidth.shape == (len(rsu_ids),)
    assert follower.reason is Reason.PLAYERS


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_price_that_is_not_finite(number: float):
    follower = started_follower()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert is_fallback(follower.act(offered(7, prices=(4.0, number))))
    assert follower.reason is Reason.NOT_FINITE
    assert not is_fallback(follower.act(offered(8)))


def test_other_offers_in_the_same_round():
    follower, other = started_follower(), started_follower()
    follower.act(offered(7, prices=(9.0, 9.0)))

    assert np.array_equal(follower.act(offered(7)), other.act(offered(7)))
    assert np.array_equal(follower.act(offered(8)), other.act(offered(8)))


def test_the_current_price_matters_only_if_it_is_observed():
    for observed in (True, False):
        artifact = make_artifact(gain=2.0, observe_current_price=observed)
        follower = LearnedFollower(artifact, Constant())
        for round_ in range(1, 7):
            usual = follower.act(offered(round_))
        assert np.array_equal(follower.act(offered(7, prices=(8.0, 5.0))), usual) is not observed


def test_a_follower_does_not_observe_its_own_demand():
    """So what it bid itself, and what its fallback bid for it, changes nothing."""
    one, other = started_follower(), started_follower()
    other.fallback = Constant()
    one._demand[0] = 9.0

    assert np.array_equal(one.act(offered(7)), other.act(offered(7)))


def test_a_follower_without_others():
    artifact = make_artifact(n_avs=1)
    follower = LearnedFollower(artifact, Constant())
    for round_ in range(1, 6):
        follower.act(offered(round_, others=()))

    assert follower.reason is None


ids = st.lists(st.integers(1, 4), unique=True, max_size=4).map(lambda x: tuple(sorted(x)))
numbers = st.sampled_from([0.0, 4.0, 1e300, -1.0, np.nan, np.inf])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), ids, ids, numbers, numbers), max_size=25))
def test_whatever_comes_there_is_an_answer(rounds):
    """Rounds in any order, any players, any numbers: an answer in bounds or the fallback's."""
    leader = LearnedLeader(make_artifact("leader", 1), Constant())
    follower = LearnedFollower(make_artifact(), Constant())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for count, (round_, rsu_ids, av_ids, price, demand) in enumerate(rounds, 1):
            prices = np.full(len(rsu_ids), price)
            demands = np.full((len(av_ids), len(rsu_ids)), demand)
            observation = LeaderObservation(round_, rsu_ids, prices, prices, av_ids, demands)
            assert 2.0 <= leader.act(observation) <= 30.0
            others = tuple(av for av in av_ids if av != 1)
            bandwidth = follower.act(
                FollowerObservation(round_, rsu_ids, prices, prices, others, demands[: len(others)])
            )
            assert bandwidth.shape == (len(rsu_ids),)
            assert np.all((bandwidth >= 0.0) & (bandwidth <= 10.0))
            for player in (leader, follower):
                assert player.decisions + sum(player.fallbacks.values()) == count


# Exchange of policies


def test_a_swap_keeps_the_history():
    new = make_artifact("leader", 1, gain=2.0, seed=5, hidden=(8,), policy_version=2)
    leader, other = started_leader(), LearnedLeader(new, Constant())
    for round_ in range(1, 7):
        other.act(heard(round_))

    leader.swap(new)

    assert leader.artifact is new
    assert leader.act(heard(7)) == other.act(heard(7))


def test_a_swap_to_another_history_begins_anew():
    follower = started_follower()

    follower.swap(make_artifact(history=2))

    follower.act(offered(7))
    assert follower.reason is Reason.HISTORY
    follower.act(offered(8))
    follower.act(offered(9))
    assert follower.reason is None


def test_a_swap_takes_over_the_rates_of_training():
    artifact = make_artifact("leader", 1, gain=2.0)
    busy = replace(
        artifact, schema=replace(artifact.schema, arrival_rate=(6.0, 6.0), policy_version=2)
    )
    leader, other = started_leader(), LearnedLeader(busy, Constant())
    for round_ in range(1, 7):
        other.act(heard(round_))

    leader.swap(busy)

    assert leader.act(heard(7)) == other.act(heard(7))


@pytest.mark.parametrize("other", [make_artifact("leader", 2), make_artifact("follower", 1)])
def test_a_policy_of_another_player_is_refused(other: PolicyArtifact):
    leader = started_leader()
    usual = leader.act(heard(7))

    with pytest.raises(PolicyMismatchError, match="but leader 1 plays"):
        leader.swap(other)

    assert leader.act(heard(8)) == usual


def test_a_policy_of_the_other_role_is_refused():
    with pytest.raises(PolicyMismatchError, match="a leader plays"):
        LearnedLeader(make_artifact("follower"), Constant())
    with pytest.raises(PolicyMismatchError, match="a follower plays"):
        LearnedFollower(make_artifact("leader"), Constant())


@pytest.mark.parametrize("hold", [-1, 1.0, True])
def test_hold_is_a_number_of_rounds(hold):
    with pytest.raises(ValueError, match="hold"):
        LearnedLeader(make_artifact("leader"), Constant(), hold=hold)


def test_the_protocol_shows_learned_policies_all_they_need():
    """Over messages instead of in memory, every round after the history is the policies' own."""
    instance, rounds = base(), 15
    in_memory_leaders, in_memory_followers = in_play(make_bundle(gain=2.0))
    prices, demands = play(instance, in_memory_leaders, in_memory_followers, rounds)
    policies, follower_policies = in_play(make_bundle(gain=2.0))
    leaders = [
        LeaderMachine(
            LeaderConfig(rounds=rounds, join_listen=0.0, min_avs=3),
            leader_profile(instance, j),
            policy,
            session=1,
        )
        for j, policy in enumerate(policies, 1)
    ]
    followers = [
        FollowerMachine(
            FollowerConfig(min_rsus=2), follower_profile(instance, i), policy, session=1
        )
        for i, policy in enumerate(follower_policies, 1)
    ]
    now, settlements = 0.0, []
    messages = [message for leader in leaders for message in leader.start(now)]
    while messages:
        now += 0.001
        answers = []
        for message in messages:
            if isinstance(message, Offer):
                for follower in followers:
                    answers += follower.on_offer(message, now)
            elif isinstance(message, Bid):
                for leader in leaders:
                    answers += leader.on_bid(message, now)
            else:
                settlements.append(message)
        messages = answers

    assert [machine.status().policy for machine in leaders + followers] == ["learned"] * 5
    assert len(settlements) == 2 * rounds
    for settlement in settlements:
        t, j = settlement.round - 1, settlement.rsu_id - 1
        assert settlement.price == pytest.approx(prices[t, j], rel=1e-12)
        assert settlement.bandwidth == pytest.approx(demands[t, :, j], rel=1e-12)
    for player in policies + follower_policies:
        assert player.decisions == rounds - 4
        assert player.fallbacks[Reason.HISTORY] == 4

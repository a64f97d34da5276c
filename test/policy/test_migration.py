"""The migration decision: the best RSU in time, and the numbers behind it."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.game.delay import migration_delay
from veaat_migration.game.follower import respond, utility
from veaat_migration.game.instance import Externality
from veaat_migration.game.matching import matching_probability
from veaat_migration.game.profiles import FollowerDelay, FollowerProfile
from veaat_migration.policy.interface import FollowerObservation
from veaat_migration.policy.migration import MigrationDecision, MigrationPlanner

PROFILE = FollowerProfile(
    av_id=1,
    satisfaction=20.0,
    offset=1.2,
    bandwidth_max=10.0,
    social={2: 0.02, 3: 0.02},
    service={(1, 2): 0.02, (2, 1): 0.02},
)
DELAY = FollowerDelay(
    data=400.0, max_delay=25.0, spectral_efficiency={1: 12.0, 2: 10.0}, base_delay={1: 0.3, 2: 0.4}
)


def observe(
    prices: tuple[float, ...] = (4.4, 5.4), rsu_ids: tuple[int, ...] = (1, 2)
) -> FollowerObservation:
    n = len(rsu_ids)
    return FollowerObservation(
        7, rsu_ids, np.array(prices), np.linspace(1.0, 1.2, n), (2, 3), np.full((2, n), 3.0)
    )


def decide(
    bandwidth: tuple[float, ...], delay: FollowerDelay | None = DELAY, **options: object
) -> MigrationDecision:
    observation = observe(**options)  # type: ignore[arg-type]
    return MigrationPlanner(replace(PROFILE, delay=delay)).decide(observation, bandwidth)


def test_the_rsu_with_the_largest_part_is_the_target():
    decision = decide((3.3, 2.5))

    best = int(np.argmax(decision.parts))
    assert decision.target_rsu_id == decision.rsu_ids[best]
    assert decision.bandwidth == decision.bandwidths[best]
    assert decision.expected_delay == decision.delays[best]
    assert decision.delay_margin == pytest.approx(25.0 - decision.delays[best])
    assert decision.reason == ""


@st.composite
def situations(draw: st.DrawFn) -> tuple[FollowerProfile, FollowerObservation, list[float]]:
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    n, k = draw(st.integers(1, 10)), draw(st.integers(0, 4))
    rsu_ids = tuple(sorted(rng.choice(99, n, replace=False) + 1))
    rsu_ids = tuple(int(j) for j in rsu_ids)
    pairs = {(a, b): 0.0 for a in rsu_ids for b in rsu_ids if a != b}
    for a, b in pairs:
        if a < b:
            pairs[a, b] = pairs[b, a] = float(rng.choice([0.0, rng.normal(0, 0.05)]))
    profile = FollowerProfile(
        av_id=1,
        satisfaction=rng.uniform(5, 40),
        offset=rng.uniform(0.01, 2.5),
        bandwidth_max=10.0,
        social={av: rng.normal(0, 0.05) for av in range(2, 2 + k)},
        service=pairs,
        delay=draw(
            st.sampled_from(
                [
                    None,
                    FollowerDelay(
                        float(rng.choice([0.0, 300.0])),
                        rng.uniform(1, 30),
                        {j: rng.uniform(0.5, 14) for j in rsu_ids if rng.random() < 0.9},
                        {j: rng.uniform(0, 1) for j in rsu_ids},
                    ),
                ]
            )
        ),
        externality=draw(st.sampled_from(list(Externality))),
    )
    observation = FollowerObservation(
        3,
        rsu_ids,
        rng.uniform(1, 30, n),
        rng.uniform(0.2, 2, n),
        tuple(range(2, 2 + k)),
        rng.uniform(0, 10, (k, n)),
    )
    bandwidth = rng.choice([0.0, 1.0], n, p=[0.2, 0.8]) * rng.uniform(0, 10, n)
    return profile, observation, bandwidth.tolist()


@settings(deadline=None)
@given(situations())
def test_numbers_are_those_of_the_game(
    situation: tuple[FollowerProfile, FollowerObservation, list[float]],
):
    profile, seen, bandwidth = situation

    decision = MigrationPlanner(profile).decide(seen, bandwidth)

    expected = utility(
        profile, seen.rsu_ids, seen.prices, seen.qualities, bandwidth, seen.other_av_ids,
        seen.other_demand,
    )  # fmt: skip
    assert decision.expected_utility == pytest.approx(expected, rel=1e-9, abs=1e-9)
    known = profile.delay
    if known is None:
        assert all(map(math.isnan, decision.delays))
    else:
        for j, rsu in enumerate(seen.rsu_ids):
            if rsu in known.spectral_efficiency:
                exact = migration_delay(
                    [known.data],
                    [[bandwidth[j]]],
                    [[known.spectral_efficiency[rsu]]],
                    [[known.base_delay[rsu]]],
                )[0, 0]
                assert decision.delays[j] == pytest.approx(exact)
            else:
                assert math.isnan(decision.delays[j])


@settings(deadline=None)
@given(situations())
def test_no_rsu_that_may_be_chosen_is_better(
    situation: tuple[FollowerProfile, FollowerObservation, list[float]],
):
    profile, seen, bandwidth = situation

    decision = MigrationPlanner(profile).decide(seen, bandwidth)

    may = [
        j
        for j, b in enumerate(bandwidth)
        if b > 1e-9 and (profile.delay is None or decision.delays[j] <= profile.delay.max_delay)
    ]
    if not may:
        assert decision.target_rsu_id == 0
        assert decision.reason
        assert decision.bandwidth == 0.0
        assert math.isnan(decision.expected_delay)
        assert math.isnan(decision.delay_margin)
        return
    place = seen.rsu_ids.index(decision.target_rsu_id)
    assert place in may
    assert decision.reason == ""
    assert decision.parts[place] == max(decision.parts[j] for j in may)
    assert profile.delay is None or decision.delay_margin >= 0.0


def test_a_part_is_what_one_rsu_is_worth():
    decision = decide((3.0, 2.0), None)

    theta = matching_probability([4.4, 5.4], [1.0, 1.2])[0]
    worth = 20.0 * math.log(3.0 + 1.2) + 3.0 * (0.02 * 6.0 + 0.02 * 2.0) - 4.4 * 3.0
    assert decision.parts[0] == pytest.approx(theta * worth)
    assert sum(decision.parts) == pytest.approx(decision.expected_utility)


def test_less_than_it_needs_is_worth_nothing_at_all():
    """As game.utilities says it; another RSU may still be the target."""
    planner = MigrationPlanner(replace(PROFILE, offset=-1.0))

    decision = planner.decide(observe(), (0.5, 3.0))

    assert decision.expected_utility == -math.inf
    assert decision.target_rsu_id == 2


def test_an_rsu_that_is_too_slow_is_not_chosen():
    usual = decide((3.3, 2.5)).target_rsu_id
    slow = replace(DELAY, base_delay={**DELAY.base_delay, usual: 50.0})

    decision = decide((3.3, 2.5), slow)

    assert decision.target_rsu_id == 3 - usual


def test_without_an_rsu_in_time_the_fastest_is_named():
    decision = decide((3.3, 2.5), replace(DELAY, max_delay=5.0))

    fastest = min(decision.delays)
    assert decision.target_rsu_id == 0
    assert "tolerated delay of 5 s" in decision.reason
    assert f"{fastest:.4g} s" in decision.reason


@pytest.mark.parametrize(
    ("bandwidth", "delay", "reason"),
    [
        ((0.0, 0.0), DELAY, "no bandwidth"),
        ((0.0, 1e-12), None, "no bandwidth"),
        ((math.nan, 1.0), DELAY, "not finite"),
        ((math.inf, 1.0), DELAY, "not finite"),
        ((3.0, 2.0), replace(DELAY, spectral_efficiency={}), "usable link"),
        ((3.0, 2.0), replace(DELAY, spectral_efficiency={1: 0.0, 2: 0.0}), "usable link"),
    ],
)
def test_there_may_be_no_target(bandwidth: tuple[float, float], delay: object, reason: str):
    decision = decide(bandwidth, delay)  # type: ignore[arg-type]

    assert decision.target_rsu_id == 0
    assert reason in decision.reason


def test_no_rsu_was_heard():
    empty = FollowerObservation(1, (), np.zeros(0), np.zeros(0), (), np.zeros((0, 0)))

    decision = MigrationPlanner(PROFILE).decide(empty, [])

    assert decision.target_rsu_id == 0
    assert decision.expected_utility == 0.0
    assert "heard" in decision.reason


def test_an_rsu_out_of_reach_is_not_chosen_however_cheap():
    decision = decide((3.0, 2.0), replace(DELAY, spectral_efficiency={2: 10.0}), prices=(0.1, 5.0))

    assert decision.target_rsu_id == 2
    assert math.isnan(decision.delays[0])


def test_a_deadline_that_is_not_known_is_none():
    decision = decide((3.0, 2.0), replace(DELAY, max_delay=math.nan))

    assert decision.target_rsu_id in (1, 2)
    assert decision.expected_delay > 0.0
    assert math.isnan(decision.delay_margin)


def test_delays_may_be_known_without_a_constraint_in_the_game():
    decision = MigrationPlanner(PROFILE, delay=DELAY).decide(observe(), (3.0, 2.0))

    assert decision.expected_delay > 0.0


def test_a_free_rsu_takes_all_of_the_probability():
    decision = decide((10.0, 10.0), None, prices=(0.0, 5.0))

    assert decision.target_rsu_id == 1
    assert decision.parts[1] == 0.0


def test_equal_rsus_are_told_apart_by_delay_and_number():
    def choose(delay: FollowerDelay | None) -> int:
        seen = FollowerObservation(1, (4, 5, 6), np.full(3, 5.0), np.ones(3), (), np.zeros((0, 3)))
        planner = MigrationPlanner(replace(PROFILE, service={}, delay=delay))
        return planner.decide(seen, (3.0, 3.0, 3.0)).target_rsu_id

    assert choose(None) == 4
    even = dict.fromkeys((4, 5, 6), 10.0)
    assert choose(FollowerDelay(100.0, 50.0, even, {4: 1.0, 5: 0.5, 6: 0.5})) == 5


def test_another_profile_counts_from_the_next_decision_on():
    planner = MigrationPlanner(PROFILE)
    before = planner.decide(observe(), (3.0, 2.0)).expected_utility
    planner.use(replace(PROFILE, satisfaction=40.0))

    after = planner.decide(observe(), (3.0, 2.0)).expected_utility

    assert after > 1.5 * before


def test_a_best_response_within_the_deadline_has_a_target():
    profile = replace(PROFILE, delay=replace(DELAY, max_delay=15.0))
    seen = observe()
    answer = respond(
        profile, seen.rsu_ids, seen.prices, seen.qualities, seen.other_av_ids, seen.other_demand
    )

    assert answer.feasible
    assert MigrationPlanner(profile).decide(seen, answer.bandwidth).target_rsu_id


def test_it_takes_next_to_no_time():
    ids = tuple(range(1, 11))
    service = {(a, b): 0.01 for a in ids for b in ids if a != b}
    delay = FollowerDelay(400.0, 40.0, dict.fromkeys(ids, 10.0), dict.fromkeys(ids, 0.3))
    planner = MigrationPlanner(replace(PROFILE, service=service, delay=delay))
    seen = observe(tuple(np.linspace(4, 6, 10)), ids)
    bandwidth = np.linspace(1, 4, 10)
    times = []
    for _ in range(500):
        start = time.perf_counter()
        planner.decide(seen, bandwidth)
        times.append(time.perf_counter() - start)

    # 25 us alone; a busy machine may take a few times as long.
    assert sorted(times)[250] < 150e-6

"""What an RSU makes of bids: account, observation, price."""

from __future__ import annotations

import math

import numpy as np
import pytest

from veaat_migration.game.profiles import LeaderProfile
from veaat_migration.protocol.messages import Offer
from veaat_migration.protocol.pricing import Answer, decide, observe, settle
from veaat_migration.protocol.reading import SMALLEST, CheckedBid
from veaat_migration.protocol.tally import Tally

from .builders import Policy, asks

OFFER = Offer(session=500, round=3, rsu_id=2, price=6.0, quality=1.2)


def answer(av_id: int, rsu_ids, prices, qualities, bandwidth) -> Answer:
    sessions = (500,) * len(rsu_ids)
    checked = CheckedBid(700, 3, av_id, False, rsu_ids, sessions, prices, qualities, bandwidth)
    return Answer(checked, rsu_ids.index(2))


BOTH = answer(1, (1, 2), (5.0, 6.0), (1.0, 1.2), (2.0, 3.0))
ALONE = answer(4, (2,), (6.0,), (1.2,), (4.0,))
THREE = answer(7, (2, 3), (6.0, 8.0), (1.2, 0.8), (0.0, 1.0))


def test_settlement_pays_the_expected_price():
    account = settle(OFFER, {1: BOTH, 4: ALONE}, [5, 6], 0.25)
    theta = (1.2 / 6.0) / (1.0 / 5.0 + 1.2 / 6.0)
    assert (account.rsu_id, account.session, account.round) == (2, 500, 3)
    assert (account.price, account.quality) == (6.0, 1.2)
    assert account.av_ids == (1, 4)
    assert account.bandwidth == (3.0, 4.0)
    assert account.matching_probability == pytest.approx((theta, 1.0))
    assert account.payment == pytest.approx((theta * 6.0 * 3.0, 6.0 * 4.0))
    assert account.missing_av_ids == (5, 6)
    assert account.duration == 0.25


def test_a_settlement_without_buyers_is_empty():
    account = settle(OFFER, {}, [], 0.0)
    assert account.av_ids == account.bandwidth == account.payment == ()


def test_observation_of_a_group_that_answered_the_same_offers():
    other = answer(2, (1, 2), (5.0, 6.0), (1.0, 1.2), (0.5, 0.0))
    seen = observe(4, 2, OFFER, {1: BOTH, 2: other})
    assert (seen.round, seen.rsu_ids, seen.av_ids) == (4, (1, 2), (1, 2))
    np.testing.assert_array_equal(seen.prices, [5.0, 6.0])
    np.testing.assert_array_equal(seen.qualities, [1.0, 1.2])
    np.testing.assert_array_equal(seen.demand, [[2.0, 3.0], [0.5, 0.0]])


def test_observation_covers_every_rsu_that_anybody_answered():
    seen = observe(4, 2, OFFER, {1: BOTH, 4: ALONE, 7: THREE})
    assert (seen.rsu_ids, seen.av_ids) == ((1, 2, 3), (1, 4, 7))
    np.testing.assert_array_equal(seen.prices, [5.0, 6.0, 8.0])
    np.testing.assert_array_equal(seen.qualities, [1.0, 1.2, 0.8])
    np.testing.assert_array_equal(seen.demand, [[2, 3, 0], [0, 4, 0], [0, 0, 1]])


def test_observation_before_the_first_round_knows_no_price():
    seen = observe(1, 2, None, {})
    assert (seen.round, seen.rsu_ids, seen.av_ids) == (1, (2,), ())
    assert np.isnan(seen.prices).all()
    assert np.isnan(seen.qualities).all()
    assert seen.demand.shape == (0, 1)


def test_observation_after_a_round_without_buyers_knows_the_own_price():
    seen = observe(4, 2, OFFER, {})
    np.testing.assert_array_equal(seen.prices, [6.0])
    np.testing.assert_array_equal(seen.qualities, [1.2])
    assert seen.demand.shape == (0, 1)


PROFILE = LeaderProfile(2, 1.2, 2.5, 30.0)


@pytest.mark.parametrize(
    ("action", "price"),
    [(6.0, 6.0), (1.0, 2.5), (99.0, 30.0), (np.float64(7.0), 7.0), (np.array([8.0]).item(), 8.0)],
)
def test_price_is_kept_between_cost_and_maximum(action, price):
    tally = Tally()
    decided = decide(asks(action), observe(1, 2, None, {}), PROFILE, None, tally)
    assert decided == price
    assert type(decided) is float
    assert tally.policy_errors == 0


def test_a_free_rsu_still_asks_a_positive_price():
    free = LeaderProfile(2, 1.2, 0.0, 30.0)
    assert decide(asks(0.0), observe(1, 2, None, {}), free, None, Tally()) == SMALLEST


def fail(_: object) -> float:
    raise ZeroDivisionError("no demand")


@pytest.mark.parametrize(
    "policy", [asks(math.nan), asks(math.inf), asks(None), asks("high"), Policy(fail)]
)
def test_a_failing_policy_keeps_the_last_price(policy):
    tally = Tally()
    assert decide(policy, observe(1, 2, None, {}), PROFILE, 7.0, tally) == 7.0
    assert decide(policy, observe(1, 2, None, {}), PROFILE, None, tally) == 30.0
    assert tally.policy_errors == 2
    assert tally.last_policy_error


def test_the_policy_error_is_kept_for_the_status():
    tally = Tally()
    decide(Policy(fail), observe(1, 2, None, {}), PROFILE, 7.0, tally)
    assert tally.last_policy_error == "ZeroDivisionError: no demand"

"""What an AV makes of offers: observation, demand, and whether receipts are true."""

from __future__ import annotations

import math

import numpy as np
import pytest

from veaat_migration.protocol.bidding import decide, observe
from veaat_migration.protocol.ledger import REMEMBERED_BIDS, Ledger
from veaat_migration.protocol.reading import CheckedOffer
from veaat_migration.protocol.tally import Tally

from .builders import Policy, bid


def offered(rsu_id: int, av_ids=(), bandwidth=(), *, price: float = 5.0, settled: int = 8):
    return CheckedOffer(
        500, 9, rsu_id, price, 1.0 + rsu_id / 10, False, settled, tuple(av_ids), tuple(bandwidth)
    )


def test_observation_shows_the_offers_and_the_demand_of_the_others():
    seen = observe(
        9,
        2,
        [offered(1, (1, 2, 3), (4.0, 5.0, 6.0)), offered(3, (1, 2, 3), (7.0, 8.0, 9.0), price=6.0)],
    )
    assert (seen.round, seen.rsu_ids, seen.other_av_ids) == (9, (1, 3), (1, 3))
    np.testing.assert_array_equal(seen.prices, [5.0, 6.0])
    np.testing.assert_array_equal(seen.qualities, [1.1, 1.3])
    np.testing.assert_array_equal(seen.other_demand, [[4.0, 7.0], [6.0, 9.0]])


def test_observation_joins_receipts_with_different_buyers():
    seen = observe(9, 2, [offered(1, (1, 2), (4.0, 5.0)), offered(3, (2, 7), (8.0, 9.0))])
    assert seen.other_av_ids == (1, 7)
    np.testing.assert_array_equal(seen.other_demand, [[4.0, 0.0], [0.0, 9.0]])


def test_observation_of_a_round_in_which_this_av_bought_nothing():
    seen = observe(9, 2, [offered(1, (1, 3), (4.0, 5.0)), offered(3, (1, 3), (6.0, 7.0))])
    assert seen.other_av_ids == (1, 3)
    np.testing.assert_array_equal(seen.other_demand, [[4.0, 6.0], [5.0, 7.0]])


@pytest.mark.parametrize("receipts", [((), ()), ((2,), (5.0,))])
def test_observation_without_others_has_no_rows(receipts):
    seen = observe(9, 2, [offered(1, *receipts), offered(3, *receipts)])
    assert seen.other_av_ids == ()
    assert seen.other_demand.shape == (0, 2)


OBSERVED = observe(9, 2, [offered(1), offered(3)])


@pytest.mark.parametrize(
    ("action", "demand"),
    [
        (np.array([1.0, 2.0]), (1.0, 2.0)),
        ([1, 2], (1.0, 2.0)),
        (np.array([-1.0, 99.0]), (0.0, 10.0)),
        (np.array([1.0, 2.0], dtype=np.float32), (1.0, 2.0)),
    ],
)
def test_demand_is_kept_between_zero_and_the_maximum(action, demand):
    tally = Tally()
    decided = decide(Policy(lambda _: action), OBSERVED, 10.0, tally)
    assert decided == demand
    assert all(type(x) is float for x in decided)
    assert tally.policy_errors == 0


def fail(_: object) -> None:
    raise KeyError("weights")


@pytest.mark.parametrize(
    "policy",
    [
        Policy(lambda _: np.array([1.0])),
        Policy(lambda _: np.array([[1.0, 2.0]])),
        Policy(lambda _: np.array([1.0, math.nan])),
        Policy(lambda _: np.array([math.inf, -math.inf])),
        Policy(lambda _: None),
        Policy(lambda _: "much"),
        Policy(fail),
    ],
)
def test_a_failing_policy_buys_nothing(policy):
    tally = Tally()
    assert decide(policy, OBSERVED, 10.0, tally) == (0.0, 0.0)
    assert tally.policy_errors == 1
    assert tally.last_policy_error


def ledger_of(*rounds: int, grace: int = 1) -> Ledger:
    ledger = Ledger(1, grace)
    for round_ in rounds:
        ledger.record(bid(round_))
    return ledger


def receipt(settled: int, bandwidth: float, *, av_id: int = 1, session: int = 500) -> CheckedOffer:
    return CheckedOffer(session, settled + 1, 1, 5.0, 1.0, False, settled, (av_id,), (bandwidth,))


def test_a_receipt_of_the_bid_agrees():
    assert ledger_of(5, 6).agrees(receipt(6, 2.0))


@pytest.mark.parametrize(
    "wrong",
    [receipt(6, 2.5), receipt(6, 2.0, session=499), receipt(7, 2.0)],
    ids=["amount", "other life of the RSU", "round without a bid"],
)
def test_a_receipt_that_charges_something_else_does_not_agree(wrong):
    assert not ledger_of(5, 6).agrees(wrong)


def test_receipts_that_cannot_be_judged_agree():
    assert Ledger(1, 1).agrees(receipt(6, 9.0))
    assert ledger_of(5, 6).agrees(receipt(6, 9.0, av_id=2))
    # A former life may have bid in the rounds around our first bid.
    assert ledger_of(5, 6).agrees(receipt(5, 9.0))
    assert ledger_of(5, 6, grace=2).agrees(receipt(6, 9.0))


def test_the_ledger_forgets_old_bids():
    ledger = ledger_of(*range(1, REMEMBERED_BIDS + 11))
    assert ledger.agrees(receipt(10, 9.0))
    assert not ledger.agrees(receipt(11, 9.0))
    assert len(ledger._bids) == REMEMBERED_BIDS

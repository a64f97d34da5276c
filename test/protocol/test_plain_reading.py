"""What a decoder delivers is read like anything else, only faster."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.protocol.messages import Bid, Offer
from veaat_migration.protocol.reading import (
    LARGEST,
    MAX_ROUND,
    SMALLEST,
    PlainBid,
    PlainOffer,
    read_bid,
    read_offer,
)
from veaat_migration.protocol.reject import RejectedError, RejectReason

IDS = st.lists(st.integers(0, 2**32 - 1), max_size=4)
ASCENDING = st.sets(st.integers(1, 9), max_size=4).map(sorted)
SESSION = st.sampled_from([0, 1, 500, 2**64 - 1])
ROUND = st.sampled_from([0, 1, 2, 7, MAX_ROUND, MAX_ROUND + 1, 2**64 - 1])
NASTY = st.sampled_from(
    [0.0, -0.0, -1.0, SMALLEST, SMALLEST / 2, 5.0, 10.0, 10.1, 29.0, 30.5, LARGEST, 2 * LARGEST,
     1e308, math.inf, -math.inf, math.nan]
)  # fmt: skip
NICE = st.floats(1e-6, 9.0)


def outcome(read: Any, message: Any, limit: float) -> Any:
    try:
        return tuple(read(message, limit))
    except RejectedError as error:
        return error.reason


@st.composite
def bids(draw: st.DrawFn) -> PlainBid:
    ids = draw(ASCENDING | IDS)
    number = draw(st.sampled_from([NICE, NICE, NASTY]))

    def numbers() -> tuple[float, ...]:
        count = len(ids) if draw(st.integers(0, 9)) else draw(st.integers(0, 5))
        return tuple(draw(st.lists(number, min_size=count, max_size=count)))

    return PlainBid(
        session=draw(SESSION),
        round=draw(ROUND),
        av_id=draw(st.sampled_from([0, 1, 2**32 - 1])),
        leaving=draw(st.sampled_from([False, False, False, True])),
        rsu_ids=tuple(ids),
        sessions=tuple(draw(st.lists(SESSION, min_size=len(ids), max_size=len(ids)))),
        prices=numbers(),
        qualities=numbers(),
        bandwidth=numbers(),
    )


@st.composite
def offers(draw: st.DrawFn) -> PlainOffer:
    ids = draw(ASCENDING | IDS)
    number = draw(st.sampled_from([NICE, NICE, NASTY]))
    count = len(ids) if draw(st.integers(0, 9)) else draw(st.integers(0, 5))
    return PlainOffer(
        session=draw(SESSION),
        round=draw(ROUND),
        rsu_id=draw(st.sampled_from([0, 1, 2**32 - 1])),
        price=draw(number),
        quality=draw(number),
        closing=draw(st.sampled_from([False, False, False, True])),
        settled_round=draw(ROUND),
        settled_av_ids=tuple(ids),
        settled_bandwidth=tuple(draw(st.lists(number, min_size=count, max_size=count))),
    )


@given(bids(), st.sampled_from([10.0, math.inf]))
def test_plain_bids_are_read_like_any_other(bid: PlainBid, bandwidth_max: float):
    def read(message: Any, limit: float) -> Any:
        return read_bid(message, bandwidth_max=limit)

    expected = outcome(read, Bid(**bid._asdict()), bandwidth_max)
    assert outcome(read, bid, bandwidth_max) == expected


@given(offers(), st.sampled_from([30.0, math.inf]))
def test_plain_offers_are_read_like_any_other(offer: PlainOffer, price_max: float):
    def read(message: Any, limit: float) -> Any:
        return read_offer(message, price_max=limit)

    expected = outcome(read, Offer(**offer._asdict()), price_max)
    assert outcome(read, offer, price_max) == expected


GOOD_BID = PlainBid(5, 7, 1, False, (1, 4), (5, 6), (5.0, 6.0), (1.0, 1.2), (2.0, 0.0))
GOOD_OFFER = PlainOffer(5, 7, 1, 5.0, 1.0, False, 6, (1, 2), (3.0, 0.0))


def test_good_ones_are_taken_as_they_are():
    assert read_bid(GOOD_BID, bandwidth_max=10.0) is GOOD_BID
    assert read_offer(GOOD_OFFER, price_max=30.0) is GOOD_OFFER
    first = GOOD_OFFER._replace(settled_round=0, settled_av_ids=(), settled_bandwidth=())
    assert read_offer(first, price_max=30.0) is first


def test_not_a_number_hides_nowhere():
    nan = (5.0, math.nan)
    for field in ("prices", "qualities", "bandwidth"):
        for values in (nan, nan[::-1]):
            bid = GOOD_BID._replace(**{field: values})
            reason = outcome(lambda m, limit: read_bid(m, bandwidth_max=limit), bid, 10.0)
            assert reason is RejectReason.NOT_FINITE
    for values in (nan, nan[::-1]):
        offer = GOOD_OFFER._replace(settled_bandwidth=values)
        reason = outcome(lambda m, limit: read_offer(m, price_max=limit), offer, 30.0)
        assert reason is RejectReason.NOT_FINITE

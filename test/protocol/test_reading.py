"""Whatever arrives becomes a clean message or a reason to reject it."""

from __future__ import annotations

import math
from array import array
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.protocol.reading import (
    LARGEST,
    MAX_ENTRIES,
    MAX_ROUND,
    SMALLEST,
    CheckedBid,
    CheckedOffer,
    read_bid,
    read_offer,
)
from veaat_migration.protocol.reject import RejectedError, RejectReason

from .builders import bid, closing, leaving, offer, repeatable

M, N, O = RejectReason.MALFORMED, RejectReason.NOT_FINITE, RejectReason.OUT_OF_RANGE  # noqa: E741


def take_bid(message) -> CheckedBid:
    return read_bid(message, bandwidth_max=10.0)


def take_offer(message) -> CheckedOffer:
    return read_offer(message, price_max=30.0)


TWO = {
    "rsu_ids": (1, 4),
    "sessions": (500, 600),
    "prices": (5.0, 6.0),
    "qualities": (1.0, 1.2),
    "bandwidth": (2.0, 0.0),
}


@pytest.mark.parametrize(
    "make",
    [tuple, list, np.array, lambda values: array("d" if type(values[0]) is float else "Q", values)],
    ids=["tuple", "list", "numpy", "array.array"],
)
def test_every_kind_of_array_reads_the_same(make):
    message = bid(7, **{name: make(value) for name, value in TWO.items()})
    read = take_bid(message)
    assert read == CheckedBid(700, 7, 1, False, *TWO.values())
    for name in ("prices", "qualities", "bandwidth"):
        assert all(type(x) is float for x in getattr(read, name))
    assert all(type(x) is int for x in (*read.rsu_ids, *read.sessions))


def test_whole_numbers_are_read_as_floats():
    assert type(take_bid(bid(bandwidth=(3,))).bandwidth[0]) is float
    assert type(take_offer(offer(price=5)).price) is float


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("session", 0, M),
        ("session", -5, M),
        ("session", 2**64, M),
        ("session", 1.0, M),
        ("session", None, M),
        ("round_", 0, M),
        ("round_", -1, M),
        ("round_", MAX_ROUND + 1, O),
        ("round_", "1", M),
        ("round_", 1.5, M),
        ("av_id", 0, M),
        ("av_id", 2**32, M),
        ("av_id", "1", M),
        ("rsu_ids", (4, 1), M),
        ("rsu_ids", (1, 1), M),
        ("rsu_ids", (0, 1), M),
        ("rsu_ids", (1, 2**32), M),
        ("rsu_ids", (1,), M),
        ("rsu_ids", (1, 2.0), M),
        ("rsu_ids", None, M),
        ("rsu_ids", "12", M),
        ("sessions", (500,), M),
        ("sessions", (500, 0), M),
        ("sessions", (500, 2**64), M),
        ("sessions", (500, -600), M),
        ("sessions", (500.0, 600.0), M),
        ("prices", (5.0,), M),
        ("prices", (5.0, 6.0, 7.0), M),
        ("prices", (5.0, math.nan), N),
        ("prices", (5.0, -math.inf), N),
        ("prices", (5.0, 0.0), O),
        ("prices", (5.0, -6.0), O),
        ("prices", (5.0, SMALLEST / 2), O),
        ("prices", (5.0, LARGEST * 2), O),
        ("prices", (5.0, "6.0"), M),
        ("prices", "56", M),
        ("prices", np.array([[5.0], [6.0]]), M),
        ("prices", (1e308, 1e308), N),
        ("qualities", (1.0, 0.0), O),
        ("qualities", (1.0, -1.0), O),
        ("qualities", (math.nan, 1.0), N),
        ("bandwidth", (2.0, -1e-12), O),
        ("bandwidth", (2.0, 10.1), O),
        ("bandwidth", (math.inf, 2.0), N),
        ("bandwidth", (math.inf, -math.inf), N),
        ("bandwidth", (2.0, None), M),
        ("bandwidth", 3.0, M),
    ],
)
def test_bad_bid_is_rejected_for_its_reason(field, value, reason):
    message = bid(**{**TWO, field: value})
    with pytest.raises(RejectedError) as caught:
        take_bid(message)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("session", 0, M),
        ("round_", 0, M),
        ("round_", MAX_ROUND + 1, O),
        ("rsu_id", 0, M),
        ("rsu_id", 2**32, M),
        ("price", 0.0, O),
        ("price", -5.0, O),
        ("price", 30.1, O),
        ("price", math.nan, N),
        ("price", math.inf, N),
        ("price", "5", M),
        ("price", None, M),
        ("price", (5.0, 5.0), M),
        ("quality", 0.0, O),
        ("quality", math.nan, N),
        ("settled_round", 9, M),
        ("settled_round", -1, M),
        ("settled_round", 0, M),
        ("settled_round", 8.0, M),
        ("settled_av_ids", (2, 1), M),
        ("settled_av_ids", (1,), M),
        ("settled_bandwidth", (1.0,), M),
        ("settled_bandwidth", (1.0, math.nan), N),
        ("settled_bandwidth", (1.0, -2.0), O),
    ],
)
def test_bad_offer_is_rejected_for_its_reason(field, value, reason):
    receipt = {"settled_round": 8, "settled_av_ids": (1, 3), "settled_bandwidth": (1.0, 0.0)}
    fields = {"round_": 9, **receipt}
    take_offer(offer(**fields))
    with pytest.raises(RejectedError) as caught:
        take_offer(offer(**{**fields, field: value}))
    assert caught.value.reason is reason


def test_a_message_without_fields_is_malformed():
    for read in (take_bid, take_offer):
        for message in (None, 3, "offer", SimpleNamespace(session=1)):
            with pytest.raises(RejectedError) as caught:
                read(message)
            assert caught.value.reason is M


def test_a_message_whose_fields_raise_is_malformed():
    class Hostile:
        def __getattr__(self, name: str) -> int:
            raise RuntimeError(name)

    with pytest.raises(RejectedError) as caught:
        take_bid(Hostile())
    assert caught.value.reason is M


def test_a_bid_for_nobody_is_a_bid():
    empty = dict.fromkeys(TWO, ())
    assert take_bid(bid(7, **empty)) == CheckedBid(700, 7, 1, False, (), (), (), (), ())


def test_an_array_without_end_is_not_read():
    ids = range(1, MAX_ENTRIES + 2)
    receipt = {"settled_round": 1, "settled_bandwidth": [0.0] * len(ids)}
    take_offer(offer(2, settled_av_ids=ids[:-1], **{**receipt, "settled_bandwidth": [0.0] * 10**5}))
    with pytest.raises(RejectedError) as caught:
        take_offer(offer(2, settled_av_ids=ids, **receipt))
    assert caught.value.reason is M


def test_void_fields_are_not_read():
    assert take_bid(leaving(0)) == CheckedBid(700, 0, 1, True, (), (), (), (), ())
    message = leaving(3)
    message.prices = (math.nan,)
    assert take_bid(message).prices == ()
    read = take_offer(closing(4, price=math.nan, quality=-1.0))
    assert (read.price, read.quality, read.closing) == (0.0, 0.0, True)


def test_the_receipt_of_a_closing_offer_is_read():
    receipt = {"settled_round": 3, "settled_av_ids": (2,), "settled_bandwidth": (1.5,)}
    assert take_offer(closing(4, **receipt)).settled_bandwidth == (1.5,)
    with pytest.raises(RejectedError):
        take_offer(closing(4, **{**receipt, "settled_bandwidth": (math.nan,)}))


def test_limits_are_included():
    take_bid(bid(MAX_ROUND, av_id=2**32 - 1, bandwidth=(10.0,), session=2**64 - 1))
    take_bid(bid(rsu_ids=(2**32 - 1,), sessions=(2**64 - 1,), prices=(LARGEST,)))
    take_offer(offer(price=30.0, quality=LARGEST))
    take_offer(offer(price=SMALLEST, quality=SMALLEST))


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.lists(st.one_of(st.integers(-2, 10), st.floats(), st.none()), max_size=5),
    st.lists(st.floats(), max_size=5).map(np.array),
)


@repeatable
@given(st.data())
def test_no_message_raises_anything_but_a_rejection(data):
    for template, read in ((bid(3, **TWO), take_bid), (offer(3), take_offer)):
        fields = {name: getattr(template, name) for name in template.__slots__}
        names = data.draw(st.sets(st.sampled_from(sorted(fields)), max_size=3))
        fields.update({name: data.draw(anything) for name in sorted(names)})
        try:
            checked = read(SimpleNamespace(**fields))
        except RejectedError as error:
            assert error.reason in (M, N, O)  # noqa: PT017 - not raising is fine, too
        else:
            assert is_clean(checked)


def is_clean(message: CheckedBid | CheckedOffer) -> bool:
    for value in message:
        for number in value if isinstance(value, tuple) else (value,):
            if not (math.isfinite(number) and number >= 0):
                return False
    if isinstance(message, CheckedBid):
        return len(message.rsu_ids) == len(message.prices) == len(message.bandwidth)
    return len(message.settled_av_ids) == len(message.settled_bandwidth)

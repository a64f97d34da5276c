"""From whatever arrives to a checked message, or a reason to reject it.

What comes out holds plain Python values only, so nothing behind this module needs to doubt
a type, a length or a number; two readings are equal when their contents are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index, lt
from typing import Any, NamedTuple

from veaat_migration.protocol.messages import BidLike, OfferLike
from veaat_migration.protocol.reject import RejectedError, RejectReason

MAX_ROUND = 2**53
"""Rounds stay exact in a float64 (analysis) and a corrupt one cannot use up the uint64."""
MAX_SESSION = 2**64 - 1
MAX_ID = 2**32 - 1
SMALLEST = 1e-9
"""Least price or quality: their ratio must not overflow in Eq. (1)."""
MAX_ENTRIES = 100_000
"""Longest array that is looked at: a message must not cost unbounded time."""
LARGEST = 1e12
"""Greatest price, quality or bandwidth that is taken seriously."""


class CheckedOffer(NamedTuple):
    """An offer whose fields obey ``PriceOffer.msg``."""

    session: int
    round: int
    rsu_id: int
    price: float
    quality: float
    closing: bool
    settled_round: int
    settled_av_ids: tuple[int, ...]
    settled_bandwidth: tuple[float, ...]


class CheckedBid(NamedTuple):
    """A bid whose fields obey ``BandwidthBid.msg``."""

    session: int
    round: int
    av_id: int
    leaving: bool
    rsu_ids: tuple[int, ...]
    sessions: tuple[int, ...]
    prices: tuple[float, ...]
    qualities: tuple[float, ...]
    bandwidth: tuple[float, ...]


class PlainOffer(CheckedOffer):
    """An offer as a decoder of serialized messages delivers it: native numbers and tuples.

    Only the types can be relied on; nothing is checked yet.
    """

    __slots__ = ()


class PlainBid(CheckedBid):
    """A bid as a decoder of serialized messages delivers it, see :class:`PlainOffer`."""

    __slots__ = ()


def read_offer(message: OfferLike, *, price_max: float) -> CheckedOffer:
    """Check an offer. The price and quality of a closing offer are void and read as 0.

    Args:
        message: anything with the fields of ``PriceOffer.msg``.
        price_max: highest price accepted [money/MHz].

    Raises:
        RejectedError: malformed, not finite or out of range.
    """
    if isinstance(message, PlainOffer) and _obeys_offer_rules(message, price_max):
        return message
    try:
        closing = bool(message.closing)
        round_ = _round(message.round, 1)
        settled_round = _round(message.settled_round, 0)
        av_ids = _ids(message.settled_av_ids)
        bandwidth = _numbers(message.settled_bandwidth, len(av_ids), 0.0, LARGEST)
        if closing:
            price = quality = 0.0
        else:
            price = _number(message.price, SMALLEST, min(price_max, LARGEST))
            quality = _number(message.quality, SMALLEST, LARGEST)
        # A receipt is about the past, and no receipt means that nothing was bought.
        _demand(settled_round < round_ and (settled_round > 0 or not av_ids))
        return CheckedOffer(
            _session(message.session),
            round_,
            _id(message.rsu_id),
            price,
            quality,
            closing,
            settled_round,
            av_ids,
            bandwidth,
        )
    except RejectedError:
        raise
    except Exception as error:
        raise RejectedError(RejectReason.MALFORMED) from error


def read_bid(message: BidLike, *, bandwidth_max: float) -> CheckedBid:
    """Check a bid. The arrays of a leaving bid are void and read as empty.

    Args:
        message: anything with the fields of ``BandwidthBid.msg``.
        bandwidth_max: highest demand accepted [MHz].

    Raises:
        RejectedError: malformed, not finite or out of range.
    """
    if isinstance(message, PlainBid) and _obeys_bid_rules(message, bandwidth_max):
        return message
    try:
        session, av_id = _session(message.session), _id(message.av_id)
        if message.leaving:
            return CheckedBid(session, _round(message.round, 0), av_id, True, (), (), (), (), ())
        rsu_ids = _ids(message.rsu_ids)
        count = len(rsu_ids)
        sessions = tuple(map(index, _plain(message.sessions, count)))
        _demand(len(sessions) == count)
        if count:
            _demand(min(sessions) >= 1 and max(sessions) <= MAX_SESSION)
        return CheckedBid(
            session,
            _round(message.round, 1),
            av_id,
            False,
            rsu_ids,
            sessions,
            _numbers(message.prices, count, SMALLEST, LARGEST),
            _numbers(message.qualities, count, SMALLEST, LARGEST),
            _numbers(message.bandwidth, count, 0.0, min(bandwidth_max, LARGEST)),
        )
    except RejectedError:
        raise
    except Exception as error:
        raise RejectedError(RejectReason.MALFORMED) from error


def _obeys_offer_rules(offer: PlainOffer, price_max: float) -> bool:
    """Whether an offer is in order, in one go; False: not, or not sure.

    Comparisons with NaN are false, and a sum is smaller than infinity only without NaN.
    """
    session, round_, rsu_id, price, quality, closing, settled_round, av_ids, bandwidth = offer
    if closing or len(bandwidth) != len(av_ids):
        return False
    in_order = (
        session > 0
        and 0 <= settled_round < round_ <= MAX_ROUND
        and rsu_id > 0
        and SMALLEST <= price <= price_max
        and price <= LARGEST
        and SMALLEST <= quality <= LARGEST
    )
    if not av_ids or not in_order:
        return in_order
    return (
        settled_round > 0
        and av_ids[0] > 0
        and len(av_ids) <= MAX_ENTRIES
        and all(map(lt, av_ids, av_ids[1:]))
        and min(bandwidth) >= 0.0
        and max(bandwidth) <= LARGEST
        and sum(bandwidth) < math.inf
    )


def _obeys_bid_rules(bid: PlainBid, bandwidth_max: float) -> bool:
    """Whether a bid is in order, in one go; False: not, or not sure."""
    session, round_, av_id, leaving, rsu_ids, sessions, prices, qualities, bandwidth = bid
    count = len(rsu_ids)
    return (
        0 < count <= MAX_ENTRIES
        and not leaving
        and count == len(sessions) == len(prices) == len(qualities) == len(bandwidth)
        and session > 0
        and 0 < round_ <= MAX_ROUND
        and av_id > 0
        and rsu_ids[0] > 0
        and all(map(lt, rsu_ids, rsu_ids[1:]))
        and min(sessions) > 0
        and min(prices) >= SMALLEST
        and max(prices) <= LARGEST
        and min(qualities) >= SMALLEST
        and max(qualities) <= LARGEST
        and min(bandwidth) >= 0.0
        and max(bandwidth) <= bandwidth_max
        and max(bandwidth) <= LARGEST
        and sum(prices) + sum(qualities) + sum(bandwidth) < math.inf
    )


def _demand(condition: bool, reason: RejectReason = RejectReason.MALFORMED) -> None:
    if not condition:
        raise RejectedError(reason)


def _plain(values: Sequence[Any], max_length: int) -> Sequence[Any]:
    """Native numbers of a list, tuple, ``array.array`` or numpy array that is not too long."""
    _demand(len(values) <= max_length)
    to_list = getattr(values, "tolist", None)
    return values if to_list is None else to_list()


def _session(value: int) -> int:
    session = index(value)
    _demand(1 <= session <= MAX_SESSION)
    return session


def _round(value: int, least: int) -> int:
    number = index(value)
    _demand(least <= number)
    _demand(number <= MAX_ROUND, RejectReason.OUT_OF_RANGE)
    return number


def _id(value: int) -> int:
    number = index(value)
    _demand(1 <= number <= MAX_ID)
    return number


def _ids(values: Sequence[int]) -> tuple[int, ...]:
    ids = tuple(map(index, _plain(values, MAX_ENTRIES)))
    if ids:
        _demand(ids[0] >= 1 and ids[-1] <= MAX_ID)
        _demand(all(map(lt, ids, ids[1:])))
    return ids


def _number(value: float, least: float, greatest: float) -> float:
    number = float(value + 0)  # + 0: text that looks like a number is no number
    _demand(math.isfinite(number), RejectReason.NOT_FINITE)
    _demand(least <= number <= greatest, RejectReason.OUT_OF_RANGE)
    return number


def _numbers(
    values: Sequence[float], count: int, least: float, greatest: float
) -> tuple[float, ...]:
    plain = _plain(values, count)
    _demand(len(plain) == count)
    if not count:
        return ()
    # The sum is finite only if every term is; text has no sum, so it never gets to float().
    _demand(math.isfinite(sum(plain)), RejectReason.NOT_FINITE)
    numbers = tuple(map(float, plain))
    _demand(least <= min(numbers) and max(numbers) <= greatest, RejectReason.OUT_OF_RANGE)
    return numbers

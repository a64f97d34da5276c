"""What leaders and followers say to each other, independent of ROS.

Field names and meanings are those of ``msg/*.msg``. The state machines read incoming
messages through the ``*Like`` protocols, so a ROS message is handed to them as it is,
and produce the dataclasses below, which a node copies into ROS messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class OfferLike(Protocol):
    """Anything with the fields of ``PriceOffer.msg``."""

    session: int
    round: int
    rsu_id: int
    price: float
    quality: float
    closing: bool
    settled_round: int
    settled_av_ids: Sequence[int]
    settled_bandwidth: Sequence[float]


class BidLike(Protocol):
    """Anything with the fields of ``BandwidthBid.msg``."""

    session: int
    round: int
    av_id: int
    leaving: bool
    rsu_ids: Sequence[int]
    sessions: Sequence[int]
    prices: Sequence[float]
    qualities: Sequence[float]
    bandwidth: Sequence[float]


@dataclass(slots=True)
class Offer:
    """``PriceOffer.msg`` without its header."""

    session: int
    round: int
    rsu_id: int
    price: float
    quality: float
    closing: bool = False
    settled_round: int = 0
    settled_av_ids: Sequence[int] = ()
    settled_bandwidth: Sequence[float] = ()


@dataclass(slots=True)
class Bid:
    """``BandwidthBid.msg`` without its header."""

    session: int
    round: int
    av_id: int
    leaving: bool = False
    rsu_ids: Sequence[int] = ()
    sessions: Sequence[int] = ()
    prices: Sequence[float] = ()
    qualities: Sequence[float] = ()
    bandwidth: Sequence[float] = ()


@dataclass(slots=True)
class Settlement:
    """``Settlement.msg`` without its header."""

    session: int
    round: int
    rsu_id: int
    price: float
    quality: float
    av_ids: Sequence[int]
    bandwidth: Sequence[float]
    matching_probability: Sequence[float]
    payment: Sequence[float]
    missing_av_ids: Sequence[int]
    duration: float

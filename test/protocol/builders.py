"""Machines and messages for tests of single rules, each with defaults that play along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import settings

from veaat_migration.game.profiles import FollowerProfile, LeaderProfile
from veaat_migration.policy.interface import FollowerObservation, LeaderObservation
from veaat_migration.protocol.config import FollowerConfig, LeaderConfig
from veaat_migration.protocol.follower import FollowerMachine
from veaat_migration.protocol.leader import LeaderMachine
from veaat_migration.protocol.messages import Bid, Offer, Settlement

RSU, AV = 1, 1
RSU_SESSION, AV_SESSION = 500, 700
PRICE, QUALITY, BANDWIDTH = 5.0, 1.0, 2.0

repeatable = settings(derandomize=True, deadline=None, database=None)
"""The same examples in every run, and no clock that a busy machine could fail."""


class Policy:
    """Remembers what it observed and does what it is told."""

    name = "told"

    def __init__(self, action: Callable[[Any], Any]) -> None:
        self.action = action
        self.observed: list[Any] = []

    def act(self, observation: LeaderObservation | FollowerObservation) -> Any:
        self.observed.append(observation)
        return self.action(observation)


def asks(price: Any = PRICE) -> Policy:
    return Policy(lambda _: price)


def demands(bandwidth: Any = BANDWIDTH) -> Policy:
    return Policy(lambda observation: np.full(len(observation.rsu_ids), bandwidth))


def leader(policy: Any = None, *, session: int = RSU_SESSION, **config: Any) -> LeaderMachine:
    config = {"join_listen": 0.0, **config}
    return LeaderMachine(
        LeaderConfig(**config),
        LeaderProfile(RSU, QUALITY, 2.0, 30.0),
        policy or asks(),
        session=session,
    )


def follower(policy: Any = None, *, session: int = AV_SESSION, **config: Any) -> FollowerMachine:
    return FollowerMachine(
        FollowerConfig(**config),
        FollowerProfile(AV, 20.0, 1.0, 10.0),
        policy or demands(),
        session=session,
    )


def bid(round_: int = 1, av_id: int = AV, **fields: Any) -> Bid:
    """A bid that buys 2 MHz from RSU 1 at its usual offer, unless told otherwise."""
    defaults: dict[str, Any] = {
        "session": AV_SESSION,
        "rsu_ids": (RSU,),
        "sessions": (RSU_SESSION,),
        "prices": (PRICE,),
        "qualities": (QUALITY,),
        "bandwidth": (BANDWIDTH,),
    }
    return Bid(round=round_, av_id=av_id, **{**defaults, **fields})


def bid_elsewhere(round_: int = 1, av_id: int = AV, **fields: Any) -> Bid:
    """A bid that leaves RSU 1 out."""
    return bid(round_, av_id, rsu_ids=(9,), sessions=(900,), **fields)


def leaving(round_: int = 1, av_id: int = AV, session: int = AV_SESSION) -> Bid:
    return Bid(session=session, round=round_, av_id=av_id, leaving=True)


def offer(round_: int = 1, rsu_id: int = RSU, **fields: Any) -> Offer:
    """An offer at the usual price without a receipt, unless told otherwise."""
    defaults = {"session": RSU_SESSION, "price": PRICE, "quality": QUALITY}
    return Offer(round=round_, rsu_id=rsu_id, **{**defaults, **fields})


def closing(round_: int = 2, rsu_id: int = RSU, **fields: Any) -> Offer:
    return offer(round_, rsu_id, closing=True, **fields)


def the_offer(outputs: Sequence[Offer | Settlement]) -> Offer:
    """The only offer among the outputs."""
    (found,) = [output for output in outputs if isinstance(output, Offer)]
    return found


def the_settlement(outputs: Sequence[Offer | Settlement]) -> Settlement:
    """The only settlement among the outputs."""
    (found,) = [output for output in outputs if isinstance(output, Settlement)]
    return found

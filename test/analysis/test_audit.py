"""Wrong accounts are found, right ones are not accused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veaat_migration.analysis.audit import Audit, audit
from veaat_migration.analysis.reading import read_bag


def audited(game: Any, tmp_path: Path) -> Audit:
    return audit(read_bag(game.write(tmp_path / "bag")))


def settlement(game: Any, round_: int, rsu_id: int) -> Any:
    (found,) = [m for m in game.of("settlements") if (m.round, m.rsu_id) == (round_, rsu_id)]
    return found


def test_a_right_account_is_clean(game: Any, tmp_path: Path):
    result = audited(game, tmp_path)
    assert result.clean
    assert (result.settlements, result.charges) == (80, 240)


def overcharge(game: Any) -> None:
    settlement(game, 7, 2).payment[0] *= 1.0 + 1e-6


def wrong_share(game: Any) -> None:
    message = settlement(game, 7, 2)
    message.matching_probability = message.matching_probability * 1.01
    message.payment = message.payment * 1.01


def more_than_bid(game: Any) -> None:
    message = settlement(game, 7, 2)
    message.bandwidth[1] += 0.5
    message.payment[1] = message.matching_probability[1] * message.price * message.bandwidth[1]
    (offer,) = [m for m in game.of("price_offers") if (m.round, m.rsu_id) == (8, 2)]
    offer.settled_bandwidth = message.bandwidth


def other_price(game: Any) -> None:
    message = settlement(game, 7, 2)
    message.price *= 1.1
    message.payment = message.matching_probability * message.price * message.bandwidth


def no_bid(game: Any) -> None:
    game.remove("bandwidth_bids", lambda m: (m.round, m.av_id) == (7, 3))


def settled_twice(game: Any) -> None:
    (entry,) = [e for e in game.entries if e.message is settlement(game, 7, 2)]
    game.entries.append(copy.copy(entry))


def never_settled(game: Any) -> None:
    game.remove("settlements", lambda m: (m.round, m.rsu_id) == (7, 2))


def other_receipt(game: Any) -> None:
    (offer,) = [m for m in game.of("price_offers") if (m.round, m.rsu_id) == (8, 2)]
    offer.settled_bandwidth = offer.settled_bandwidth + np.array([0.0, 0.0, 1.0])


@pytest.mark.parametrize(
    ("change", "findings"),
    [
        (overcharge, {"wrong_payment": 1}),
        (wrong_share, {"wrong_payment": 3}),
        (more_than_bid, {"charge_differs_from_bid": 1}),
        (other_price, {"charge_differs_from_bid": 3}),
        (no_bid, {"charge_without_bid": 2}),
        (settled_twice, {"duplicate_settlement": 1}),
        (never_settled, {"missing_settlement": 1}),
        (other_receipt, {"receipt_differs": 1}),
    ],
)
def test_a_wrong_account_is_found(
    game: Any, tmp_path: Path, change: Callable[[Any], None], findings: dict[str, int]
):
    change(game)
    result = audited(game, tmp_path)
    assert result.counts == findings
    assert not result.clean
    assert all("round 7" in text for texts in result.examples.values() for text in texts)


def test_a_bid_sent_again_is_not_held_against_anybody(game: Any, tmp_path: Path):
    for entry in [e for e in game.entries if e.topic == "bandwidth_bids"][:30]:
        again = copy.copy(entry)
        again.receive_time += 1_000_000
        game.entries.append(again)
    assert audited(game, tmp_path).clean


def test_a_bid_that_answers_a_former_offer_too_does_not_hide_the_right_one(
    game: Any, tmp_path: Path
):
    (entry,) = [
        e for e in game.entries if e.topic == "bandwidth_bids" and
        (e.message.round, e.message.av_id) == (7, 1)
    ]  # fmt: skip
    stale = copy.copy(entry)
    stale.message = copy.copy(entry.message)
    stale.message.prices = entry.message.prices * 1.1
    game.entries.append(stale)
    assert audited(game, tmp_path).clean


@pytest.mark.parametrize(
    ("topic", "check"), [("bandwidth_bids", "charges"), ("price_offers", "receipts")]
)
def test_what_cannot_be_checked_is_said(game: Any, tmp_path: Path, topic: str, check: str):
    game.remove(topic)
    result = audited(game, tmp_path)
    assert not result.counts
    assert [reason.partition(":")[0] for reason in result.unchecked] == [check]
    assert not result.clean

"""Audits the accounts: every settlement against the bids and offers recorded beside it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from veaat_migration.analysis.reading import Recording
from veaat_migration.game.matching import matching_probability

KINDS = {
    "duplicate_settlement": "a round settled more than once by one RSU",
    "missing_settlement": "an offer's receipt names a round whose settlement is not recorded",
    "receipt_differs": "an offer's receipt and the settlement of that round disagree",
    "charge_without_bid": "an AV is charged, but no bid of it to this RSU is recorded",
    "charge_differs_from_bid": "an AV is charged another price or bandwidth than it bid",
    "wrong_payment": "the payment is not theta_ij p_j b_ij with theta_ij of Eq. (1)",
}
"""Kinds of findings and what they mean."""

EXAMPLES = 5
"""Findings of a kind that are described in words."""

_TOLERANCE = 1e-9


@dataclass
class Audit:
    """What an audit found."""

    settlements: int = 0
    charges: int = 0
    """Accepted bids in all settlements."""
    counts: Counter[str] = field(default_factory=Counter)
    """Findings by kind (:data:`KINDS`); a kind that did not occur is absent."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """The first few findings of each kind in words."""
    unchecked: list[str] = field(default_factory=list)
    """Checks that were impossible, and why."""

    @property
    def clean(self) -> bool:
        """Everything could be checked and nothing was found."""
        return not self.counts and not self.unchecked

    def add(self, kind: str, text: str) -> None:
        """Count a finding."""
        self.counts[kind] += 1
        known = self.examples.setdefault(kind, [])
        if len(known) < EXAMPLES:
            known.append(text)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an AV bid to one RSU."""

    price: float
    bandwidth: float
    theta: float


def audit(recording: Recording) -> Audit:
    """Check every settlement and every receipt of a recording."""
    result = Audit()
    accounts = _check_duplicates(recording, result)
    if recording.messages["bandwidth_bids"]:
        _check_charges(recording, result)
    else:
        result.unchecked.append("charges: no bandwidth_bids in the bag")
    if recording.messages["price_offers"]:
        _check_receipts(recording, accounts, result)
    else:
        result.unchecked.append("receipts: no price_offers in the bag")
    return result


def _check_duplicates(recording: Recording, result: Audit) -> dict[tuple[int, int], Any]:
    """Settlements by (RSU, round); the first counts."""
    accounts: dict[tuple[int, int], Any] = {}
    for received in recording.messages["settlements"]:
        m = received.message
        key = int(m.rsu_id), int(m.round)
        result.settlements += 1
        result.charges += len(m.av_ids)
        if key in accounts:
            result.add("duplicate_settlement", f"round {m.round}, RSU {m.rsu_id}")
        accounts.setdefault(key, m)
    return accounts


def _answers(recording: Recording) -> dict[tuple[int, int, int], list[_Answer]]:
    """Every different answer by (round, AV, RSU)."""
    answers: dict[tuple[int, int, int], list[_Answer]] = {}
    for received in recording.messages["bandwidth_bids"]:
        m = received.message
        if not len(m.rsu_ids):
            continue
        try:
            theta = matching_probability(m.prices, m.qualities)
            entries = zip(m.rsu_ids, m.prices, m.bandwidth, theta, strict=True)
            for rsu_id, price, bandwidth, share in entries:
                answer = _Answer(float(price), float(bandwidth), float(share))
                known = answers.setdefault((int(m.round), int(m.av_id), int(rsu_id)), [])
                if answer not in known:
                    known.append(answer)
        except ValueError:
            # Arrays that do not fit together; no RSU may accept such a bid.
            continue
    return answers


def _charges(message: Any) -> Iterator[tuple[int, float, float, float]]:
    for av_id, bandwidth, theta, payment in zip(
        message.av_ids,
        message.bandwidth,
        message.matching_probability,
        message.payment,
        strict=False,
    ):
        yield int(av_id), float(bandwidth), float(theta), float(payment)


def _check_charges(recording: Recording, result: Audit) -> None:
    answers = _answers(recording)
    for received in recording.messages["settlements"]:
        m = received.message
        for av_id, bandwidth, theta, payment in _charges(m):
            where = f"round {m.round}, RSU {m.rsu_id}, AV {av_id}"
            bids = answers.get((int(m.round), av_id, int(m.rsu_id)), [])
            if not bids:
                result.add("charge_without_bid", f"{where}: {payment:.6g} for {bandwidth:.6g} MHz")
                continue
            matching = [b for b in bids if b.price == m.price and b.bandwidth == bandwidth]
            if not matching:
                result.add(
                    "charge_differs_from_bid",
                    f"{where}: charged {bandwidth:.9g} MHz at {m.price:.9g}, "
                    f"bid {bids[-1].bandwidth:.9g} MHz at {bids[-1].price:.9g}",
                )
            expected = theta * m.price * bandwidth
            if not (
                math.isclose(payment, expected, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
                and (not matching or any(abs(b.theta - theta) <= _TOLERANCE for b in matching))
            ):
                result.add("wrong_payment", f"{where}: {payment:.9g}")


def _check_receipts(
    recording: Recording, accounts: dict[tuple[int, int], Any], result: Audit
) -> None:
    offers = [received.message for received in recording.messages["price_offers"]]
    last_words = _last_offers(offers)
    seen: set[tuple[int, int]] = set()
    for m in offers:
        key = int(m.rsu_id), int(m.settled_round)
        if not m.settled_round or key in seen:
            continue
        seen.add(key)
        where = f"round {m.settled_round}, RSU {m.rsu_id}"
        account = accounts.get(key)
        if account is None:
            died = (int(m.rsu_id), int(m.session), int(m.round)) in last_words
            result.add("missing_settlement", where + (" (its last words)" if died else ""))
        elif _amounts(m.settled_av_ids, m.settled_bandwidth) != _amounts(
            account.av_ids, account.bandwidth
        ):
            result.add("receipt_differs", where)


def _last_offers(offers: list[Any]) -> set[tuple[int, int, int]]:
    """(RSU, session, round) of the last offer in each life.

    An RSU that is killed right after it has not published the settlement, which comes second.
    """
    last: dict[tuple[int, int], int] = {}
    for m in offers:
        key = int(m.rsu_id), int(m.session)
        last[key] = max(last.get(key, 0), int(m.round))
    return {(*key, round_) for key, round_ in last.items()}


def _amounts(av_ids: Any, bandwidth: Any) -> dict[int, float]:
    return {int(av_id): float(amount) for av_id, amount in zip(av_ids, bandwidth, strict=False)}

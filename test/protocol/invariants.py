"""What must hold in every run, whatever the network does."""

from __future__ import annotations

from collections import defaultdict

import pytest

from veaat_migration.game.matching import matching_probability
from veaat_migration.protocol.messages import Bid, Offer, Settlement

from .network import Network


def check(network: Network) -> None:
    """Check all accounts of a run against all messages that were really sent."""
    assert network.errors == []
    offers = offers_by_life(network)
    bids = bids_by_round(network)
    check_offers(network)
    check_one_answer_each(network)
    settled: dict[tuple[int, int], dict[int, Settlement]] = defaultdict(dict)
    charged: set[tuple[int, int, int, int]] = set()
    for _, account in network.settlements:
        life = settled[account.rsu_id, account.session]
        assert account.round not in life, f"settled twice: {account}"
        assert account.round > max(life, default=0), f"settled out of order: {account}"
        life[account.round] = account
        offer = offers[account.rsu_id, account.session, account.round]
        assert (offer.price, offer.quality) == (account.price, account.quality)
        check_account(account, offer, bids, charged)
    check_receipts(network, settled)


def offers_by_life(network: Network) -> dict[tuple[int, int, int], Offer]:
    """The offer of each life of each RSU in each round."""
    return {(o.rsu_id, o.session, o.round): o for o in network.offers if not o.closing}


def bids_by_round(network: Network) -> dict[tuple[int, int], list[Bid]]:
    """All bids that an AV really sent for a round, over its lives."""
    result: dict[tuple[int, int], list[Bid]] = defaultdict(list)
    for bid in network.bids:
        if not bid.leaving:
            result[bid.av_id, bid.round].append(bid)
    return result


def check_offers(network: Network) -> None:
    """One life of an RSU never says two things in one round, and its rounds only grow."""
    said: dict[tuple[int, int], Offer] = {}
    for offer in network.offers:
        key = (offer.rsu_id, offer.session)
        last = said.get(key)
        if last is not None and offer != last:
            assert offer.round > last.round or (offer.closing and offer.round == last.round)
        said[key] = offer


def check_one_answer_each(network: Network) -> None:
    """One life of an AV never says two things in one round."""
    said: dict[tuple[int, int, int], Bid] = {}
    for bid in network.bids:
        if not bid.leaving:
            assert said.setdefault((bid.av_id, bid.session, bid.round), bid) == bid


def check_account(
    account: Settlement,
    offer: Offer,
    bids: dict[tuple[int, int], list[Bid]],
    charged: set[tuple[int, int, int, int]],
) -> None:
    """Every charge stands on a bid that the AV made to this offer, and on each bid one charge."""
    assert list(account.av_ids) == sorted(set(account.av_ids))
    assert not set(account.av_ids) & set(account.missing_av_ids)
    assert account.duration >= 0
    for k, av_id in enumerate(account.av_ids):
        entry = (account.bandwidth[k], account.matching_probability[k], account.payment[k])
        claims = [claim(bid, offer) for bid in bids[av_id, account.round]]
        assert pytest.approx(entry) in claims, f"AV {av_id} is charged for a bid not made"
        charge = (av_id, offer.rsu_id, offer.session, offer.round)
        assert charge not in charged, f"AV {av_id} is charged twice: {account}"
        charged.add(charge)


def claim(bid: Bid, offer: Offer) -> tuple[float, float, float] | None:
    """Bandwidth, matching probability and payment that an offer may claim from a bid, if any."""
    key = (offer.rsu_id, offer.session, offer.price, offer.quality)
    answered = list(zip(bid.rsu_ids, bid.sessions, bid.prices, bid.qualities, strict=True))
    if key not in answered:
        return None
    j = answered.index(key)
    theta = float(matching_probability(bid.prices, bid.qualities)[j])
    return bid.bandwidth[j], theta, theta * offer.price * bid.bandwidth[j]


def check_receipts(network: Network, settled: dict[tuple[int, int], dict[int, Settlement]]) -> None:
    """A receipt repeats the account of that round."""
    for offer in network.offers:
        if offer.settled_round:
            account = settled[offer.rsu_id, offer.session][offer.settled_round]
            assert tuple(offer.settled_av_ids) == tuple(account.av_ids)
            assert tuple(offer.settled_bandwidth) == tuple(account.bandwidth)
            assert offer.settled_round < offer.round


def check_alive(network: Network, rounds: int, limit: float) -> float:
    """The healed network plays on, with everybody; returns how long that took [s].

    Every leader settles ``rounds`` rounds in a row that all AVs bought in, and at the end all
    leaders are within one round of each other.
    """
    start = network.now
    mark = len(network.settlements)
    avs = tuple(sorted(n for role, n in network.nodes if role == "av"))
    rsus = [n for role, n in network.nodes if role == "rsu"]
    in_a_row = dict.fromkeys(rsus, 0)

    def all_play() -> bool:
        nonlocal mark
        for _, account in network.settlements[mark:]:
            full = tuple(account.av_ids) == avs
            in_a_row[account.rsu_id] = in_a_row[account.rsu_id] + 1 if full else 0
        mark = len(network.settlements)
        return min(in_a_row.values()) >= rounds

    assert network.run_until(all_play, start + limit), [
        m.status() for m in [*network.leaders(), *network.followers()]
    ]
    current = [leader.status().round for leader in network.leaders()]
    assert max(current) - min(current) <= 1
    return network.now - start

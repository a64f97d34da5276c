"""Settlements of single RSUs become rounds of the whole game."""

from __future__ import annotations

import random

import numpy as np

from veaat_migration.nodes.round_book import FORGET, PATIENCE, Account, RoundBook


def account(rsu_id: int, number: int, bandwidth: float = 1.0) -> Account:
    start = 10.0 * number
    return Account(rsu_id, number, 4.0 + rsu_id, [1, 2], [bandwidth, 2.0], start, start + rsu_id)


def test_a_round_is_told_once_all_rsus_have_settled_it():
    book = RoundBook(2, 2)
    assert book.add(account(1, 1), 0.0) == []
    (settled,) = book.add(account(2, 1), 0.0)
    assert (settled.round, settled.complete) == (1, True)
    assert settled.prices.tolist() == [5.0, 6.0]
    assert settled.demand.tolist() == [[1.0, 1.0], [2.0, 2.0]]
    assert (settled.start, settled.end) == (10.0, 12.0)


def test_rounds_are_told_in_order_whatever_the_order_of_arrival():
    book = RoundBook(2, 3)
    accounts = [account(rsu_id, number) for rsu_id in (1, 2, 3) for number in range(1, 21)]
    random.Random(4).shuffle(accounts)
    told = [settled.round for one in accounts for settled in book.add(one, 0.0)]
    assert told == list(range(1, 21))


def test_a_second_account_of_a_round_does_not_count():
    book = RoundBook(2, 2)
    book.add(account(1, 1, bandwidth=1.0), 0.0)
    book.add(account(1, 1, bandwidth=9.0), 0.0)
    (settled,) = book.add(account(2, 1), 0.0)
    assert settled.demand[0, 0] == 1.0
    assert book.add(account(1, 1), 0.0) == []


def test_a_silent_rsu_is_waited_for_at_first_and_then_not():
    book = RoundBook(2, 2)
    assert book.add(account(1, 1), 0.0) == []
    assert book.take(0.5 * PATIENCE) == []
    (settled,) = book.take(PATIENCE + 0.1)
    assert np.isnan(settled.prices[1])
    assert not settled.complete
    now = 10.0
    for number in range(2, 2 + FORGET - 1):
        assert book.add(account(1, number), now) == []
        now += PATIENCE + 0.1
        assert len(book.take(now)) == 1
    assert [s.round for s in book.add(account(1, 1 + FORGET), now)] == [1 + FORGET]


def test_a_returning_rsu_is_waited_for_again():
    book = RoundBook(2, 2)
    for number in range(1, 6):
        book.add(account(1, number), 0.0)
        book.take(0.0, everything=True)
    assert len(book.add(account(1, 6), 0.0)) == 1
    assert book.add(account(2, 7), 0.0) == []
    assert [settled.complete for settled in book.add(account(1, 7), 0.0)] == [True]


def test_strangers_are_left_out():
    book = RoundBook(1, 1)
    assert book.add(account(2, 1), 0.0) == []
    (settled,) = book.add(account(1, 1), 0.0)
    assert settled.demand.tolist() == [[1.0]]

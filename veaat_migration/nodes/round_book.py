"""Puts the settlements of single RSUs together to rounds of the whole game; without ROS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from veaat_migration.game.instance import FloatArray

PATIENCE = 3.0
"""A round that an RSU has not settled this long after another one did is told without it [s]."""
FORGET = 2
"""An RSU that has not settled this many rounds in a row is no longer waited for."""


@dataclass(frozen=True)
class Account:
    """One RSU's settlement of one round."""

    rsu_id: int
    round: int
    price: float
    av_ids: Sequence[int]
    bandwidth: Sequence[float]
    start: float
    """When the offer was made [s]."""
    end: float
    """When the round was settled [s]."""


@dataclass(frozen=True)
class SettledRound:
    """One round as all its RSUs settled it. RSU j is row j - 1, AV i likewise."""

    round: int
    prices: FloatArray
    """p_j [money/MHz], shape [R]; NaN: not settled."""
    demand: FloatArray
    """b_ij accepted [MHz], shape [V, R]; NaN: no bid accepted."""
    start: float
    """First offer [s]."""
    end: float
    """Last settlement [s]."""

    @property
    def complete(self) -> bool:
        """Whether every RSU accepted a bid of every AV."""
        return bool(np.isfinite(self.demand).all())


@dataclass
class _Page:
    opened_at: float
    accounts: dict[int, Account] = field(default_factory=dict)


class RoundBook:
    """Collects accounts until all RSUs that take part have settled a round."""

    def __init__(self, n_avs: int, n_rsus: int) -> None:
        """Expect the players 1 .. n_avs and 1 .. n_rsus; others are left out."""
        self._shape = (n_avs, n_rsus)
        self._pages: dict[int, _Page] = {}
        self._missed = dict.fromkeys(range(1, n_rsus + 1), 0)
        self._told = 0

    def add(self, account: Account, now: float) -> list[SettledRound]:
        """Enter an account; the rounds that are complete by it, in order.

        The first account of an RSU for a round counts, and none for a round already told.
        """
        if account.rsu_id not in self._missed or account.round <= self._told:
            return []
        page = self._pages.setdefault(account.round, _Page(now))
        page.accounts.setdefault(account.rsu_id, account)
        self._missed[account.rsu_id] = 0
        return self.take(now)

    def take(self, now: float, *, everything: bool = False) -> list[SettledRound]:
        """Rounds for which nothing more is to be expected, in order."""
        rounds = []
        for number in sorted(self._pages):
            page = self._pages[number]
            overdue = everything or now > page.opened_at + PATIENCE
            if not (overdue or self._awaited().issubset(page.accounts)):
                break
            rounds.append(self._tell(number))
        return rounds

    def _awaited(self) -> set[int]:
        return {rsu_id for rsu_id, missed in self._missed.items() if missed < FORGET}

    def _tell(self, number: int) -> SettledRound:
        accounts = self._pages.pop(number).accounts
        self._told = number
        for rsu_id in self._missed:
            if rsu_id not in accounts:
                self._missed[rsu_id] += 1
        prices, demand = np.full(self._shape[1], np.nan), np.full(self._shape, np.nan)
        for account in accounts.values():
            j = account.rsu_id - 1
            prices[j] = account.price
            for av_id, bandwidth in zip(account.av_ids, account.bandwidth, strict=False):
                if 1 <= av_id <= self._shape[0]:
                    demand[av_id - 1, j] = bandwidth
        return SettledRound(
            number,
            prices,
            demand,
            start=min(account.start for account in accounts.values()),
            end=max(account.end for account in accounts.values()),
        )

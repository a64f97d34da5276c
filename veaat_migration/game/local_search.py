"""Prices from which no leader gains by a small change, by the fastest way that a game allows.

Games with additive couplings and without delay constraint go through the quasi-Newton method, all
starts at once, and very small ones first through its form in plain numbers; where that fails, and
for all other games, the general search takes over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import inf

import numpy as np

from veaat_migration.game.closed_form import paper_closed_form, uncoupled_prices
from veaat_migration.game.followers import Start, follower_equilibria
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.kernel import Cases
from veaat_migration.game.leader import price_bounds
from veaat_migration.game.price_search import local_equilibrium
from veaat_migration.game.quasi_newton import Found, local_prices, uncoupled_start
from veaat_migration.game.stack import GameStack, covers, is_large, stack_games
from veaat_migration.game.tiny_prices import TinyPrices, suits
from veaat_migration.game.uniqueness import provably_unique

_MORE_STARTS = 2000
"""V * R times the number of further random starts, at most ``_MOST_STARTS``."""
_MOST_STARTS = 12
_ROUGHLY, _ROUGH_ROUNDS = 1e-3, 20
"""Accuracy of closed forms as starts, and most rounds for it."""
_TOUCH = 1e-8
GENERAL_STARTS = 4
"""Starts that the general search takes, as it takes its time."""


@dataclass(frozen=True)
class Candidate:
    """Prices at which the local search came to rest, with the AVs' equilibrium."""

    prices: FloatArray
    """[R]"""
    demand: FloatArray
    """[V, R]"""
    followers_unique: bool
    """Whether the AVs' equilibrium was proven unique on the way."""
    converged: bool
    iterations: int


class LocalSearch:
    """Local searches in one game."""

    def __init__(
        self, instance: GameInstance, deadline: float, give_up: float, start: Start = "low"
    ) -> None:
        """Prepare for one game.

        Args:
            instance: the game.
            deadline: time [s of time.perf_counter] after which searches end as soon as they can.
            give_up: time after which even checks of what was found are broken off.
            start: chooses among the AVs' equilibria where there are several.
        """
        self.give_up = give_up
        self.unsettled: list[FloatArray] = []
        """Prices at which the quick search has not come to rest though the AVs' answer is clear."""
        self.instance = instance
        self.start = start
        self.deadline = deadline
        self.iterations = 0
        self._simple = covers(instance) and start == "low"
        self._tiny = TinyPrices(instance) if self._simple and suits(instance) else None

    @cached_property
    def stack(self) -> GameStack | None:
        """The game for the quasi-Newton method; None where it is not simple."""
        return stack_games([self.instance]) if self._simple else None

    def late(self) -> bool:
        """Whether the deadline has passed."""
        return time.perf_counter() > self.deadline

    def starts(self) -> FloatArray:
        """The uncoupled closed form, cheap, dear, the paper's approximation, and random, [n, R]."""
        game = self.instance
        low, high = price_bounds(game)
        points = [uncoupled_prices(game), 1.05 * low, high]
        if not is_large(game):
            points.append(paper_closed_form(game, _ROUGHLY, _ROUGH_ROUNDS))
        more = 0
        if self.stack is not None:
            more = min(_MORE_STARTS // (game.n_avs * game.n_rsus), _MOST_STARTS)
        random = _random_numbers(more, game.n_rsus)
        starts: FloatArray = np.clip([*points, *(low * (high / low) ** random)], low, high)
        return starts

    def first(self) -> Candidate:
        """One local answer, from the first start that leads to one."""
        plain = self._plainly(uncoupled_prices(self.instance, _ROUGHLY))
        if plain is not None:
            return plain
        if self.stack is not None:
            quick = self._quick(uncoupled_start(self.stack), hasty=True)[0]
            quick = quick or next(self.quick(self.starts()), None)
            if quick is not None:
                return quick
        best: Candidate | None = None
        for start in self.starts()[:GENERAL_STARTS]:
            candidate = self.general(start)
            best = best or candidate
            if candidate.converged or self.late():
                return candidate
        assert best is not None
        return best

    def near(self, prices: FloatArray, *, general: bool = True) -> Candidate | None:
        """The local answer that ``prices`` [R] lead to; None if only the general search helps."""
        quick = self._quick(prices[None])[0] if self.stack is not None else None
        return self.general(prices) if quick is None and general else quick

    def quick(self, starts: FloatArray) -> Iterator[Candidate]:
        """Different local answers from many starts [n, R] at once; none if the game is not simple.

        Starts on the way to a smooth equilibrium that another one has reached are given up.
        """
        if not len(starts):
            return
        known = np.empty((0, self.instance.n_rsus))
        plain = self._plainly(starts[0])
        if plain is not None:
            yield plain
            starts, known = starts[1:], plain.prices[None]
        if self.stack is not None and len(starts):
            yield from filter(None, self._quick(starts, known=known))

    def other_end(self, candidate: Candidate) -> Candidate | None:
        """The other end of the continuum that may begin at a candidate where AVs just reach b_max.

        The candidate itself where it is no such end; None where that cannot be told.
        """
        if self.stack is None or self.stack.large or not _touches_cap(self.stack, candidate):
            return candidate
        answer = None if candidate.followers_unique else self._answer
        found = local_prices(
            self.stack,
            candidate.prices[None],
            free_at_cap=True,
            answer=answer,
            deadline=self.deadline,
        )
        return _candidate(found, 0, proven=False) if found.converged[0] else None

    def _plainly(self, start: FloatArray) -> Candidate | None:
        """A smooth local answer of a very small game; None where it takes more to find one."""
        found = None if self._tiny is None else self._tiny.search(start)
        if found is None or self._tiny is None:
            return None
        self.iterations += found.iterations
        prices, demand = np.array(found.prices), np.array(found.demand)
        unique = self._tiny.surely_unique(found.prices) or (
            self.stack is not None and provably_unique(Cases(self.stack, prices[None]))[0]
        )
        return Candidate(prices, demand, True, True, found.iterations) if unique else None

    def _quick(
        self, starts: FloatArray, *, hasty: bool = False, known: FloatArray | None = None
    ) -> list[Candidate | None]:
        """By the quasi-Newton method; None where it fails or leads to ``known`` equilibria.

        Where the AVs' equilibrium is not provably unique at the end, the search is repeated with
        the one that :func:`follower_equilibria` chooses.
        """
        assert self.stack is not None
        found = local_prices(self.stack, starts, hasty=hasty, known=known, deadline=self.deadline)
        self.iterations += int(found.iterations.sum())
        unique = found.met.copy()  # as they are given up, nothing need be proven
        if not unique.all():
            unique[~found.met] = provably_unique(Cases(self.stack, found.prices[~found.met]))
        result: list[Candidate | None] = [None] * len(starts)
        for k in np.nonzero(found.converged & unique)[0]:
            result[k] = _candidate(found, int(k), proven=True)
        self.unsettled += list(found.prices[~found.converged & ~found.met & unique])
        again = np.nonzero(~unique)[0]
        if self.stack.large:
            for k in np.nonzero(found.converged & ~unique)[0]:
                result[k] = _candidate(found, int(k), proven=False)
        elif again.size:
            found = local_prices(
                self.stack, starts[again], answer=self._answer, deadline=self.deadline
            )
            self.iterations += int(found.iterations.sum())
            for k in np.nonzero(found.converged)[0]:
                result[again[k]] = _candidate(found, int(k), proven=False)
        return result

    def _answer(self, prices: FloatArray) -> FloatArray:
        return follower_equilibria(self.instance, prices, self.start, thorough=False).demand

    def settle(self, number: int, seconds: float) -> Iterator[Candidate]:
        """What the general search makes of a few unsettled prices in about this time [s]."""
        until = min(self.deadline, time.perf_counter() + seconds)
        for prices in self.unsettled[:number]:
            if time.perf_counter() < until:
                candidate = self.general(prices, until)
                if candidate.converged:
                    yield candidate

    def general(self, prices: FloatArray, deadline: float = inf) -> Candidate:
        """The local answer that ``prices`` [R] lead to, by whatever it takes (not if large)."""
        if self.stack is not None and self.stack.large:
            found = local_prices(self.stack, prices[None], deadline=self.deadline)
            return replace(_candidate(found, 0, proven=False), converged=bool(found.converged[0]))
        local = local_equilibrium(self.instance, prices, self.start, min(deadline, self.deadline))
        self.iterations += local.iterations
        demand = follower_equilibria(self.instance, local.prices, self.start).demand[0]
        return Candidate(local.prices, demand, False, local.converged, local.iterations)


@lru_cache
def _random_numbers(*shape: int) -> FloatArray:
    """Always the same ones in [0, 1]."""
    return np.random.default_rng(1).random(shape)


def _candidate(found: Found, k: int, *, proven: bool) -> Candidate:
    return Candidate(found.prices[k], found.demand[k], proven, True, int(found.iterations[k]))


def _touches_cap(stack: GameStack, candidate: Candidate) -> bool:
    """Whether an AV would buy just b_max without that bound."""
    demand = candidate.demand[None]
    x = Cases(stack, candidate.prices[None]).net_price(demand)
    gap = np.abs(stack.satisfaction / (stack.cap + stack.offset) - x)
    return bool((gap <= _TOUCH * np.abs(x)).any())

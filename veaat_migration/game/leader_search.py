"""From local answers to a certified one: check every leader globally, restart from deviations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veaat_migration.game.exploitability import LeaderGains, leader_gains
from veaat_migration.game.followers import follower_equilibria
from veaat_migration.game.instance import FloatArray
from veaat_migration.game.leader import price_bounds
from veaat_migration.game.local_search import Candidate, LocalSearch
from veaat_migration.game.price_lines import OutOfTimeError, best_prices
from veaat_migration.game.stack import is_large

_MAX_RESTARTS = 8
_MAX_TURNS = 20
_NEAR = 0.02
_SAME = 1e-6


@dataclass(frozen=True)
class Found:
    """The least exploitable prices met on one search."""

    local: Candidate
    gains: LeaderGains
    cycling: bool = False
    isolated: bool = True
    """Whether it is not an end of a continuum as far as we know"""


def check(search: LocalSearch, candidate: Candidate) -> Found:
    """What the leaders could still gain."""
    gains = leader_gains(
        search.instance,
        candidate.prices,
        search.start,
        demand=candidate.demand,
        give_up=search.give_up,
    )
    return Found(candidate, gains)


def close(a: FloatArray, b: FloatArray, share: float = _SAME) -> bool:
    """Whether two price vectors are the same up to a relative difference."""
    return bool(np.abs(a / b - 1.0).max() <= share)


def improve(search: LocalSearch, best: Found, tolerance: float) -> Found:
    """Search on from a candidate at which some leader gains more than ``tolerance`` (relative).

    It is left along the most profitable deviation. If that leads back to where it came from,
    leaders take turns with global best prices, with ever smaller steps.
    """
    now, seen = best, [best.local.prices]
    for _ in range(_MAX_RESTARTS):
        j = int(np.argmax(now.gains.relative))
        p = now.local.prices.copy()
        p[j] = now.gains.best[j]
        candidate = search.near(p, general=search.stack is None)
        if candidate is None or any(close(candidate.prices, other) for other in seen):
            break
        now = check(search, candidate)
        seen.append(candidate.prices)
        if now.gains.largest < best.gains.largest:
            best = now
        if best.gains.largest <= tolerance or search.late():
            return best
    return best if is_large(search.instance) else _take_turns(search, best, tolerance)


def _take_turns(search: LocalSearch, best: Found, tolerance: float) -> Found:
    """Global best prices in turn; a revisited point halves the steps.

    Where the leaders move little any more, the local search may take them to their goal.
    """
    game = search.instance
    p, share, cycling = best.local.prices.copy(), 1.0, False
    history: list[FloatArray] = []
    last = np.zeros_like(p)
    for _ in range(_MAX_TURNS):
        search.iterations += 1
        before = p.copy()
        for j in range(game.n_rsus):
            try:
                line = best_prices(game, p, search.start, rsus=[j], give_up=search.deadline)[0]
            except OutOfTimeError:
                return best
            if line.value > line.value_at(p[j]):
                # Exactly the best price, not a sum that rounds: it may be at the edge of a cliff.
                p[j] = line.x if share == 1.0 else p[j] + share * (line.x - p[j])
        demand = follower_equilibria(game, p, search.start).demand[0]
        now = check(search, Candidate(p.copy(), demand, False, False, 1))
        if now.gains.largest > tolerance and close(p, before, _NEAR):
            candidate = search.near(p)
            near = now if candidate is None else check(search, candidate)
            now = near if near.gains.largest < now.gains.largest else now
        if now.gains.largest < best.gains.largest:
            best = now
        if best.gains.largest <= tolerance or search.late():
            break
        move, ratio = p - before, 0.0
        if last.any():
            ratio = float((move @ last) / (last @ last))
        if 0.05 < ratio < 0.9 and np.abs(move - ratio * last).max() <= 0.3 * np.abs(move).max():
            # The moves shrink like a geometric series: go to its limit.
            p = np.clip(p + ratio / (1.0 - ratio) * move, *price_bounds(game))
            last, history = np.zeros_like(p), []
            continue
        last = move
        if any(close(p, other, 1e-3) for other in history):
            cycling, share, history = True, 0.5 * share, []
        history.append(p.copy())
    return Found(best.local, best.gains, cycling and best.gains.largest > tolerance)

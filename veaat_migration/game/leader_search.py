"""From local answers to a certified one: check every leader globally, restart from deviations."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf

import numpy as np

from veaat_migration.game.exploitability import LeaderGains, leader_gains
from veaat_migration.game.followers import Start
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.leader import best_price
from veaat_migration.game.price_search import local_equilibrium

_MAX_RESTARTS = 8
_MAX_TURNS = 12


@dataclass(frozen=True)
class Found:
    """The least exploitable prices met on one search."""

    gains: LeaderGains
    cycling: bool
    iterations: int


def find(
    instance: GameInstance,
    prices: FloatArray,
    tolerance: float,
    start: Start = "low",
    deadline: float = inf,
) -> Found:
    """Search for prices at which no leader gains more than ``tolerance`` (relative).

    A local equilibrium that fails the global check is left along its most profitable deviation.
    If that leads back to where it came from, leaders take turns with global best prices, with
    ever smaller steps. After ``deadline`` [s of time.perf_counter] the best so far is returned.
    """
    seen: list[FloatArray] = []
    best: LeaderGains | None = None
    iterations, p = 0, prices
    for _ in range(_MAX_RESTARTS):
        local = local_equilibrium(instance, p, start, deadline)
        iterations += local.iterations
        check = leader_gains(instance, local.prices, start)
        if best is None or check.largest < best.largest:
            best = check
        if check.largest <= tolerance or time.perf_counter() > deadline:
            return Found(best, False, iterations)
        if any(_close(local.prices, other) for other in seen):
            break
        seen.append(local.prices)
        j = int(np.argmax(check.relative))
        p = local.prices.copy()
        p[j] = check.best[j]
    assert best is not None
    found = _take_turns(instance, best, tolerance, start, deadline)
    return Found(found.gains, found.cycling, iterations + found.iterations)


def _close(a: FloatArray, b: FloatArray) -> bool:
    return bool(np.abs(a / b - 1.0).max() <= 1e-6)


def _take_turns(
    instance: GameInstance, best: LeaderGains, tolerance: float, start: Start, deadline: float
) -> Found:
    """Global best prices in turn; a revisited point halves the steps."""
    p, share, cycling = best.prices.copy(), 1.0, False
    history: list[FloatArray] = []
    for turn in range(1, _MAX_TURNS + 1):
        for j in range(instance.n_rsus):
            line = best_price(instance, p, j, start=start)
            if line.value > line.value_at(p[j]):
                p[j] += share * (line.x - p[j])
        check = leader_gains(instance, p.copy(), start)
        if check.largest < best.largest:
            best = check
        if best.largest <= tolerance:
            return Found(best, False, turn)
        if time.perf_counter() > deadline:
            return Found(best, cycling, turn)
        if any(np.abs(p / other - 1.0).max() <= 1e-3 for other in history):
            cycling, share, history = True, 0.5 * share, []
        history.append(p.copy())
    return Found(best, cycling, _MAX_TURNS)

"""Stackelberg equilibrium of leaders and followers, certified by its exploitability."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from veaat_migration.game.capacity import delivered_share
from veaat_migration.game.certainty import equilibrium_is_unique, uniqueness_index
from veaat_migration.game.exploitability import Exploitability, exploitability, leader_gains
from veaat_migration.game.followers import Start, follower_equilibria
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.leader_search import Found, check, close, improve
from veaat_migration.game.local_search import GENERAL_STARTS, Candidate, LocalSearch
from veaat_migration.game.matching import matching_probability
from veaat_migration.game.solution import Equilibrium, Solution, Status
from veaat_migration.game.stack import is_large
from veaat_migration.game.strained import StrainedReplies
from veaat_migration.game.utilities import follower_utilities, leader_utilities

__all__ = ["Equilibrium", "Solution", "Status", "solve"]

TOLERANCE = 1e-9
"""Largest relative gain of a certified answer without a delay constraint."""
TOLERANCE_WITH_DELAY = 1e-6
TOLERANCE_LARGE = 1e-6
"""For large games, solved and checked with approximations (V * R * R above two million)."""
TIME_LIMIT = 30.0
"""Default time for a search [s]; ordinary games need a thousandth of it."""
_GRACE = 0.5
_DISTINCT, _FAR = 1e-5, 1e-2
"""Relative differences from which prices count as others, and as more than their neighbours."""
_SMALL, _FEW, _EXTRA = 60, 3, 0.5
"""V * R up to which the general search looks for further equilibria, from how many points, and
about how long [s]."""


def solve(
    instance: GameInstance,
    *,
    certify: bool = True,
    tolerance: float | None = None,
    time_limit: float = TIME_LIMIT,
) -> Solution:
    """Find a Stackelberg equilibrium, check it, and look for others.

    Args:
        instance: the game.
        certify: search every leader's whole price interval and every AV's best response, and
            restart where someone gains; without it the answer is local and unchecked, but quick.
        tolerance: largest relative gain of a certified answer; None takes 1e-9, or 1e-6 with a
            delay constraint and for large games.
        time_limit: the search stops near this time [s] with the best prices seen; checking them
            may take half as long again. Games that strong couplings make rugged may need more.

    Returns:
        The solution; its status says what is certain.
    """
    began = time.perf_counter()
    deadline, give_up = began + time_limit, began + (1.0 + _GRACE) * time_limit
    if tolerance is None:
        tolerance = default_tolerance(instance)
    search = LocalSearch(instance, deadline, give_up)
    if not certify:
        return _solution(search, began, search.first())
    found, others = _find_all(search, tolerance)
    return _solution(search, began, found.local, found, others, tolerance)


def default_tolerance(instance: GameInstance) -> float:
    """Largest relative gain of a certified answer."""
    if instance.delay is not None:
        return TOLERANCE_WITH_DELAY
    return TOLERANCE_LARGE if is_large(instance) else TOLERANCE


def _find_all(search: LocalSearch, tolerance: float) -> tuple[Found, list[Found]]:
    """An equilibrium, or the least exploitable prices met, and further equilibria."""
    known: list[Found] = []
    starts = search.starts()
    _try(search, search.quick(starts), known, tolerance)
    if known and not _good(known, tolerance) and not search.late():
        known.append(improve(search, min(known, key=_largest), tolerance))
    for start in starts[:GENERAL_STARTS]:
        enough = search.stack is not None and _good(known, tolerance)
        if enough or (known and search.late()):
            break
        found = check(search, search.general(start))
        known.append(found if _good(known, tolerance) else improve(search, found, tolerance))
    best = min(known, key=lambda found: max(found.gains.largest, tolerance))
    if best.gains.largest <= tolerance:
        # A second peak of some payoff may belong to another equilibrium.
        _try(search, search.quick(_peaks(best)), known, tolerance)
        end = search.other_end(best.local)
        _try(search, [] if end is None else [end], known, tolerance)
        best = replace(best, isolated=end is not None)
        if search.instance.n_avs * search.instance.n_rsus <= _SMALL:
            _try(search, search.settle(_FEW, _EXTRA), known, tolerance)
    others: list[Found] = []
    for found in known:
        if found.gains.largest <= tolerance and not any(_same(found, f) for f in [best, *others]):
            others.append(found)
    return best, others


def _try(
    search: LocalSearch, candidates: Iterable[Candidate], known: list[Found], tolerance: float
) -> None:
    """Check candidates and add them to what is known."""
    for candidate in candidates:
        if known and search.late():
            return
        # One more point of a continuum says all that there is to say.
        enough = sum(found.gains.largest <= tolerance for found in known) > 1
        share = _FAR if enough else _DISTINCT
        if not any(close(candidate.prices, found.local.prices, share) for found in known):
            known.append(check(search, candidate))


def _largest(found: Found) -> float:
    return found.gains.largest


def _good(known: Iterable[Found], tolerance: float) -> bool:
    return any(found.gains.largest <= tolerance for found in known)


def _peaks(found: Found) -> FloatArray:
    """The prices of ``found`` with one leader at another local maximum of its payoff, [n, R]."""
    prices = found.local.prices
    starts = [
        np.where(np.arange(len(prices)) == j, peak, prices)
        for j, peaks in enumerate(found.gains.peaks)
        for peak in peaks
    ]
    return np.reshape(starts, (len(starts), len(prices)))


def _same(a: Found, b: Found) -> bool:
    return close(a.local.prices, b.local.prices, _DISTINCT)


def _equilibrium(
    instance: GameInstance,
    prices: FloatArray,
    demand: FloatArray,
    largest: float,
    start: Start = "low",
) -> Equilibrium:
    return Equilibrium(
        prices,
        demand,
        leader_utilities(instance, prices, demand),
        follower_utilities(instance, prices, demand),
        start,
        largest,
    )


def _solution(
    search: LocalSearch,
    began: float,
    local: Candidate,
    found: Found | None = None,
    others: Sequence[Found] = (),
    tolerance: float = 0.0,
) -> Solution:
    game, prices, demand = search.instance, local.prices, local.demand
    unique, index, gains = local.followers_unique, None, None
    further = [_equilibrium(game, f.local.prices, f.local.demand, f.gains.largest) for f in others]
    if found is not None:
        unique = unique or equilibrium_is_unique(game, prices)
        index = uniqueness_index(game, prices)
        gains = exploitability(game, prices, demand, leaders=found.gains)
        if not unique and not is_large(game):
            further += _with_other_demand(search, prices, demand, tolerance)
    theta = matching_probability(prices, game.quality)
    infeasible = _infeasible(game, theta)
    return Solution(
        instance=game,
        status=_status(gains, found, tolerance, infeasible, unique and not further)
        if found is not None or local.converged
        else Status.NOT_CONVERGED,
        prices=prices,
        demand=demand,
        delivered_share=delivered_share(game, theta, demand),
        matching=theta,
        leader_utilities=leader_utilities(game, prices, demand),
        follower_utilities=follower_utilities(game, prices, demand),
        exploitability=gains,
        uniqueness_index=index,
        followers_unique=unique,
        other_equilibria=tuple(further),
        infeasible_followers=infeasible,
        iterations=search.iterations,
        seconds=time.perf_counter() - began,
    )


def _infeasible(instance: GameInstance, theta: FloatArray) -> tuple[int, ...]:
    """AVs, numbered from 1, that miss their delay limit even with b_max."""
    if instance.delay is None:
        return ()
    feasible = StrainedReplies(instance, theta[None]).feasible[0]
    return tuple(int(i) + 1 for i in np.nonzero(~feasible)[0])


def _with_other_demand(
    search: LocalSearch, prices: FloatArray, demand: FloatArray, tolerance: float
) -> list[Equilibrium]:
    """The AVs' other equilibrium at these prices, and the leaders' equilibrium with it."""
    game = search.instance
    high = follower_equilibria(game, prices, "high").demand[0]
    if np.abs(high - demand).max() <= 1e-9 * game.bandwidth_max:
        return []
    gains = leader_gains(game, prices, "high", demand=high, give_up=search.give_up)
    others = [_equilibrium(game, prices, high, gains.largest, "high")]
    upper = LocalSearch(game, search.deadline, search.give_up, "high")
    candidate = upper.near(prices)
    assert candidate is not None
    found = check(upper, candidate)
    if found.gains.largest > tolerance:
        found = improve(upper, found, tolerance)
    if found.gains.largest <= tolerance and not close(found.local.prices, prices, _DISTINCT):
        local, largest = found.local, found.gains.largest
        others.append(_equilibrium(game, local.prices, local.demand, largest, "high"))
    return others


def _status(
    gains: Exploitability | None,
    found: Found | None,
    tolerance: float,
    infeasible: tuple[int, ...],
    alone: bool,
) -> Status:
    if gains is None or found is None:
        return Status.UNCHECKED
    if gains.largest > tolerance or not gains.leaders.complete:
        return Status.CYCLING if found.cycling else Status.NOT_CONVERGED
    if infeasible:
        return Status.INFEASIBLE_FOLLOWERS
    if alone and found.isolated and not any(rival is not None for rival in gains.leaders.rivals):
        return Status.CERTIFIED
    return Status.CERTIFIED_NOT_UNIQUE

"""AVs that answer one after the other with their exact global best responses.

In the additive game every such answer raises the exact potential (docs/model.md), so the
sequence cannot cycle; it is slow but safe, and is used where the fast path is in doubt.
"""

from __future__ import annotations

import numpy as np

from veaat_migration.game.instance import FloatArray
from veaat_migration.game.own_constraint import maximise_within
from veaat_migration.game.own_optimum import maximise
from veaat_migration.game.own_problem import OwnProblem, Vector
from veaat_migration.game.replies import PriceBatch

_FASTEST = 1e4


def own_problem(batch: PriceBatch, demand: FloatArray, av: int) -> tuple[OwnProblem, float]:
    """P1 of one AV at ``batch``'s first price vector, and its limit of the transmission delay.

    The limit is infinite without a delay constraint.
    """
    game, limit = batch.instance, np.inf
    weight = [0.0] * game.n_rsus
    if batch.strained is not None:
        weight = batch.strained.weight[av].tolist()
        limit = float(batch.strained.limit[0, av])
    problem = OwnProblem(
        satisfaction=float(game.satisfaction[av]),
        offset=float(game.offset[av]),
        upper=[game.bandwidth_max] * game.n_rsus,
        prices=batch.prices[0].tolist(),
        theta=batch.theta[0].tolist(),
        social=(game.social[av] @ demand).tolist(),
        service=game.service.tolist(),
        weight=weight,
        multiplicative=batch.multiplicative,
    )
    return problem, limit


def optimum(problem: OwnProblem, limit: float) -> tuple[Vector, float]:
    """The exact best response and the multiplier of the delay constraint."""
    if np.isinf(limit):
        return maximise(problem), 0.0
    bandwidth, multiplier, _ = maximise_within(problem, limit)
    return bandwidth, multiplier


def gain(batch: PriceBatch, demand: FloatArray, av: int) -> float:
    """What AV ``av`` could still gain by its exact best response [money], >= 0 up to rounding.

    An AV that cannot meet its delay constraint has no choice, hence nothing to gain.
    """
    if not batch.feasible[0, av]:
        return 0.0
    problem, limit = own_problem(batch, demand, av)
    best, _ = optimum(problem, limit)
    return problem.value(best) - problem.value(demand[av].tolist())


def improve(batch: PriceBatch, demand: FloatArray, av: int, multiplier: float) -> bool:
    """Whether AV ``av`` would gain noticeably by its exact best response.

    Args:
        batch: one price vector.
        demand: [i, j]
        av: index of the AV.
        multiplier: that goes with its demand; if the demand is the best answer to it, it is the
            constrained optimum too, and the search for the multiplier is saved.
    """
    if not batch.feasible[0, av]:
        return False
    problem, limit = own_problem(batch, demand, av)
    own = demand[av].tolist()
    noticeable = 1e-12 * float(batch.instance.satisfaction[av])
    best = maximise(problem, multiplier)
    if problem.value(best, multiplier) - problem.value(own, multiplier) <= noticeable:
        return False
    if multiplier == 0.0 and np.isinf(limit):
        return True
    return gain(batch, demand, av) > noticeable


def settle(
    batch: PriceBatch, demand: FloatArray, rounds: int
) -> tuple[FloatArray, FloatArray, bool]:
    """Sequential exact best responses from ``demand`` [i, j] until nothing moves, or for a while.

    Where two equilibria have just merged and vanished, responses creep past in one direction;
    as long as they keep it, they are carried further and further.

    Returns:
        Demand, multipliers [i], and whether it came to rest.
    """
    game = batch.instance
    b, multiplier = demand.copy(), np.zeros(game.n_avs)
    reach = game.bandwidth_max + float(np.abs(game.offset).max())
    floor = np.where(game.offset > 0.0, 0.0, -game.offset + 1e-9 * reach)[:, None]
    pace, heading = 0.0, np.zeros_like(b)
    for _ in range(rounds):
        before = b.copy()
        for i in range(game.n_avs):
            problem, limit = own_problem(batch, b, i)
            best, multiplier[i] = optimum(problem, limit)
            b[i] = best
        change = b - before
        if float(np.abs(change).max()) <= 1e-13 * reach:
            return b, multiplier, True
        along = float((change * heading).sum())
        straight = along > 0.9 * np.sqrt(float((change**2).sum()) * float((heading**2).sum()))
        pace = min(2.0 * pace + 1.0, _FASTEST) if straight else 0.0
        heading = change
        b = np.clip(b + pace * change, floor, game.bandwidth_max)
    return b, multiplier, False

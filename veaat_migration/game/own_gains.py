"""What AVs could gain by their exact best responses, for all AVs at once (P1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.game.instance import FloatArray
from veaat_migration.game.own_batch import OwnProblems
from veaat_migration.game.own_search import climb, maximise_all, surely_optimal
from veaat_migration.game.replies import PriceBatch
from veaat_migration.game.sequential import gain
from veaat_migration.game.spectral import compact

_ROUNDS = 80


def own_gains(batch: PriceBatch, demand: FloatArray) -> FloatArray:
    """Gain of every AV over its ``demand`` [i, j] at ``batch``'s first price vector, [i].

    Negative where the demand misses the delay constraint. AVs that cannot meet it have no
    choice, hence nothing to gain.
    """
    game = batch.instance
    gains = np.zeros(game.n_avs)
    avs = np.nonzero(batch.feasible[0])[0]
    if not avs.size:
        return gains
    social = np.asarray(compact(game.social) @ demand)
    own = OwnProblems.of(batch, social[None], (np.zeros_like(avs), avs))
    now = demand[avs]
    best, multiplier, settled = settle_alone(own, now)
    limited = np.isfinite(own.limit)
    held = multiplier if multiplier.any() else None
    rest = ~settled
    if (rest & ~limited).any():
        rows = rest & ~limited
        some = own.take(rows)
        low, high = (
            np.broadcast_to(some.lower, some.price.shape),
            np.full(some.price.shape, own.cap),
        )
        best[rows] = climb(some, low, high, None, best[rows])
        settled |= rows
    certain = surely_optimal(own, held) & settled
    gains[avs] = own.value(best) - own.value(now)
    open_rows = np.nonzero(~certain & ~limited)[0]
    if open_rows.size:
        some = own.take(open_rows)
        _, value, exact = maximise_all(some, None, best[open_rows])
        gains[avs[open_rows]] = value - some.value(now[open_rows])
        certain[open_rows] = exact
    for m in np.nonzero(~certain)[0]:
        gains[avs[m]] = gain(batch, demand, int(avs[m]))
    return gains


def settle_alone(
    own: OwnProblems, start: FloatArray
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """Replies to oneself, the other AVs held fixed, repeated until they answer themselves.

    Returns:
        Demand [m, j], multipliers [m], and which rows came to rest.
    """
    result, multiplier = start.copy(), np.zeros(len(own))
    settled = np.zeros(len(own), dtype=bool)
    scale = own.cap + float(np.abs(own.offset).max())
    todo: npt.NDArray[Any] = np.arange(len(own))
    b = start
    for _ in range(_ROUNDS):
        new, multipliers = own.replies(b, multiplier[todo])
        change = np.abs(new - b).max(axis=1)
        result[todo], multiplier[todo] = new, multipliers
        done = change <= 1e-14 * scale
        settled[todo[done]] = True
        if done.all():
            break
        if done.any():
            todo, own, new = todo[~done], own.take(~done), new[~done]
        b = new
    return result, multiplier, settled

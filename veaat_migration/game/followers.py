"""Nash equilibrium of all AVs at given prices (Stage II), for one or many price vectors.

Newton steps on b = G(b) (see :mod:`replies`) with plain replies as the safe alternative.
Where an AV's own problem might not be concave, its reply is checked against its exact global
best response, and a failed check hands the price vector to sequential exact best responses,
which climb the exact potential of the additive game.

Where several equilibria exist the one reached from b = 0 ("low") and the one reached from
b = b_max ("high") are the least and the greatest if all couplings are complementary.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from veaat_migration.game.ascent import uphill
from veaat_migration.game.certainty import surely_unique
from veaat_migration.game.instance import Externality, FloatArray, GameInstance
from veaat_migration.game.own_batch import OwnProblems
from veaat_migration.game.own_search import maximise_all, own_optimum_certain
from veaat_migration.game.replies import PriceBatch, Reply
from veaat_migration.game.sequential import improve, settle

Start = Literal["low", "high"]
BoolArray = npt.NDArray[np.bool_]
_MAX_STEPS, _POLISHING_STEPS = 200, 30
_STRAGGLING = 10
"""Steps after which Newton steps that lead uphill replace the others where those do not help."""
_RESPONSES = ((4, 1e-3), (8, 0.05), (16, 1.0), (32, 1.0), (64, 1.0), (280, 1.0))
"""Rounds of exact best responses before each try of Newton, and how far that may lead."""


@dataclass(frozen=True)
class FollowerEquilibria:
    """Nash equilibria of the AVs at n price vectors."""

    batch: PriceBatch = field(repr=False)
    demand: FloatArray
    """b_ij [MHz], [n, i, j]"""
    multiplier: FloatArray
    """lambda_i of the delay constraint, 0 where it does not bind, [n, i]"""
    converged: BoolArray
    """[n]"""

    @property
    def feasible(self) -> BoolArray:
        """Whether AV i can meet its delay constraint at all, [n, i]."""
        return self.batch.feasible

    def reply(self) -> Reply:
        """The reply map at the equilibrium, for derivatives and active sets."""
        return self.batch.reply(self.demand, self.multiplier)

    def sensitivity(self) -> FloatArray:
        """dB*/dp, [n, i, j, l]; see :meth:`PriceBatch.sensitivity`."""
        return self.batch.sensitivity(self.demand, self.reply())


def follower_equilibria(
    instance: GameInstance,
    prices: Any,
    start: Start = "low",
    *,
    thorough: bool = True,
    guess: FloatArray | None = None,
) -> FollowerEquilibria:
    """B*(p), the AVs' Nash equilibrium at each price vector.

    Args:
        instance: the game.
        prices: p [money/MHz], [R] or [n, R], > 0.
        start: where to start from; matters only where the equilibrium is not unique.
        thorough: check that every AV's answer is its global best response; without it an answer
            may be a local optimum where an AV's own problem is not concave.
        guess: demand [V, R] of an equilibrium at nearby prices, which saves time. A thorough
            search uses it only where it cannot lead to another equilibrium.
    """
    p = np.atleast_2d(np.asarray(prices, dtype=np.float64))
    batch = PriceBatch(instance, p)
    shape = (len(p), instance.n_avs, instance.n_rsus)
    demand = np.full(shape, instance.bandwidth_max if start == "high" else 0.0)
    demand = np.maximum(demand, _floor(instance))
    sweeps = 3
    if guess is not None:
        usable = surely_unique(batch) if thorough else np.ones(len(p), dtype=bool)
        demand[usable] = guess
        sweeps = 0 if usable.all() else sweeps
    demand, multiplier, converged = _solve(batch, demand, sweeps)
    doubtful = ~converged
    if thorough:
        doubtful |= ~_own_optima(batch, demand, multiplier)
    for n in np.nonzero(doubtful)[0]:
        demand[n], multiplier[n], converged[n] = _carefully(batch.take(np.array([n])), start)
    return FollowerEquilibria(batch, demand, multiplier, converged)


def _floor(instance: GameInstance) -> FloatArray:
    """Just above -E_i where that is not negative, so that utilities stay finite, [i, 1]."""
    e = instance.offset[:, None]
    return np.where(e > 0.0, 0.0, -e + 1e-9 * (instance.bandwidth_max + e))


def _scale(instance: GameInstance) -> float:
    return float(instance.bandwidth_max + np.abs(instance.offset).max())


def _own_optima(batch: PriceBatch, demand: FloatArray, multiplier: FloatArray) -> BoolArray:
    """Whether every AV's demand is surely its global best response, [n]."""
    certain = own_optimum_certain(batch, demand, multiplier)
    if certain.all():
        return np.ones(len(batch), dtype=bool)
    rows = np.nonzero(~certain)
    own = OwnProblems.of(batch, batch.instance.social @ demand, rows)
    now = demand[rows]
    held = multiplier[rows] if multiplier.any() else None
    enough = own.value(now, held) + 1e-12 * own.satisfaction[:, 0]
    _, value, exact = maximise_all(own, held, now, enough)
    # A better answer to the multiplier need not keep the delay constraint.
    doubtful = batch.feasible[rows] & ((value > enough) & np.isfinite(own.limit) | ~exact)
    better = batch.feasible[rows] & (value > enough) & ~doubtful
    for m in np.nonzero(doubtful)[0]:
        n, i = int(rows[0][m]), int(rows[1][m])
        if not better[rows[0] == n].any():
            one = batch.take(np.array([n]))
            better[m] = improve(one, demand[n], i, float(multiplier[n, i]))
    good: BoolArray = np.ones(len(batch), dtype=bool)
    good[rows[0][better]] = False
    return good


def _carefully(batch: PriceBatch, start: Start) -> tuple[FloatArray, FloatArray, bool]:
    """Sequential exact best responses at one price vector, then Newton for the last digits.

    Where responses creep, because two equilibria have just merged or are about to, Newton is
    tried from ever later points. What it finds counts if it is everyone's global best response.
    """
    instance = batch.instance
    first = np.full(
        (instance.n_avs, instance.n_rsus), instance.bandwidth_max if start == "high" else 0.0
    )
    demand = np.maximum(first, _floor(instance))
    multiplier, settled = np.zeros(instance.n_avs), False
    for rounds, reach in _RESPONSES:
        demand, multiplier, settled = settle(batch, demand, rounds)
        polished, multipliers, converged = _solve(batch, demand[None], 0, _POLISHING_STEPS)
        near = np.abs(polished[0] - demand).max() <= reach * _scale(instance)
        if converged[0] and near and _own_optima(batch, polished, multipliers)[0]:
            return polished[0], multipliers[0], True
        if settled:
            break
    return demand, multiplier, settled


def _solve(
    batch: PriceBatch, demand: FloatArray, sweeps: int, steps: int = _MAX_STEPS
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Fixed point of the reply map for every price vector, from ``demand``.

    The first ``sweeps`` of at most ``steps`` steps are plain replies, which find most of the bounds
    that hold.
    """
    scale, floor = _scale(batch.instance), _floor(batch.instance)
    result, multiplier = demand.copy(), np.zeros(demand.shape[:2])
    converged = np.zeros(len(batch), dtype=bool)
    todo, now, b = np.arange(len(batch)), batch, demand
    unique = surely_unique(batch)
    reply = now.reply(b)
    previous = np.full(len(batch), np.inf)
    pace, heading = np.ones(len(batch)), np.zeros_like(b)
    climbing = np.zeros(len(batch), dtype=bool)
    for step in range(steps):
        change = reply.demand - b
        error = np.abs(change).max(axis=(1, 2))
        result[todo], multiplier[todo] = reply.demand, reply.multiplier
        stalled = (error <= 1e-11 * scale) & (error >= 0.5 * previous)
        done = (error <= 2e-15 * scale) | stalled
        if done.any():
            converged[todo[done]] = True
            keep = ~done
            if not keep.any():
                break
            todo, b, error, change = todo[keep], b[keep], error[keep], change[keep]
            unique, pace, heading = unique[keep], pace[keep], heading[keep]
            climbing = climbing[keep]
            now, reply = batch.take(todo), reply.take(keep)
        previous = error
        if step < sweeps:
            b = reply.demand
            reply = now.reply(b, reply.multiplier)
            continue
        target, allowed, trusted = _newton(now, b, reply, scale, unique)
        pace, heading = _pace(pace, heading, change)
        plain = np.clip(b + 0.6 * pace[:, None, None] * change, floor, now.cap)
        if step >= sweeps + _STRAGGLING and not now.multiplicative:
            # Newton would lead back to the saddle that a straggler has just left.
            climbing |= ~allowed
            allowed &= ~climbing | trusted
        b_new = np.where(allowed[:, None, None], target, plain)
        if climbing.any():
            b_new[climbing] = uphill(now.take(climbing), b[climbing], reply.take(climbing), floor)
        reply_new = now.reply(b_new, reply.multiplier)
        worse = np.abs(reply_new.demand - b_new).max(axis=(1, 2)) > 0.9 * error
        worse &= allowed & ~trusted & (error > 1e-11 * scale)
        if worse.any():
            b_new = np.where(worse[:, None, None], plain, b_new)
            if step >= sweeps + _STRAGGLING and not now.multiplicative:
                climbing |= worse
                b_new[worse] = uphill(now.take(worse), b[worse], reply.take(worse), floor)
            reply_new = now.reply(b_new, reply.multiplier)
        b, reply = b_new, reply_new
    return result, multiplier, converged


def _pace(
    pace: FloatArray, heading: FloatArray, change: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Plain replies go twice as far each time they keep their direction, half as far if it turns.

    They creep where two equilibria have just merged and vanished, and they oscillate between
    substitutes; this helps both.
    """
    along = (heading * change).sum(axis=(1, 2))
    size = np.sqrt((heading**2).sum(axis=(1, 2)) * (change**2).sum(axis=(1, 2)))
    pace = np.where(along > 0.8 * size, 2.0 * pace, np.where(along < 0.0, 0.5, 1.0))
    return np.minimum(pace, 1e6), change


def _newton(
    batch: PriceBatch, demand: FloatArray, reply: Reply, scale: float, unique: BoolArray
) -> tuple[FloatArray, BoolArray, BoolArray]:
    """Newton's next point, within the bounds, where it may be used, and where it surely may.

    Where the equilibrium may not be unique, a step must not jump to another one; see
    :func:`_rising_steps`.
    """
    n, v, r = demand.shape
    matrix = batch.jacobian(demand, reply)
    direction = (reply.demand - demand).reshape(n, v * r)
    try:
        solved = np.linalg.solve(matrix, direction[..., None])[..., 0]
    except np.linalg.LinAlgError:
        return demand, np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    step = np.asarray(solved, dtype=np.float64)
    floor, cap = _floor(batch.instance), batch.cap
    allowed: BoolArray = np.isfinite(solved).all(axis=1)
    rising = np.zeros(n, dtype=bool)
    if not unique.all():
        slack = 1e-9 * scale
        rising = ~unique & (direction >= -slack).all(axis=1) & _convex(batch.instance)
        rising &= ~reply.multiplier.any(axis=1)
        falling = ~unique & ~rising & (direction <= slack).all(axis=1)
        allowed &= ~falling | (step <= direction + slack).all(axis=1)
        if rising.any():
            room = cap - demand[rising].reshape(-1, v * r)
            parts = matrix[rising], direction[rising], step[rising], room
            step[rising] = _rising_steps(*parts, 1e-13 * scale)
            allowed |= rising
    target = demand + step.reshape(demand.shape)
    return np.clip(target, floor, cap), allowed, rising


def _rising_steps(
    matrix: FloatArray,
    direction: FloatArray,
    step: FloatArray,
    room: FloatArray,
    rounding: float,
) -> FloatArray:
    """Long steps up, [n, k], that do not pass over the least equilibrium, for complements.

    Replies G are convex in the couplings, so while the spectral radius of G' is below one the
    Newton step cut off at the first bound stays below every equilibrium above. At one or more
    (the Newton step is then not positive) no equilibrium lies ahead before a bound is reached:
    go there along the dominant eigenvector of G'.
    """
    direction = np.maximum(direction, 0.0)
    least = -np.maximum(rounding, 1e-6 * np.abs(step).max(axis=1))
    beyond = ~np.isfinite(step).all(axis=1) | (step.min(axis=1) < least)
    if beyond.any():
        along = direction[beyond]
        power = np.eye(matrix.shape[-1]) - matrix[beyond]
        for _ in range(6):  # up to the 64th
            power = power @ power
            power = power / np.maximum(np.abs(power).max(axis=(1, 2), keepdims=True), 1e-300)
        vector = np.maximum(power @ along[..., None], 0.0)[..., 0]
        vector = vector / np.maximum(vector.max(axis=1, keepdims=True), 1e-300)
        # What the eigenvector leaves out rises a little, too.
        vector = vector + 1e-3 * along / np.maximum(along.max(axis=1, keepdims=True), 1e-300)
        step = step.copy()
        step[beyond] = vector * room[beyond].max(axis=1, keepdims=True)
    tight = (step > room) & (step > 0.0)
    share = np.where(tight, room / np.where(tight, step, 1.0), 1.0).min(axis=1, keepdims=True)
    longer: FloatArray = np.maximum(np.maximum(share, 0.0) * step, direction)
    return longer


def _convex(instance: GameInstance) -> bool:
    """Whether replies rise with, and are convex in, the other demands."""
    additive = instance.externality is Externality.ADDITIVE
    return additive and bool(instance.social.min() >= 0.0 and instance.service.min() >= 0.0)

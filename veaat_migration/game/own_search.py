"""Global optima of many own problems at once: :mod:`own_optimum` over arrays of boxes.

Contract all boxes, climb where the utility is concave, split the rest and drop what cannot be
better than the best point known; breadth first, so that numpy works on many boxes together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from veaat_migration.game.certainty import concave_everywhere
from veaat_migration.game.instance import FloatArray
from veaat_migration.game.own_batch import OwnProblems
from veaat_migration.game.replies import PriceBatch

BoolArray = npt.NDArray[np.bool_]
_TINY = 4e-15
_MAX_LEVELS = 200
_MAX_BOXES = 20_000
_NEWTON_SIZE = 32
_ROUNDS, _ROUNDS_PER_SPLIT = 60, 6


def contract(
    own: OwnProblems,
    low: FloatArray,
    high: FloatArray,
    multiplier: FloatArray | None,
    rounds: int = _ROUNDS,
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Shrink boxes around all points that answer themselves; bounds, and which are not empty."""
    full = np.ones(len(own), dtype=bool)
    for _ in range(rounds):
        a_low, a_high, x_low, x_high = own.coefficient_bounds(low, high)
        least = own.answer(a_low, x_high, multiplier)
        most = own.answer(a_high, x_low, multiplier)
        if own.multiplicative and multiplier is not None:
            least = np.where(a_low > 0.0, least, own.lower)
        slack = 1e-12 * (1.0 + most)  # rounding must not lose the optimum
        full &= ((least - slack <= high) & (most + slack >= low)).all(axis=1)
        new_low = np.maximum(low, np.minimum(least - slack, high))
        new_high = np.minimum(high, np.maximum(most + slack, new_low))
        width = high - low
        with np.errstate(divide="ignore", invalid="ignore"):
            shrunk = np.where(width > 0.0, 1.0 - (new_high - new_low) / width, 0.0)
        low, high = new_low, new_high
        if shrunk[full].max(initial=0.0) < 0.05:
            break
    return low, high, full


def is_concave(
    own: OwnProblems, low: FloatArray, high: FloatArray, multiplier: FloatArray | None
) -> BoolArray:
    """Whether each utility is surely strictly concave in its box, fixed demands left out, [m]."""
    fixed = high - low <= 1e-10 * (1.0 + high)
    a = own.coefficient_bounds(low, high)[0] if own.multiplicative else own.satisfaction
    curvature = a / np.maximum(high + own.offset, 1e-90) ** 2
    if multiplier is not None and multiplier.any():
        pull = 2.0 * multiplier[:, None] * own.weight
        curvature = curvature + pull / np.maximum(high, 1e-90) ** 3
    concave: BoolArray = ((curvature > 0.0) | fixed).all(axis=1)
    curvature = np.where(fixed | (curvature <= 0.0), 1.0, curvature)
    if own.multiplicative:
        near = own.satisfaction / np.maximum(low + own.offset, 1e-300)
        free_near, free = np.where(fixed, 0.0, near), np.where(fixed, 0.0, 1.0)
        sums = near * (free @ np.abs(own.service)) + own.linked(np.abs(own.links), free_near)
    else:
        sums = own.linked(np.abs(own.links), np.where(fixed, 0.0, 1.0))
    dominated = ((curvature > 1.001 * sums) | fixed).all(axis=1)
    doubtful = np.nonzero(concave & ~dominated)[0]
    concave &= dominated
    if doubtful.size:
        some = own.take(doubtful)
        links = some.links[some.group]
        if own.multiplicative:
            n = near[doubtful]
            links = n[:, :, None] * np.abs(own.service) + np.abs(links) * n[:, None, :]
        theta = np.sqrt(some.theta / curvature[doubtful]) * ~fixed[doubtful]
        # theta_j links_js is symmetric; scale the curvatures to one
        back = np.sqrt(1.0 / (some.theta * curvature[doubtful])) * ~fixed[doubtful]
        matrix = theta[:, :, None] * links * back[:, None, :]
        largest = np.linalg.eigvalsh(0.5 * (matrix + matrix.transpose(0, 2, 1)))[:, -1]
        concave[doubtful] = largest < 1.0 - 1e-9
    return concave


def climb(
    own: OwnProblems,
    low: FloatArray,
    high: FloatArray,
    multiplier: FloatArray | None,
    start: FloatArray,
) -> FloatArray:
    """Coordinate ascent from ``start`` inside the boxes, with Newton steps, [m, j]."""
    result = np.clip(start, low, high)
    todo, b, previous = np.arange(len(own)), result.copy(), np.full(len(own), np.inf)
    for sweep in range(400):
        change = np.zeros(len(own))
        for j in range(b.shape[1]):
            a, x = own.one_coefficient(j, b)
            new = own.answer(a[:, None], x[:, None], multiplier, j)[:, 0]
            new = np.clip(new, low[:, j], high[:, j])
            change = np.maximum(change, np.abs(new - b[:, j]) / (1.0 + new))
            b[:, j] = new
        result[todo] = b
        rest = (change > _TINY) & ~((change <= 1e-12) & (change >= previous))
        if not rest.any():
            break
        if not rest.all():
            todo, own, low, high, b = todo[rest], own.take(rest), low[rest], high[rest], b[rest]
            change, multiplier = change[rest], None if multiplier is None else multiplier[rest]
        previous = change
        if sweep >= 1 and (b.shape[1] <= _NEWTON_SIZE or sweep % 20 == 19):
            b = _newton(own, low, high, multiplier, b)
    return result


def _newton(
    own: OwnProblems,
    low: FloatArray,
    high: FloatArray,
    multiplier: FloatArray | None,
    b: FloatArray,
) -> FloatArray:
    """A Newton step on the demands strictly inside the box, where it leads uphill and stays in."""
    free = (b > low) & (b < high)
    a, x = own.coefficients(b)
    usable = np.maximum(b + own.offset, 1e-150)
    gradient, bend = a / usable - x, a / usable**2
    if multiplier is not None and multiplier.any():
        pull = multiplier[:, None] * own.weight
        safe = np.maximum(b, 1e-90)
        gradient, bend = gradient + pull / safe**2, bend + 2.0 * pull / safe**3
    matrix = own.links[own.group]
    if own.multiplicative:
        near = own.satisfaction / usable
        matrix = near[:, :, None] * own.service + matrix * near[:, None, :]
    matrix = np.where(free[:, :, None] & free[:, None, :], -matrix, 0.0)
    diagonal = np.arange(b.shape[1])
    matrix[:, diagonal, diagonal] = np.where(free, bend, 1.0)
    try:
        step = np.linalg.solve(matrix, np.where(free, gradient, 0.0)[..., None])[..., 0]
    except np.linalg.LinAlgError:
        return b
    new = b + step
    inside: BoolArray = np.asarray(((new > low) & (new < high) | ~free).all(axis=1))
    new = np.where(inside[:, None], new, b)
    # At a saddle Newton would lead downhill.
    better = own.value(new, multiplier) >= own.value(b, multiplier)
    return np.where(better[:, None], new, b)


def own_optimum_certain(batch: PriceBatch, demand: FloatArray, multiplier: FloatArray) -> BoolArray:
    """Whether a demand that answers itself is surely the AV's global best response, [n, i].

    The other AVs are held at ``demand`` [n, i, j]; ``multiplier`` [n, i] is that of the answer.
    """
    game, shape = batch.instance, demand.shape[:2]
    if not game.service.any() and not batch.multiplicative:
        return np.ones(shape, dtype=bool)
    certain = np.zeros(shape, dtype=bool) if batch.multiplicative else concave_everywhere(batch)
    if not certain.all():
        rows = np.nonzero(~certain)
        own = OwnProblems.of(batch, game.social @ demand, rows)
        held = multiplier[rows] if multiplier.any() else None
        certain[rows] = surely_optimal(own, held)
    return certain


def surely_optimal(own: OwnProblems, multiplier: FloatArray | None) -> BoolArray:
    """Whether any demand that answers itself is surely the global optimum, [m].

    With a binding delay constraint the multiplier is held: the global maximum of
    utility - multiplier * delay is the constrained optimum.
    """
    shape = own.price.shape
    low, high = np.broadcast_to(own.lower, shape), np.full(shape, own.cap)
    certain: BoolArray = np.asarray(is_concave(own, low, high, None))
    if certain.all():
        return certain
    rows = np.nonzero(~certain)[0]
    some = own.take(rows)
    held = None if multiplier is None else multiplier[rows]
    low, high, _ = contract(some, low[rows], high[rows], held)
    certain[rows] = is_concave(some, low, high, held)
    return certain


def maximise_all(
    own: OwnProblems,
    multiplier: FloatArray | None,
    starts: FloatArray,
    enough: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """The demand that maximises each utility - multiplier * delay over its whole box.

    Args:
        own: m problems.
        multiplier: [m], or None for zeros. Problems with a multiplier in which satisfaction may
            fall with demand (strong multiplicative substitutes) are not searched.
        starts: a good guess, [m, j].
        enough: only whether values above this can be reached is asked, [m]: the search of a
            problem ends when it knows.

    Returns:
        Demand [m, j], its value [m], and whether it is exact (boxes did not run out).
    """
    shape = own.price.shape
    bottom, top = np.broadcast_to(own.lower, shape), np.full(shape, own.cap)
    low, high, _ = contract(own, bottom, top, multiplier)
    best, record = starts.copy(), own.value(starts, multiplier)

    def consider(rows: npt.NDArray[np.int64], points: FloatArray) -> None:
        """Rows may repeat."""
        some, held = own.take(rows), None if multiplier is None else multiplier[rows]
        values = some.value(points, held)
        order = np.argsort(values, kind="stable")
        for k in order[values[order] > record[rows[order]]]:
            if values[k] > record[rows[k]]:
                record[rows[k]], best[rows[k]] = values[k], points[k]

    awkward = np.zeros(len(own), dtype=bool)
    if own.multiplicative and multiplier is not None:
        awkward = (multiplier > 0.0) & (own.coefficient_bounds(low, high)[0] <= 0.0).any(axis=1)
    everyone = np.arange(len(own))
    flat = is_concave(own, low, high, multiplier)
    rows = everyone if enough is None else everyone[flat]
    if rows.size:
        held = None if multiplier is None else multiplier[rows]
        consider(rows, climb(own.take(rows), low[rows], high[rows], held, starts[rows]))
    owner = everyone[~flat & ~awkward]
    low, high = low[owner], high[owner]
    if enough is None and owner.size:
        some, held = own.take(owner), None if multiplier is None else multiplier[owner]
        for share in (0.0, 0.5, 1.0):
            start = low + share * (high - low)
            consider(owner, climb(some, bottom[owner], top[owner], held, start))
    for _ in range(_MAX_LEVELS):
        if not owner.size or owner.size > _MAX_BOXES:
            break
        some, held = own.take(owner), None if multiplier is None else multiplier[owner]
        bound, blur = some.bound(low, high, held)
        goal = record[owner] + 1e-13 * np.abs(record[owner])
        if enough is not None:
            goal = np.where(record[owner] > enough[owner], np.inf, np.maximum(goal, enough[owner]))
        keep = bound > goal
        if not keep.any():
            owner = owner[:0]
            break
        owner, low, high, blur, some = (
            owner[keep],
            low[keep],
            high[keep],
            blur[keep],
            some.take(keep),
        )
        held = None if held is None else held[keep]
        flat = is_concave(some, low, high, held)
        if flat.any():
            rows, centre = owner[flat], 0.5 * (low + high)[flat]
            held = None if multiplier is None else multiplier[rows]
            found = climb(own.take(rows), low[flat], high[flat], held, centre)
            consider(rows, climb(own.take(rows), bottom[rows], top[rows], held, found))
            owner, low, high, blur = owner[~flat], low[~flat], high[~flat], blur[~flat]
        width = high - low
        column = np.where(width > 1e-13 * (1.0 + high), blur + 1e-9 * width, -1.0).argmax(axis=1)
        rows = np.arange(len(owner))
        middle = 0.5 * (low[rows, column] + high[rows, column])
        upper_low, lower_high = low.copy(), high.copy()
        upper_low[rows, column] = lower_high[rows, column] = middle
        owner = np.concatenate([owner, owner])
        low, high = np.concatenate([low, upper_low]), np.concatenate([lower_high, high])
        held = None if multiplier is None else multiplier[owner]
        low, high, full = contract(own.take(owner), low, high, held, _ROUNDS_PER_SPLIT)
        owner, low, high = owner[full], low[full], high[full]
    exact = ~awkward
    exact[owner] = False
    return best, record, exact

"""Global optimum of one AV's own problem (P1): contract, climb where concave, else branch.

Every optimum answers itself coordinate by coordinate: b_j is the best reply to the AV's other
demands. Applying the replies to intervals therefore shrinks a box without losing the optimum.
A box in which the utility is concave is solved by coordinate ascent with Newton steps; a box
that stays non-concave is split in two, and dropped when its upper bound is not better than
what is known. Boxes are limited to ``MAX_BOXES``; beyond it the best point found is returned
(seen only in constructed games with exactly degenerate optima).
"""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf

import numpy as np

from veaat_migration.game.own_problem import OwnProblem, Vector, safe_log

MAX_BOXES = 2000
_TINY = 1e-15


def maximise(problem: OwnProblem, multiplier: float = 0.0, start: Vector | None = None) -> Vector:
    """The b that maximises utility - ``multiplier`` * delay over the box (no constraint)."""
    if not problem.coupled:
        return [
            problem.answer(j, *problem.coefficients(j, problem.upper), multiplier)
            for j in range(problem.size)
        ]
    low, high = list(problem.lower), list(problem.upper)
    if not _dominant(problem, low, high, multiplier):
        contract(problem, low, high, multiplier)
        if not is_concave(problem, low, high, multiplier):
            return _branch(problem, low, high, multiplier)
    if start is None:
        start = high
    else:
        start = [min(max(b, lo), hi) for b, lo, hi in zip(start, low, high, strict=True)]
    return climb(problem, low, high, multiplier, start)


def contract(problem: OwnProblem, low: Vector, high: Vector, multiplier: float = 0.0) -> bool:
    """Shrink [low, high] in place around all points that answer themselves; False if empty."""
    for _ in range(60):
        shrunk = 0.0
        for j in range(problem.size):
            width = high[j] - low[j]
            if width <= 0.0:
                continue
            a_low, a_high, x_low, x_high = problem.coefficient_bounds(j, low, high)
            least = problem.answer(j, a_low, x_high, multiplier)
            most = problem.answer(j, a_high, x_low, multiplier)
            slack = 1e-12 * (1.0 + most)  # rounding must not lose the optimum
            if least - slack > high[j] or most + slack < low[j]:
                return False
            low[j] = max(low[j], min(least - slack, high[j]))
            high[j] = min(high[j], max(most + slack, low[j]))
            shrunk = max(shrunk, 1.0 - (high[j] - low[j]) / width)
        if shrunk < 0.05:
            break
    return True


def _dominant(problem: OwnProblem, low: Vector, high: Vector, multiplier: float) -> bool:
    """Whether own curvature outweighs the couplings row by row (enough for concavity)."""
    span = range(problem.size)
    for j in span:
        links = sum(problem.curvature(j, s, low) for s in span if s != j)
        if links and _own_curvature(problem, j, low, high, multiplier) <= 1.001 * links:
            return False
    return True


def _own_curvature(
    problem: OwnProblem, j: int, low: Vector, high: Vector, multiplier: float
) -> float:
    """Least -d2U/db_j^2 / theta_j over the box."""
    a = problem.satisfaction
    if problem.multiplicative:
        a = problem.coefficient_bounds(j, low, high)[0]
    usable = (high[j] if a > 0.0 else low[j]) + problem.offset
    curvature = a / (usable * usable) if usable > 0.0 else (-inf if a < 0.0 else inf)
    if multiplier and problem.weight[j]:
        curvature += 2.0 * multiplier * problem.weight[j] / high[j] ** 3
    return curvature


def is_concave(problem: OwnProblem, low: Vector, high: Vector, multiplier: float = 0.0) -> bool:
    """Whether the utility is surely strictly concave in the box, fixed demands left out."""
    free = [j for j in range(problem.size) if high[j] - low[j] > 1e-10 * (1.0 + high[j])]
    if len(free) < 2:
        return not problem.multiplicative or all(
            problem.coefficient_bounds(j, low, high)[0] > 0.0 for j in free
        )
    links = np.array(
        [[problem.curvature(j, s, low) if s != j else 0.0 for s in free] for j in free]
    )
    own = np.array([_own_curvature(problem, j, low, high, multiplier) for j in free])
    if not np.all(np.isfinite(own)) or own.min() <= 0.0:
        return False
    theta = np.array([problem.theta[j] for j in free])
    if problem.multiplicative:
        matrix = -theta[:, None] * links
    else:
        signs = np.sign([[problem.service[j][s] for s in free] for j in free])
        matrix = -theta[:, None] * links * signs
    np.fill_diagonal(matrix, theta * own)
    matrix /= np.sqrt(np.outer(matrix.diagonal(), matrix.diagonal()))
    smallest: float = np.linalg.eigvalsh(0.5 * (matrix + matrix.T))[0]
    return smallest > 1e-9


def climb(
    problem: OwnProblem, low: Vector, high: Vector, multiplier: float, start: Vector
) -> Vector:
    """Coordinate ascent from ``start`` inside the box, with Newton steps where it is slow."""
    b = list(start)
    span = range(problem.size)
    for sweep in range(1, 401):
        change = 0.0
        for j in span:
            a, x = problem.coefficients(j, b)
            new = min(max(problem.answer(j, a, x, multiplier), low[j]), high[j])
            change = max(change, abs(new - b[j]) / (1.0 + new))
            b[j] = new
        if change <= _TINY:
            break
        if sweep % 6 == 0 and change < 0.3:
            b = _newton(problem, low, high, multiplier, b)
    return b


def _newton(problem: OwnProblem, low: Vector, high: Vector, multiplier: float, b: Vector) -> Vector:
    """One Newton step on the demands strictly inside the box; unchanged if it leaves it."""
    free = [j for j in range(problem.size) if low[j] < b[j] < high[j]]
    if len(free) < 2:
        return b
    gradient, matrix = slopes(problem, b, multiplier)
    index = np.ix_(free, free)
    try:
        step = np.linalg.solve(matrix[index], -gradient[free])
    except np.linalg.LinAlgError:
        return b
    new = list(b)
    for j, value in zip(free, step.tolist(), strict=True):
        new[j] = b[j] + value
        if not low[j] < new[j] < high[j]:
            return b
    # At a saddle Newton would lead downhill.
    return new if problem.value(new, multiplier) >= problem.value(b, multiplier) else b


def slopes(
    problem: OwnProblem, b: Vector, multiplier: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and Hessian of (utility - multiplier * delay), row j divided by theta_j."""
    size, offset = problem.size, problem.offset
    gradient, matrix = np.zeros(size), np.zeros((size, size))
    for j in range(size):
        a, x = problem.coefficients(j, b)
        usable = b[j] + offset
        strain = multiplier * problem.weight[j]
        gradient[j] = a / usable - x + (strain / b[j] ** 2 if strain else 0.0)
        matrix[j, j] = -a / usable**2 - (2.0 * strain / b[j] ** 3 if strain else 0.0)
        if not problem.coupled:
            continue
        for s in range(size):
            if s == j or not problem.service[j][s]:
                continue
            if problem.multiplicative:
                own = problem.satisfaction * problem.service[j][s]
                matrix[j, s] = own / usable + problem.log_coupling[j][s] / (b[s] + offset)
            else:
                matrix[j, s] = problem.pair[j][s]
    return gradient, matrix


def _bound(problem: OwnProblem, low: Vector, high: Vector, multiplier: float) -> float:
    """An upper bound of the utility in the box, tight to second order in its width.

    A product is y z = c_y z + c_z y - c_y c_z + (y - c_y)(z - c_z) around the centres c, and the
    last part is at most the product of the half widths. What remains is separable.
    """
    span = range(problem.size)
    logs_low = [safe_log(b + problem.offset) for b in low]
    logs_high = [safe_log(b + problem.offset) for b in high]
    centre = [0.5 * (a + b) for a, b in zip(low, high, strict=True)]
    radius = [0.5 * (b - a) for a, b in zip(low, high, strict=True)]
    log_centre = [0.5 * (a + b) for a, b in zip(logs_low, logs_high, strict=True)]
    log_radius = [0.5 * (b - a) for a, b in zip(logs_low, logs_high, strict=True)]
    delta, total = problem.satisfaction, 0.0
    for j in span:
        a = delta * (1.0 + problem.social[j]) if problem.multiplicative else delta
        x, fixed = problem.price[j], 0.0
        for s in span:
            eta = problem.service[j][s]
            if not eta:
                continue
            if problem.multiplicative:
                a += delta * eta * centre[s]
                x -= problem.log_coupling[j][s] * log_centre[s]
                fixed -= delta * eta * centre[s] * log_centre[j]
                fixed += delta * abs(eta) * radius[s] * log_radius[j]
            else:
                pair = problem.pair[j][s]
                x -= pair * centre[s]
                fixed += 0.5 * (abs(pair) * radius[j] * radius[s] - pair * centre[j] * centre[s])
        strain = multiplier * problem.weight[j]
        peak = min(max(problem.answer(j, a, x, multiplier), low[j]), high[j])
        best = max(
            a * safe_log(b + problem.offset) - x * b - (strain / b if strain else 0.0)
            for b in ((peak,) if a > 0.0 else (peak, low[j], high[j]))
            if b > 0.0 or not strain
        )
        total += problem.theta[j] * (best + fixed)
    return total


def _branch(problem: OwnProblem, low: Vector, high: Vector, multiplier: float) -> Vector:
    """Best-first branch and bound over boxes, each contracted before it is judged."""
    corners = (low, high, [0.5 * (a + b) for a, b in zip(low, high, strict=True)])
    found = [climb(problem, problem.lower, problem.upper, multiplier, list(c)) for c in corners]
    best = max(found, key=lambda b: problem.value(b, multiplier))
    record = problem.value(best, multiplier)
    queue: list[tuple[float, int, Vector, Vector]] = []
    heappush(queue, (-inf, 0, low, high))
    for ticket in range(1, MAX_BOXES):
        if not queue:
            break
        bound, _, low, high = heappop(queue)
        if -bound <= record + 1e-13 * abs(record):
            break
        j = max(range(problem.size), key=lambda k: high[k] - low[k])
        middle = 0.5 * (low[j] + high[j])
        for side in (0, 1):
            new_low, new_high = list(low), list(high)
            (new_high if side == 0 else new_low)[j] = middle
            if not contract(problem, new_low, new_high, multiplier):
                continue
            if is_concave(problem, new_low, new_high, multiplier):
                centre = [0.5 * (a + b) for a, b in zip(new_low, new_high, strict=True)]
                point = climb(problem, new_low, new_high, multiplier, centre)
                point = climb(problem, problem.lower, problem.upper, multiplier, point)
                value = problem.value(point, multiplier)
                if value > record:
                    best, record = point, value
                continue
            bound = _bound(problem, new_low, new_high, multiplier)
            if bound > record + 1e-13 * abs(record):
                heappush(queue, (-bound, 2 * ticket + side, new_low, new_high))
    return best

"""Totals of large games (see :mod:`totals`), at the cost of a few sweeps over all demands."""

from __future__ import annotations

import numpy as np

from veaat_migration.game.arrays import Array, count, functions
from veaat_migration.game.kernel import Cases
from veaat_migration.game.totals import Totals, regime

_CG_STEPS = 100
_ACCURACY = 1e-16
"""Of the squared residual; what is left out weighs more."""


def approximate_totals(cases: Cases, demand: Array, margin: float = 0.0) -> Totals:
    """The same for large games, without solving for every RSU's price apart.

    The AVs' reactions to each other at one RSU are exact, those that pass through other RSUs
    (service coupling) are taken to second order. Slopes are thus wrong by third-order terms only;
    second derivatives, which merely steer Newton's steps, leave out more.
    """
    stack, xp = cases.stack, functions(demand)
    price = cases.prices[:, None, :]
    state = regime(cases, demand, margin)
    bent, free = state.bent, ~(state.capped | state.dropped)
    flexibility = bent * free
    linked = demand @ cases.link.swapaxes(1, 2)
    mirrored = cases.pair.swapaxes(1, 2)
    through = flexibility @ (cases.pair * mirrored).swapaxes(1, 2)
    detour = flexibility @ (cases.pair * cases.link.swapaxes(1, 2)).swapaxes(1, 2)
    force = price * (price - linked) + price * demand * detour
    ones = xp.ones_like(force)
    solved = _columns(cases, flexibility, through, xp.concatenate([force, ones], 2))
    r = demand.shape[2]
    response, adjoint = solved[..., :r], solved[..., r:]
    held = bent * ~free
    heard = stack.others_social(solved)
    own_pull = response + held * (force + heard[..., :r] + through * response)
    weight = adjoint + held * (1.0 + heard[..., r:] + through * adjoint)
    weight = weight / bent
    across = flexibility.swapaxes(1, 2)
    slope = cases.link * cases.prices[:, None, :] * (across @ demand)
    slope = slope + cases.pair * (across @ response)
    costly = (flexibility * stack.cost).swapaxes(1, 2)
    cost_slope = cases.link * cases.prices[:, None, :] * (costly @ demand)
    cost_slope = cost_slope + cases.pair * (costly @ response)
    rsus = count(demand, r)
    slope[:, rsus, rsus] = response.sum(1)
    cost_slope[:, rsus, rsus] = (stack.cost * response).sum(1)
    sharp = 2.0 * stack.satisfaction / (demand + stack.offset) ** 3
    curve = sharp * response * response + 2.0 * price * price * (linked - price)
    bend, cost_bend = xp.zeros_like(slope), xp.zeros_like(slope)
    bend[:, rsus, rsus] = (adjoint * curve).sum(1)
    cost_bend[:, rsus, rsus] = (stack.cost * adjoint * curve).sum(1)

    def kink_rows(kink: Array) -> Array:
        rows = count(kink, len(kink))[:, None]
        which = xp.clip(kink, 0, None)
        bought, moved = demand[rows, which], response[rows, which]
        sharpness = bent[rows, which, rsus[None]]
        result = cases.link * cases.prices[:, None, :] * bought + cases.pair * moved
        own = own_pull[rows, which, rsus[None]]
        result = result * (sharpness / xp.where(own > 0.0, own, 1.0))[..., None]
        result[:, rsus, rsus] = 1.0
        return result

    return Totals(
        quantity=demand.sum(1),
        cost=(stack.cost * demand).sum(1),
        quantity_slope=slope,
        cost_slope=cost_slope,
        quantity_bend=bend,
        cost_bend=cost_bend,
        predict=lambda change: change[:, None, :] * response,
        regime=state,
        kink_rows=kink_rows,
        own_pull=own_pull,
        weights=lambda: (weight, stack.cost * weight),
    )


def _columns(cases: Cases, flexibility: Array, through: Array, forces: Array) -> Array:
    """Find z of (1 / D - A) z = f + zeta z at every RSU apart, for forces [n, V, m R]."""
    xp, stack = functions(forces), cases.stack
    times = forces.shape[2] // flexibility.shape[2]
    room = 1.0 - flexibility * through
    h = xp.sqrt(flexibility / xp.where(room > 0.05, room, 0.05))
    h = xp.concatenate([h] * times, 2)
    residual = h * forces
    u = 0.0 * residual
    direction, size = residual, (residual * residual).sum(1)
    goal = _ACCURACY * size
    for _ in range(_CG_STEPS):
        if not bool((size > goal).any()):
            break
        image = direction - h * stack.others_social(h * direction)
        curvature = (direction * image).sum(1)
        pace = size / xp.where(curvature > 0.0, curvature, np.inf)
        u = u + pace[:, None, :] * direction
        residual = residual - pace[:, None, :] * image
        new = (residual * residual).sum(1)
        direction = residual + (new / xp.where(size > 0.0, size, 1.0))[:, None, :] * direction
        size = new
    return h * u

"""Total demand and cost at every RSU with their first and second derivatives by y = 1 / p.

Everything goes through the AVs' equilibrium B*(p): derivatives of B* are solutions of linear
equations (see :mod:`kernel`), those of its column sums come cheaper from the adjoint equations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from veaat_migration.game.arrays import Array, count, functions
from veaat_migration.game.kernel import Cases


@dataclass(frozen=True)
class Regime:
    """Who reacts to prices and who is held by a bound, [n, V, R] each."""

    root: Array
    """delta_i / x_ij - E_i, what AV i would buy without bounds"""
    bent: Array
    """D, also of AVs at a bound as if they were free"""
    capped: Array
    """Whether b_max holds AV i"""
    dropped: Array
    """Whether zero holds AV i"""


def regime(cases: Cases, demand: Array, margin: float) -> Regime:
    """The regime at an equilibrium; within ``margin`` of b_max an AV counts as held.

    With a negative margin it counts as free as long as it would not buy that much more.
    """
    stack = cases.stack
    x = functions(demand).maximum(cases.net_price(demand), 1e-3 * cases.saturated)
    usable = stack.satisfaction / x
    root = usable - stack.offset
    capped = root >= stack.cap * (1.0 - margin)
    return Regime(root, usable * usable / stack.satisfaction, capped, root <= 0.0)


@dataclass(frozen=True)
class Totals:
    """Demand Q_j = sum_i b_ij and cost K_j = sum_i c_ij b_ij with derivatives by y."""

    quantity: Array
    """[n, R]"""
    cost: Array
    quantity_slope: Array
    """dQ_j/dy_l, [n, j, l]"""
    cost_slope: Array
    quantity_bend: Array
    """d2Q_j/(dy_j dy_l), [n, j, l]"""
    cost_bend: Array
    predict: Callable[[Array], Array]
    """Change of demand [n, V, R] to first order when y changes [n, R]"""
    regime: Regime
    kink_rows: Callable[[Array], Array]
    """Derivatives of root_ij by y_l relative to that by y_j, [n, j, l], with i given by [n, R]"""
    own_pull: Array
    """d root_ij / dy_j, [n, V, R]"""
    weights: Callable[[], tuple[Array, Array]]
    """Change of Q_j and of K_j per unit of own demand of one AV, others reacting, [n, V, R]"""


def exact_totals(cases: Cases, demand: Array, margin: float = 0.0) -> Totals:
    """By one set of linear equations for dB/dy_l and one for their adjoints.

    Args:
        cases: n cases.
        demand: the AVs' equilibrium, [n, V, R].
        margin: where AVs count as held by b_max, see :func:`regime`.
    """
    stack, xp = cases.stack, functions(demand)
    r = demand.shape[2]
    state = regime(cases, demand, margin)
    bent, held = state.bent, state.capped | state.dropped
    flexibility, forces = bent * ~held, cases.forces(demand)
    # A sum w . db of (I - D K) db = D f is mu . f, with mu the (symmetric) adjoint of w.
    eye = (count(demand, r)[:, None] == count(demand, r))[:, None, :]
    ones = eye + 0.0 * demand[:, None]
    theta = cases.theta[:, None, None, :]
    right = [forces, ones / theta]
    if not stack.equal_costs:
        right.append(stack.cost[:, None] * ones / theta)
    right = xp.concatenate(right, 1)
    solved = cases.solve(flexibility, right)
    response = solved[:, :r]
    adjoints = theta * solved[:, r:]
    quantity_slope = response.sum(2).swapaxes(1, 2)
    quantity_bend = _bend(cases, demand, response, adjoints[:, :r])
    if stack.equal_costs:
        each = stack.cost[:, 0, :, None]
        cost_slope, cost_bend = each * quantity_slope, each * quantity_bend
    else:
        cost_slope = (response * stack.cost[:, None]).sum(2).swapaxes(1, 2)
        cost_bend = _bend(cases, demand, response, adjoints[:, r:])
    pull = response
    if bool(held.any()):
        # What AVs at a bound would do if they were free.
        changed = (bent * held)[:, None] * (right + cases.couple_each(solved))
        pull = response + changed[:, :r]
        adjoints = adjoints + theta * changed[:, r:]

    def weights() -> tuple[Array, Array]:
        quantity = own_columns(adjoints[:, :r]) / bent
        if stack.equal_costs:
            return quantity, stack.cost * quantity
        return quantity, own_columns(adjoints[:, r:]) / bent

    return Totals(
        quantity=demand.sum(1),
        cost=(stack.cost * demand).sum(1),
        quantity_slope=quantity_slope,
        cost_slope=cost_slope,
        quantity_bend=quantity_bend,
        cost_bend=cost_bend,
        predict=lambda change: (change[:, :, None, None] * response).sum(1),
        regime=state,
        kink_rows=lambda kink: _kink_rows(pull, kink),
        own_pull=own_columns(pull),
        weights=weights,
    )


def _bend(cases: Cases, demand: Array, response: Array, adjoint: Array) -> Array:
    """Second derivatives by y_j and y_l of the sum whose adjoint is ``adjoint``, [n, j, l].

    Differentiating the AVs' conditions delta / (b + E) = x twice gives linear equations for the
    second derivatives of B* with the same matrix; their right sides, weighted by the adjoint,
    are summed here: the curvature of the logarithm, and W_js = eta_js (1 + q_s y_s / (q_j y_j)).

    Args:
        cases: n cases.
        demand: [n, V, R].
        response: z_l = dB/dy_l, [n, l, V, R].
        adjoint: mu_j, [n, j, V, R].
    """
    stack = cases.stack
    n, r, v, _ = response.shape
    link, p = cases.link, cases.prices
    sharp = 2.0 * stack.satisfaction / (demand + stack.offset) ** 3
    flat = (n, r, v * r)
    bend = (sharp[:, None] * adjoint * response).reshape(flat) @ response.reshape(flat).swapaxes(
        1, 2
    )
    pushed = adjoint @ link[:, None]  # sum_s mu_is L_sl
    pulled = response @ link.swapaxes(1, 2)[:, None]  # sum_t L_lt z_it
    bend = bend + (response * pushed - adjoint * pulled).sum(2) * p[:, None, :]
    rsus = count(demand, r)
    # column j of what belongs to leader j: [n, j, V]
    own_pushed = pushed[:, rsus, :, rsus].swapaxes(0, 1)
    own_adjoint = adjoint[:, rsus, :, rsus].swapaxes(0, 1)
    columns = response.swapaxes(2, 3).swapaxes(1, 2)  # [n, j, l, V]: z_l in column j
    pulled_columns = pulled.swapaxes(2, 3).swapaxes(1, 2)
    bend = bend + p[..., None] * (
        (columns @ own_pushed[..., None])[..., 0]
        - (pulled_columns @ own_adjoint[..., None])[..., 0]
    )
    mixed = link * (own_adjoint @ demand)  # L_jl sum_i mu_ij b_il
    mixed = mixed + link.swapaxes(1, 2) * (adjoint * demand.swapaxes(1, 2)[..., None]).sum(2)
    mixed = -mixed * p[..., None] * p[:, None, :]
    linked = (demand @ link.swapaxes(1, 2)).swapaxes(1, 2)
    price = p[..., None]
    mixed[:, rsus, rsus] = (own_adjoint * 2.0 * price * price * (linked - price)).sum(-1)
    return bend + mixed


def own_columns(changes: Array) -> Array:
    """Entries [n, j, i, j] of changes [n, l, V, R], as [n, V, R]."""
    rsus = count(changes, changes.shape[1])
    columns = changes[:, rsus, :, rsus]  # [j, n, i]
    return columns.swapaxes(0, 1).swapaxes(1, 2)


def diagonal(matrix: Array) -> Array:
    """Entries [n, j, j] of a matrix [n, R, R], as [n, R]."""
    rsus = count(matrix, matrix.shape[-1])
    return matrix[:, rsus, rsus]


def _kink_rows(pull: Array, kink: Array) -> Array:
    """Change of the demand at each leader's kink by all y, relative to its own y, [n, j, l]."""
    xp = functions(pull)
    n, r = kink.shape
    rsus = count(pull, r)
    # [n, j, l]: pull_l at (kink_j, j)
    rows = pull[count(pull, n)[:, None], :, xp.clip(kink, 0, None), rsus[None]]
    own = rows[:, rsus, rsus]
    return rows / xp.where(own > 0.0, own, 1.0)[..., None]

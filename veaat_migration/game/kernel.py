"""The AVs' equilibrium and its derivatives for many cases at once (see :mod:`stack`).

With x_ij = p_j - sum_k zeta_ik b_kj - sum_s W_js b_is and W_js = eta_js (1 + theta_s / theta_j),
the equilibrium is the fixed point of b_ij = clip(delta_i / x_ij - E_i, 0, b_max) (Eq. 14 with the
term the paper drops). Its derivative D = (b + E)^2 / delta, zero where a bound holds, gives the
linear equations (I - D K) db = D f of Newton steps and of derivatives of B*, with K the couplings
and f a change of net marginal utility. Derivatives are by y = 1 / p, in which demand is nearly
linear.

Multiplied by theta_j / D the equations are symmetric. Large ones are solved by conjugate
gradients, which need a few products with the couplings and no matrix; small ones directly.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from veaat_migration.game import tiny
from veaat_migration.game.arrays import Array, count, functions, solve_equations, zeros
from veaat_migration.game.stack import GameStack

DIRECT = 40
"""Unknowns V * R up to which the linear equations are solved directly."""
_MAX_STEPS = 60
_SLOW = 0.2
"""Newton takes over where plain replies shrink the error by less than this."""
_FEW, _SLOW_OF_FEW = 16, 0.02
"""The same for a few small cases, where a Newton step costs little more than a reply."""
_CG_STEPS = 200
_NEWTON_ACCURACY = 1e-6


class Cases:
    """n cases: prices and what follows from them alone."""

    def __init__(self, stack: GameStack, prices: Array) -> None:
        """``prices``: [n, R], > 0."""
        self.stack = stack
        self.prices = prices
        value = stack.quality / prices
        self.theta = value / value.sum(-1)[:, None]
        # eta_js theta_s / theta_j, written so that extreme prices cannot overflow
        self.link = stack.service * (value[:, None, :] / value[:, :, None])
        self.pair = stack.service + self.link
        self.pair_t = self.pair.swapaxes(1, 2)
        self.saturated = stack.satisfaction / (stack.cap + stack.offset)

    def __len__(self) -> int:
        return len(self.prices)

    def take(self, index: Array) -> Cases:
        """The cases ``index`` (a mask or integers)."""
        return Cases(self.stack.take(index), self.prices[index])

    def net_price(self, demand: Array) -> Array:
        """x_ij, [n, V, R]."""
        return self.prices[:, None, :] - self.couple(demand)

    def couple(self, demand: Array) -> Array:
        """K b: marginal utility from couplings, [n, V, R]."""
        return self.stack.others_social(demand) + demand @ self.pair_t

    def echo(self, flexibility: Array) -> Array:
        """Share of a change of demand that comes back through the others' replies, [n, V, R].

        To second order in the couplings.
        """
        social = self.stack.social
        squared = replace(self.stack, social=social * social)
        links = (self.pair * self.pair_t).swapaxes(1, 2)
        return flexibility * (squared.others_social(flexibility) + flexibility @ links)

    def couple_each(self, changes: Array) -> Array:
        """K b for m changes of demand a case, [n, m, V, R]."""
        n, m, v, r = changes.shape
        social = self.stack.social
        if hasattr(social, "tocsr"):
            side = self.stack.others_social(changes.reshape(n * m, v, r)).reshape(n, m, v, r)
        else:
            side = social[:, None] @ changes
        return side + changes @ self.pair_t[:, None]

    def reply(self, demand: Array) -> Array:
        """Every demand's best answer to all others, [n, V, R]."""
        return self.answer(self.couple(demand))

    def answer(self, coupling: Array) -> Array:
        """The best demands at a marginal utility from couplings, [n, V, R]."""
        stack = self.stack
        xp = functions(coupling)
        x = self.prices[:, None, :] - coupling
        wanted = stack.satisfaction / xp.maximum(x, self.saturated) - stack.offset
        # Exactly b_max, not what rounding leaves of it: derivatives depend on who is held.
        return xp.where(x > self.saturated, wanted * (wanted > 0.0), stack.cap)

    def of_sign(self, sign: float) -> Cases:
        """The same cases with only the couplings of one sign, as positive numbers."""
        stack = self.stack
        social = stack.social * sign
        social = social.maximum(0) if hasattr(social, "tocsr") else social * (social > 0.0)
        service = sign * stack.service
        return Cases(replace(stack, social=social, service=service * (service > 0.0)), self.prices)

    def flexibility(self, demand: Array) -> Array:
        """D, [n, V, R]."""
        stack = self.stack
        usable = demand + stack.offset
        free = (demand > 0.0) & (demand < stack.cap)
        return usable * usable / stack.satisfaction * free

    def forces(self, demand: Array) -> Array:
        """-dx_ij/dy_l with y_l = 1 / p_l, [n, l, V, R]."""
        columns = demand.swapaxes(1, 2)
        forces = (
            columns[..., None] * (self.link.swapaxes(1, 2) * self.prices[..., None])[:, :, None]
        )
        linked = (demand @ self.link.swapaxes(1, 2)).swapaxes(1, 2)
        rsus = count(forces, forces.shape[1])
        price = self.prices[..., None]
        forces[:, rsus, :, rsus] = (price * (price - linked)).swapaxes(0, 1)
        return forces

    def force(self, demand: Array, rsu: Array) -> Array:
        """-dx_ij/dy_l for one l = ``rsu`` [n] of each case, [n, V, R]."""
        rows = count(demand, len(self))
        price = self.prices[rows, rsu][:, None]
        own = demand[rows, :, rsu]
        force = own[:, :, None] * (self.link[rows, :, rsu] * price)[:, None, :]
        linked = (demand * self.link[rows, rsu][:, None, :]).sum(-1)
        force[rows, :, rsu] = price * (price - linked)
        return force

    def response(self, demand: Array, rsu: Array) -> Array:
        """dB*/dy_l at an equilibrium, for one l = ``rsu`` [n] of each case, [n, V, R].

        Where an AV is just at a bound it is one of the one-sided values.
        """
        return self.solve(self.flexibility(demand), self.force(demand, rsu)[:, None])[:, 0]

    def solve(self, flexibility: Array, forces: Array, accuracy: float = 1e-14) -> Array:
        """Find db of (I - D K) db = D f for m forces a case, [n, m, V, R]; nan where none is."""
        n, m, v, r = forces.shape
        if v * r <= DIRECT:
            right = (flexibility[:, None] * forces).reshape(n, m, v * r).swapaxes(1, 2)
            solved = solve_equations(self._matrix(flexibility), right)
            return solved.swapaxes(1, 2).reshape(n, m, v, r)
        if m == 1:
            return self._conjugate_gradients(flexibility, forces[:, 0], accuracy)[:, None]
        rows = count(forces, n * m) // m
        each = self.take(rows)
        forces = forces.reshape(n * m, v, r)
        solved = each._conjugate_gradients(flexibility[rows], forces, accuracy)
        return solved.reshape(n, m, v, r)

    def _matrix(self, flexibility: Array) -> Array:
        """I - D K, [n, V R, V R]."""
        stack = self.stack
        n, v, r = flexibility.shape
        avs, rsus = count(flexibility, v), count(flexibility, r)
        matrix = zeros(flexibility, (n, v, r, v, r))
        matrix[:, :, rsus, :, rsus] = stack.social
        matrix[:, avs, :, avs, :] += self.pair
        matrix = (-flexibility[..., None, None] * matrix).reshape(n, v * r, v * r)
        diagonal = count(flexibility, v * r)
        matrix[:, diagonal, diagonal] += 1.0
        return matrix

    def _conjugate_gradients(self, flexibility: Array, force: Array, accuracy: float) -> Array:
        """The symmetric form: u = db sqrt(theta / D), u - h (K' (h u)) = h sqrt(theta) f."""
        xp = functions(force)
        root = xp.sqrt(self.theta)[:, None, :]
        ratio = root / root.swapaxes(1, 2)
        links = self.stack.service * (ratio + ratio.swapaxes(1, 2))
        h = xp.sqrt(flexibility)

        def product(u: Array) -> Array:
            side = h * u
            return u - h * (self.stack.others_social(side) + side @ links)

        residual = h * root * force
        u = xp.zeros_like(residual)
        direction = residual
        size = _dot(residual, residual)
        goal = accuracy * accuracy * size
        for _ in range(_CG_STEPS):
            open_ = size > goal
            if not bool(open_.any()):
                break
            image = product(direction)
            curvature = _dot(direction, image)
            # Not positive: the potential is not concave here and the step means nothing.
            pace = xp.where(open_, size / xp.where(curvature > 0.0, curvature, np.nan), 0.0)
            u = u + pace[:, None, None] * direction
            residual = residual - pace[:, None, None] * image
            new = _dot(residual, residual)
            new = xp.where(new == new, new, 0.0)
            share = xp.where(open_, new / xp.where(size > 0.0, size, 1.0), 0.0)
            direction = residual + share[:, None, None] * direction
            size = xp.where(open_, new, size)
        return h * u / root


def equilibria(cases: Cases, guess: Array, precision: float = 0.0) -> tuple[Array, Array]:
    """The fixed point of the replies that ``guess`` [n, V, R] leads to, and whether it was met.

    It is found to the last digits, or to a ``precision`` relative to b_max.

    Plain replies, and Newton steps where these are slow; a step that does not bring the demand
    closer to its replies is replaced by a plain one.
    """
    xp = functions(guess)
    stack = cases.stack
    if len(cases) == 1 and stack.n_avs * stack.n_rsus <= tiny.LARGEST and xp is np:
        demand = _settle_tiny(cases, guess, precision)
        if demand is not None:
            return demand, np.ones(1, dtype=bool)
    scale = (stack.cap + xp.amax(abs(stack.offset), 1)[:, None]).reshape(-1)
    now, b, reply = cases, guess, cases.reply(guess)
    error = _size(reply - b)
    scale = scale + 0.0 * error
    previous = xp.full_like(error, np.inf)
    result, converged, todo = reply, error < 0.0, None
    few = len(cases) <= _FEW and stack.n_avs * stack.n_rsus <= DIRECT
    patience = _SLOW_OF_FEW if few else _SLOW
    for _ in range(_MAX_STEPS):
        done = (error <= max(2e-15, precision) * scale) | (
            (error <= 1e-11 * scale) & (error >= 0.5 * previous)
        )
        if bool(done.any()):
            if bool(done.all()) and todo is None:
                return reply, done
            if todo is None:
                todo = count(guess, len(cases))
                result = reply + 0.0
            result[todo[done]], converged[todo[done]] = reply[done], True
            keep = ~done
            todo = todo[keep]
            if not len(todo):
                return result, converged
            now, b, reply = now.take(keep), b[keep], reply[keep]
            error, previous, scale = error[keep], previous[keep], scale[keep]
        slow = bool((error > patience * previous).any())
        previous = error
        if slow:
            b, reply, error = _newton(now, b, reply, error)
        else:
            b, reply = reply, now.reply(reply)
            error = _size(reply - b)
    if todo is None:
        return reply, converged
    result[todo] = reply
    return result, converged


def _settle_tiny(cases: Cases, guess: Array, precision: float) -> Array | None:
    """The equilibrium of one very small case; None where plain replies are slow."""
    stack, demand = cases.stack, guess[0].tolist()
    cap = float(stack.cap[0, 0, 0])
    settled = tiny.settle(
        prices=cases.prices[0].tolist(),
        pair=cases.pair[0].tolist(),
        social=stack.social[0].tolist(),
        satisfaction=stack.satisfaction[0, :, 0].tolist(),
        offset=stack.offset[0, :, 0].tolist(),
        cap=cap,
        demand=demand,
        precision=max(2e-15, precision) * cap,
    )
    return np.array([demand]) if settled else None


def _newton(cases: Cases, demand: Array, reply: Array, error: Array) -> tuple[Array, Array, Array]:
    """Newton's next demand where it helps, else the reply; with its reply and error."""
    xp = functions(demand)
    force = cases.couple(reply - demand)[:, None]
    further = cases.solve(cases.flexibility(reply), force, _NEWTON_ACCURACY)[:, 0]
    target = xp.minimum(xp.clip(reply + further, 0.0, None), cases.stack.cap)
    target = xp.where(target == target, target, reply)
    answer = cases.reply(target)
    new_error = _size(answer - target)
    worse = ~(new_error <= 0.9 * error)
    if bool(worse.any()):
        target = xp.where(worse[:, None, None], reply, target)
        answer = cases.reply(target)
        new_error = _size(answer - target)
    return target, answer, new_error


def _size(change: Array) -> Array:
    """Largest entry of each case, [n]."""
    n, v, r = change.shape
    return functions(change).amax(abs(change).reshape(n, v * r), -1)


def _dot(a: Array, b: Array) -> Array:
    return (a * b).reshape(len(a), -1).sum(-1)

"""Every AV's best replies to given couplings, for a batch of price vectors at once.

With the couplings held fixed an AV's problem falls apart into one concave problem per RSU
(see :mod:`own_problem` for the notation), tied together only by the delay constraint. The
reply map b -> G(b), couplings computed at b, has the followers' Nash equilibria as its fixed
points wherever the own problems are concave; its derivative gives Newton steps and dB*/dp.

Axes: n price vectors, i AVs, j RSUs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.game.capacity import expected_load
from veaat_migration.game.instance import Externality, FloatArray, GameInstance
from veaat_migration.game.matching import matching_probability
from veaat_migration.game.strained import StrainedReplies


@dataclass(frozen=True)
class Reply:
    """G(b) with what its derivative needs."""

    demand: FloatArray
    """[n, i, j]"""
    multiplier: FloatArray
    """lambda_i of the delay constraint, [n, i]"""
    flexibility: FloatArray
    """db_ij per unit of net marginal utility, 0 where a bound holds it, [n, i, j]"""
    pull: FloatArray | None
    """w_ij / b_ij^2 where the delay constraint of AV i binds, else 0, [n, i, j]; None: no delay"""

    def take(self, index: npt.NDArray[Any]) -> Reply:
        """The price vectors ``index`` (a mask or integers)."""
        pull = None if self.pull is None else self.pull[index]
        return Reply(self.demand[index], self.multiplier[index], self.flexibility[index], pull)


class PriceBatch:
    """The followers' game at n price vectors."""

    def __init__(self, instance: GameInstance, prices: FloatArray) -> None:
        """``prices``: [n, j], > 0."""
        self.instance = instance
        self.prices = prices
        self.theta = matching_probability(prices, instance.quality)
        self.multiplicative = instance.externality is Externality.MULTIPLICATIVE
        # theta_s / theta_j = q_s p_j / (q_j p_s), written so that extreme prices cannot overflow
        value = instance.quality / prices
        self.ratio = value[:, None, :] / value[:, :, None]
        self.link = instance.service * self.ratio
        """eta_js theta_s / theta_j, [n, j, s]"""
        self.pair = instance.service + self.link
        self.delta = instance.satisfaction[:, None]
        self.offset = instance.offset[:, None]
        self.cap = instance.bandwidth_max
        self.strained: StrainedReplies | None = None
        self.feasible = np.ones((len(prices), instance.n_avs), dtype=bool)
        if instance.delay is not None:
            self.strained = StrainedReplies(instance, self.theta)
            self.feasible = self.strained.feasible

    def __len__(self) -> int:
        return len(self.prices)

    def take(self, index: npt.NDArray[Any]) -> PriceBatch:
        """The price vectors ``index`` (a mask or integers)."""
        return PriceBatch(self.instance, self.prices[index])

    def coefficients(self, demand: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A and x of the replies at ``demand``, each [n, i, j] (A may be [i, 1])."""
        game = self.instance
        prices = self.prices[:, None, :]
        if not self.multiplicative:
            x = prices - game.social @ demand - demand @ self.pair.transpose(0, 2, 1)
            return self.delta, x
        scale = 1.0 + game.social @ demand + demand @ game.service
        logs = np.log(np.maximum(demand + self.offset, 1e-300))
        return self.delta * scale, prices - self.delta * (logs @ self.link.transpose(0, 2, 1))

    def reply(self, demand: FloatArray, multiplier: FloatArray | None = None) -> Reply:
        """G(demand); ``multiplier`` [n, i] is a guess that saves time under a delay limit."""
        a, x = self.coefficients(demand)
        saturated = a / (self.cap + self.offset)
        capped = x <= saturated
        root = a / np.maximum(x, saturated) - self.offset
        new = np.where(capped, self.cap, np.maximum(root, 0.0))
        usable = new + self.offset
        free = ~capped & (root > 0.0)
        if self.strained is None:
            flexibility = np.where(free, usable * usable / a, 0.0)
            return Reply(new, np.zeros(new.shape[:2]), flexibility, None)
        a = np.broadcast_to(a, x.shape)
        return Reply(*self.strained.tighten(a, x, new, free, multiplier))

    def margin(
        self, demand: FloatArray, multiplier: FloatArray, column: int, kind: int
    ) -> FloatArray:
        """How far a regime is from changing, [n]; zero at the kink, continuous through it.

        Args:
            demand: an equilibrium at each price vector, [n, i, j].
            multiplier: that goes with it, [n, i].
            column: of the signature (see `leader.Payoffs`): i * R + j for the bounds of b_ij,
                then i for the delay limits, if any, then j for the capacities, if any.
            kind: 1 for b_max, the delay limit or the capacity, -1 for the bound at zero.
        """
        a, x = self.coefficients(demand)
        a = np.broadcast_to(a, x.shape)
        v, r = demand.shape[1:]
        if column < v * r:
            i, j = divmod(column, r)
            offset = self.instance.offset[i]
            if kind < 0:
                return np.asarray(a[:, i, j] / offset - x[:, i, j])
            at_cap = a[:, i, j] / (self.cap + offset)
            if self.strained is not None:
                at_cap = at_cap + multiplier[:, i] * self.strained.weight[i, j] / self.cap**2
            return np.asarray(x[:, i, j] - at_cap)
        column -= v * r
        if self.strained is not None:
            if column < v:
                return self.strained.slack(a, x)[:, column]
            column -= v
        assert self.instance.capacity is not None
        load = expected_load(self.theta, demand)[:, column]
        return np.asarray(load / self.instance.capacity[column] - 1.0)

    def propagate(self, reply: Reply, force: FloatArray) -> FloatArray:
        """Change of the replies to a change of net marginal utility, ``force`` [n, i, j, ...].

        Where the delay constraint binds, demand moves only along it.
        """
        extra = (1,) * (force.ndim - 3)
        flexibility = reply.flexibility.reshape(reply.flexibility.shape + extra)
        moved: FloatArray = flexibility * force
        if reply.pull is not None:
            push = (self.theta[:, None, :] * reply.pull).reshape(flexibility.shape)
            along = self.tension(reply).reshape(flexibility.shape)
            moved = moved - along * (push * moved).sum(axis=2, keepdims=True)
        return moved

    def tension(self, reply: Reply) -> FloatArray:
        """Change of the replies per second that the (binding) delay has to shrink, [n, i, j]."""
        assert reply.pull is not None
        along = reply.flexibility * reply.pull
        total = (self.theta[:, None, :] * reply.pull * along).sum(axis=2, keepdims=True)
        along /= np.where(total > 0.0, total, 1.0)
        return along

    def couplings(self, demand: FloatArray, reply: Reply) -> FloatArray:
        """Change of net marginal utility of (i, j) per change of demand (k, s), [n,i,j,k,s]."""
        game = self.instance
        n, v, r = len(self), game.n_avs, game.n_rsus
        matrix = np.zeros((n, v, r, v, r))
        avs, rsus = np.arange(v), np.arange(r)
        if self.multiplicative:
            usable = np.maximum(reply.demand + self.offset, 1e-300)
            gain = self.delta / usable
            before = self.delta / np.maximum(demand + self.offset, 1e-300)
            matrix[:, :, rsus, :, rsus] = gain.transpose(2, 0, 1)[..., None] * game.social
            matrix[:, avs, :, avs, :] = (
                gain[..., None] * game.service + before[:, :, None, :] * self.link[:, None]
            ).transpose(1, 0, 2, 3)
        else:
            matrix[:, :, rsus, :, rsus] = game.social
            matrix[:, avs, :, avs, :] = self.pair
        return matrix

    def jacobian(self, demand: FloatArray, reply: Reply) -> FloatArray:
        """I - dG/db as matrices, [n, i*j, k*s]."""
        n, size = len(self), demand.shape[1] * demand.shape[2]
        moved = self.propagate(reply, self.couplings(demand, reply))
        matrix = -moved.reshape(n, size, size)
        diagonal = np.arange(size)
        matrix[:, diagonal, diagonal] += 1.0
        return matrix

    def sensitivity(self, demand: FloatArray, reply: Reply | None = None) -> FloatArray:
        """dB*/dp at a Nash equilibrium by implicit differentiation, [n, i, j, l].

        Valid where no AV is just at a bound; at such a kink it is one of the one-sided values.
        """
        if reply is None:
            reply = self.reply(demand)
        game, r = self.instance, self.instance.n_rsus
        source = demand
        if self.multiplicative:
            source = self.delta * np.log(np.maximum(demand + self.offset, 1e-300))
        # through x: the price itself and theta_s / theta_j in the service coupling
        linked = source[:, :, None, :] * self.link[:, None]  # [n, i, j, s]
        force = -linked / self.prices[:, None, None, :]
        own = linked.sum(axis=3) / self.prices[:, None, :] - 1.0
        rsus = np.arange(r)
        force[:, :, rsus, rsus] += own
        moved = self.propagate(reply, force)
        if self.strained is not None:
            delay = self.strained.delays(demand)
            mean = (self.theta[:, None, :] * delay).sum(axis=2, keepdims=True)
            # d theta_j / dp_l = theta_j (theta_l - [j = l]) / p_l
            excess = (self.theta / self.prices)[:, None, :] * (mean - delay)
            moved = moved + self.tension(reply)[..., None] * excess[:, :, None, :]
        size = game.n_avs * r
        right = moved.reshape(len(self), size, r)
        solved = np.linalg.solve(self.jacobian(demand, reply), right)
        return np.asarray(solved, dtype=np.float64).reshape(len(self), game.n_avs, r, r)

"""What can be proven about the AVs' equilibrium: whether it is the only one.

The proofs rest on intervals. Replies move monotonically with the net marginal utilities, so
interval bounds on demand give interval bounds on replies; repeated, they close in on every point
that answers itself. Inside the box that remains, couplings that are small against the curvature of
the logarithm make the utilities (or the potential) strictly concave.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.replies import PriceBatch
from veaat_migration.game.spectral import SMALL, compact, radius, radius_bounds

BoolArray = npt.NDArray[np.bool_]
_ROUNDS, _ROUNDS_BETWEEN_PROOFS = 60, 6


def _each(zeta: Any, demand: FloatArray) -> FloatArray:
    """Zeta @ demand[n] for every n; scipy's sparse matrices know two axes only."""
    if isinstance(zeta, np.ndarray):
        product: FloatArray = zeta @ demand if zeta.any() else np.zeros_like(demand)
        return product
    return np.stack([zeta @ one for one in demand])


class Box:
    """Bounds [n, i, j] on demand, with the bounds they imply for the reply coefficients."""

    def __init__(self, batch: PriceBatch) -> None:
        """The whole box, [0, b_max]."""
        game = batch.instance
        shape = (len(batch), game.n_avs, game.n_rsus)
        self.batch = batch
        self.low = np.zeros(shape)
        self.high = np.full(shape, batch.cap)
        self.parts = [
            (
                compact(np.maximum(sign * game.social, 0.0)),
                np.maximum(sign * game.service, 0.0),
                np.maximum(sign * (batch.link if batch.multiplicative else batch.pair), 0.0),
            )
            for sign in (1.0, -1.0)
        ]

    def coefficients(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """A_low, A_high, x_low, x_high, each [n, i, j]."""
        least, most = self._bonus(self.low, self.high), self._bonus(self.high, self.low)
        batch, prices = self.batch, self.batch.prices[:, None, :]
        if not batch.multiplicative:
            a = np.broadcast_to(batch.delta, self.low.shape)
            return a, a, prices - most, prices - least
        links = [self._linked(self.low, self.high), self._linked(self.high, self.low)]
        delta = batch.delta
        return (
            delta * (1.0 + least),
            delta * (1.0 + most),
            prices - delta * links[1],
            prices - delta * links[0],
        )

    def _bonus(self, favourable: FloatArray, adverse: FloatArray) -> FloatArray:
        """Sum of couplings with positive ones taken at ``favourable``, negative at ``adverse``."""
        (zeta, eta, pair), (zeta_minus, eta_minus, pair_minus) = self.parts
        total = _each(zeta, favourable) - _each(zeta_minus, adverse)
        if self.batch.multiplicative:
            bonus: FloatArray = total + favourable @ eta - adverse @ eta_minus
        else:
            bonus = total + favourable @ pair.transpose(0, 2, 1)
            bonus = bonus - adverse @ pair_minus.transpose(0, 2, 1)
        return bonus

    def _linked(self, favourable: FloatArray, adverse: FloatArray) -> FloatArray:
        (_, _, link), (_, _, link_minus) = self.parts
        logs = [np.log(np.maximum(b + self.batch.offset, 1e-300)) for b in (favourable, adverse)]
        linked: FloatArray = logs[0] @ link.transpose(0, 2, 1)
        against: FloatArray = logs[1] @ link_minus.transpose(0, 2, 1)
        return linked - against

    def contract(self, tight: BoolArray, rounds: int = _ROUNDS) -> bool:
        """Shrink the box around all points that answer themselves; False if it shrinks no more.

        Upper bounds may fall only where the delay constraint cannot bind.

        Args:
            tight: where it may, [n, i].
            rounds: at most so many.
        """
        for _ in range(rounds):
            a_low, a_high, x_low, x_high = self.coefficients()
            low = np.maximum(self.low, self._answer(a_low, x_high) * (1.0 - 1e-12))
            high = self._answer(a_high, x_low) * (1.0 + 1e-12) + 1e-300
            high = np.minimum(self.high, np.where(tight[..., None], self.high, high))
            low = np.minimum(low, high)
            change = np.abs(low - self.low).max() + np.abs(high - self.high).max()
            self.low, self.high = low, high
            if change <= 1e-3 * (high - low).max() + 1e-14 * self.batch.cap:
                return False
        return True

    def _answer(self, a: FloatArray, x: FloatArray) -> FloatArray:
        batch = self.batch
        a = np.maximum(a, 1e-12 * batch.delta)
        saturated = a / (batch.cap + batch.offset)
        safe = np.maximum(np.maximum(x, saturated), 1e-300)
        answer = np.where(x <= saturated, batch.cap, a / safe - batch.offset)
        return np.clip(answer, 0.0, batch.cap)

    def curvature(self) -> FloatArray:
        """Least own curvature -d2U_i/db_ij^2 / theta_j in the box, [n, i, j]."""
        batch = self.batch
        a = self.coefficients()[0] if batch.multiplicative else batch.delta
        curvature: FloatArray = a / np.maximum(self.high + batch.offset, 1e-90) ** 2
        return curvature


def concave_everywhere(batch: PriceBatch) -> BoolArray:
    """Whether own problems are strictly concave on all of [0, b_max] (additive), [n, i]."""
    flexibility = _flexibility(batch)
    bound = np.abs(batch.pair).sum(axis=2).max(axis=1)
    if not (flexibility.max() * bound < 0.999).all():
        root = np.sqrt(batch.theta)
        signed = batch.pair * root[:, :, None] / root[:, None, :]
        bound = np.minimum(bound, np.linalg.eigvalsh(signed)[:, -1])
    concave: BoolArray = flexibility * bound[:, None] < 0.999
    return concave


def surely_unique(batch: PriceBatch) -> BoolArray:
    """A quick test of uniqueness by row sums over the whole box, [n]; False proves nothing."""
    if batch.multiplicative:
        return np.zeros(len(batch), dtype=bool)
    service = np.abs(batch.pair).sum(axis=2).max(axis=1)
    social = np.abs(batch.instance.social).sum(axis=1)
    unique: BoolArray = (_flexibility(batch) * (social + service[:, None])).max(axis=1) < 0.999
    return unique


def _flexibility(batch: PriceBatch) -> FloatArray:
    """Greatest db_ij per unit of net marginal utility in [0, b_max] (additive), [i]."""
    game = batch.instance
    greatest: FloatArray = (batch.cap + game.offset) ** 2 / game.satisfaction
    return greatest


def uniqueness_index(instance: GameInstance, prices: FloatArray) -> float:
    """Spectral radius of D (zeta (x) I + I (x) W) over the whole box [0, b_max]; see docs/model.md.

    Below one, the AVs' equilibrium at these prices is unique. Infinite where the multiplicative
    externality can make satisfaction fall with bandwidth. Never below the true value by more than
    rounding; accurate to seven digits unless the couplings have nearly separate clusters.
    """
    batch = PriceBatch(instance, np.atleast_2d(prices))
    if batch.multiplicative:
        return _index(Box(batch))
    return _whole_index(batch, None)


def equilibrium_is_unique(instance: GameInstance, prices: FloatArray) -> bool:
    """Whether the AVs' equilibrium at these prices is proven to be the only one.

    The index is taken over the box in which equilibria can lie, not over the whole of it.
    """
    batch = PriceBatch(instance, np.atleast_2d(prices))
    if surely_unique(batch)[0]:
        return True
    if not batch.multiplicative and _whole_index(batch, 1.0) < 1.0:
        return True
    box = Box(batch)
    if batch.multiplicative and _index(box, 1.0) < 1.0:
        return True
    strained = batch.strained
    tight = np.zeros(box.low.shape[:2], dtype=bool)
    if strained is not None:
        # First the lower bounds alone: they may show that the constraint cannot bind.
        box.contract(~tight)
        slowest = (batch.theta[:, None, :] * strained.delays(box.low)).sum(axis=2)
        tight = slowest > instance.delay.max_delay if instance.delay is not None else tight
    for _ in range(_ROUNDS // _ROUNDS_BETWEEN_PROOFS):
        shrinks = box.contract(tight, _ROUNDS_BETWEEN_PROOFS)
        if (box.high - box.low).max() <= 1e-9 * batch.cap or _index(box, 1.0) < 1.0:
            return True
        if not shrinks:
            break
    return False


def _whole_index(batch: PriceBatch, threshold: float | None) -> float:
    """The index over the whole box for additive couplings, at one price vector.

    Flexibility then is the same for all RSUs, f_i = (b_max + E_i)^2 / delta_i, so the dominant
    eigenvector is a product u_i v_j: v belongs to W alone, u to f (zeta + lambda_max(W)).
    """
    game, theta = batch.instance, batch.theta[0]
    root = np.sqrt(theta)
    # W made symmetric by the similarity diag(theta)^1/2
    service = radius(np.abs(game.service) * (theta[:, None] + theta) / (root[:, None] * root))
    flexibility = _flexibility(batch)
    if game.n_avs <= SMALL:
        root = np.sqrt(flexibility)
        matrix = np.abs(game.social) * root[:, None] * root
        return radius(matrix + np.diag(service * flexibility))
    zeta = compact(np.abs(game.social))
    return radius_bounds(lambda u: zeta @ u + service * u, flexibility, threshold=threshold)[1]


def _index(box: Box, threshold: float | None = None) -> float:
    """Largest ratio of couplings to curvature in the box, an upper bound."""
    curvature = box.curvature()[0]
    if not np.all(curvature > 0.0):
        return float("inf")
    batch = box.batch
    theta, own = batch.theta[0], batch.theta[0] * curvature
    fixed = (box.high - box.low)[0] <= 1e-12 * batch.cap
    flexibility = np.where(fixed, 0.0, 1.0 / own)
    zeta, eta = compact(np.abs(batch.instance.social)), np.abs(batch.instance.service)
    if not batch.multiplicative:
        pair = theta[:, None] * np.abs(batch.pair[0])
        return radius_bounds(
            lambda x: theta * (zeta @ x) + x @ pair, flexibility, threshold=threshold
        )[1]
    near = theta * batch.delta / np.maximum(box.low[0] + batch.offset, 1e-300)

    def coupling(x: FloatArray) -> FloatArray:
        # The symmetric part of the social terms; the service terms are symmetric already.
        social = 0.5 * (near * (zeta @ x) + zeta @ (near * x))
        pushed: FloatArray = social + near * (x @ eta) + (near * x) @ eta
        return pushed

    return radius_bounds(coupling, flexibility, threshold=threshold)[1]

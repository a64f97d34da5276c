"""The game of one moment: AVs that ask now, and the RSUs that each of them can reach.

The game of docs/model.md with one change: AV i hears only the RSUs on its way, so its matching
probabilities (Eq. 1), theta_ij = (q_j / p_j) / sum over its own RSUs, are its own. An RSU asks one
price of all AVs in its reach and so couples their games; where all AVs reach the same RSUs the game
is :class:`veaat_migration.game.instance.GameInstance`, and a test compares the equilibria.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from veaat_migration.game.instance import FloatArray

BoolArray = npt.NDArray[np.bool_]
_CHUNK = 3_000_000
"""Entries of [n, V, R] arrays handled at once."""
_REPLIES = 200
_NONE = 1e-300


@dataclass(frozen=True)
class Market:
    """V AVs and R RSUs; every AV reaches one RSU at least, every RSU is reached by one AV.

    For learning, arrays may have a leading axis of games that are filled up to one size: AVs that
    reach nobody and RSUs that nobody reaches then stand for players that are not there.
    """

    satisfaction: FloatArray
    """delta_i [money], shape [V]"""
    offset: FloatArray
    """E_i [MHz], shape [V]"""
    quality: FloatArray
    """q_j [-], shape [R]"""
    cost: FloatArray
    """c_j [money/MHz], shape [R]"""
    reach: BoolArray
    """Which AV hears which RSU, shape [V, R]"""
    price_max: float
    bandwidth_max: float
    social: float | FloatArray = 0.0
    """zeta of each pair of AVs [money/MHz^2]"""
    service: float = 0.0
    """eta of each pair of RSUs [money/MHz^2]"""
    capacity: FloatArray | None = None
    """Bandwidth that RSU j has left to sell [MHz], > 0, may be infinite, shape [R]; None: no limit.
    AVs are rationed as in :mod:`veaat_migration.game.capacity`."""

    @property
    def n_avs(self) -> int:
        """V."""
        return len(self.satisfaction)

    @property
    def n_rsus(self) -> int:
        """R."""
        return len(self.quality)

    @property
    def price_min(self) -> FloatArray:
        """Lowest prices worth asking; a price must be positive, [R]."""
        return np.maximum(self.cost, 1e-4 * self.price_max)

    def theta(self, prices: FloatArray) -> FloatArray:
        """theta_ij, 0 out of reach; of prices [..., R] shape [..., V, R]."""
        attraction = np.where(self.reach, (self.quality / prices)[..., None, :], 0.0)
        total = attraction.sum(axis=-1, keepdims=True)
        return np.asarray(attraction / np.where(total > 0.0, total, 1.0))

    def couplings(self, theta: FloatArray, demand: FloatArray) -> FloatArray:
        """X_ij, what couplings add to the worth of a further MHz; shape of ``demand``."""
        added = np.zeros_like(demand)
        if np.any(self.social):
            added += self.social * (demand.sum(axis=-2, keepdims=True) - demand)
        if self.service:
            weighted = theta * demand
            others = demand.sum(axis=-1, keepdims=True) - demand
            moved = weighted.sum(axis=-1, keepdims=True) - weighted
            added += self.service * (others + moved / np.where(self.reach, theta, 1.0))
        return added

    def demand(
        self, prices: FloatArray, *, accuracy: float = 1e-11, guess: FloatArray | None = None
    ) -> FloatArray:
        """B*(p), the AVs' equilibrium by plain replies.

        Args:
            prices: [n, R]
            accuracy: last change of a reply, relative to b_max.
            guess: demand to start from [V, R]; None: nothing.

        Returns:
            Shape [n, V, R].
        """
        size = max(1, _CHUNK // (self.n_avs * self.n_rsus))
        parts = [
            self._demand(prices[k : k + size], accuracy, guess) for k in range(0, len(prices), size)
        ]
        return np.concatenate(parts)

    def _demand(self, prices: FloatArray, accuracy: float, guess: FloatArray | None) -> FloatArray:
        theta, p = self.theta(prices), prices[:, None, :]
        delta, offset = self.satisfaction[:, None], self.offset[:, None]
        coupled = bool(np.any(self.social)) or self.service != 0.0
        # Just above -E_i where that is positive, so that the logarithm stays finite.
        floor = np.where(offset > 0.0, 0.0, -offset + 1e-9 * self.bandwidth_max)
        demand = np.zeros((len(prices), self.n_avs, self.n_rsus))
        if guess is not None:
            demand += guess
        for _ in range(_REPLIES):
            net = p - self.couplings(theta, demand) if coupled else p
            wanted = np.where(net > 0.0, delta / np.maximum(net, _NONE) - offset, np.inf)
            reply = np.where(self.reach, np.clip(wanted, floor, self.bandwidth_max), 0.0)
            change = float(np.abs(reply - demand).max(initial=0.0))
            demand = reply
            if not coupled or change <= accuracy * self.bandwidth_max:
                break
        return demand

    def profits(self, prices: FloatArray, demand: FloatArray) -> FloatArray:
        """U_j = sum_i theta_ij b_ij (p_j - c_j) (Eq. 10) of what is delivered, shape [..., R]."""
        sold = (self.theta(prices) * demand).sum(axis=-2)
        if self.capacity is not None:
            sold = np.minimum(sold, self.capacity)
        return np.asarray(sold * (prices - self.cost))

    def parts(self, prices: FloatArray, demand: FloatArray) -> FloatArray:
        """Each RSU's part of U_i (Eq. 9) [money], 0 out of reach, -inf below -E_i; [V, R]."""
        worth = self.worth(prices, demand)
        return np.where(self.reach, self.theta(prices) * np.where(self.reach, worth, 0.0), 0.0)

    def worth(self, prices: FloatArray, demand: FloatArray) -> FloatArray:
        """What AV i would have of RSU j if it moved there (the brackets of Eq. 9) [money]."""
        usable = demand + self.offset[..., None]
        works = usable > 0.0
        satisfied = self.satisfaction[..., None] * np.log(np.where(works, usable, 1.0))
        others = self.social * (demand.sum(axis=-2, keepdims=True) - demand)
        others += self.service * (demand.sum(axis=-1, keepdims=True) - demand)
        return np.where(works, satisfied + (others - prices[..., None, :]) * demand, -np.inf)

    def take(self, avs: npt.NDArray[np.intp]) -> tuple[Market, npt.NDArray[np.intp]]:
        """The market of some AVs only, and the indices of the RSUs in it."""
        rsus = np.flatnonzero(self.reach[avs].any(axis=0))
        part = Market(
            self.satisfaction[avs],
            self.offset[avs],
            self.quality[rsus],
            self.cost[rsus],
            self.reach[np.ix_(avs, rsus)],
            self.price_max,
            self.bandwidth_max,
            self.social,
            self.service,
            None if self.capacity is None else self.capacity[rsus],
        )
        return part, rsus

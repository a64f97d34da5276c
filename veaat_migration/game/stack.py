"""Additive games of one shape side by side, as arrays with a leading axis of cases.

A case is one game at one price vector. The fast solver works on many cases at once: one game at
many prices (certificates, several starts) or many games (:mod:`batch`). Arrays that all cases
share keep a leading axis of length one and broadcast.

Arrays are numpy's, or torch tensors on any device; the few functions used are common to both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from veaat_migration.game.arrays import Array
from veaat_migration.game.instance import Externality, GameInstance

_LARGE = 2_000_000
"""V * R * R from which a game is large."""
_SPARSE_FROM = 40_000
"""Entries from which a mostly empty coupling matrix is worth keeping sparse."""
_SPARSE_SHARE = 0.1


@dataclass(frozen=True)
class GameStack:
    """g games of V AVs and R RSUs without delay constraint; g is 1 or the number of cases."""

    satisfaction: Array
    """delta_i, [g, V, 1]"""
    offset: Array
    """E_i, [g, V, 1]"""
    quality: Array
    """q_j, [g, R]"""
    cost: Array
    """c_ij, [g, V, R]"""
    social: Array
    """zeta_ik, [g, V, V]; a scipy.sparse matrix [V, V] where g is 1 and most entries are zero"""
    service: Array
    """eta_js, [g, R, R]"""
    price_low: Array
    """[g, R]"""
    price_high: Array
    """p_max, [g, R]"""
    cap: Array
    """b_max, [g, 1, 1]"""
    capacity: Array | None
    """C_j, [g, R]"""
    equal_costs: bool
    """Whether every RSU serves all AVs at the same unit cost"""

    @property
    def n_avs(self) -> int:
        """Number of AVs, V."""
        return int(self.cost.shape[1])

    @property
    def n_rsus(self) -> int:
        """Number of RSUs, R."""
        return int(self.cost.shape[2])

    @property
    def large(self) -> bool:
        """Whether effects of third order in the couplings are left out to save time."""
        return _size(self.n_avs, self.n_rsus) > _LARGE

    @property
    def shared(self) -> bool:
        """Whether all cases play the same game."""
        return int(self.cost.shape[0]) == 1

    def take(self, index: Array) -> GameStack:
        """The cases ``index`` (a mask or integers)."""
        if self.shared:
            return self
        arrays = {
            item.name: getattr(self, item.name)[index]
            for item in fields(self)
            if not isinstance(getattr(self, item.name), bool | None)
        }
        return replace(self, **arrays)

    def others_social(self, demand: Array) -> Array:
        """sum_k zeta_ik b_kj, [n, V, R]."""
        if not hasattr(self.social, "tocsr"):
            return self.social @ demand
        if len(demand) == 1:
            return (self.social @ demand[0])[None]
        n, v, r = demand.shape
        side = np.ascontiguousarray(demand.transpose(1, 0, 2)).reshape(v, n * r)
        return (self.social @ side).reshape(v, n, r).transpose(1, 0, 2)


def _size(n_avs: int, n_rsus: int) -> int:
    """The size of all derivatives of demand by all prices."""
    return n_avs * n_rsus**2


def is_large(instance: GameInstance) -> bool:
    """Whether a game is solved by the approximations for large games."""
    return covers(instance) and _size(instance.n_avs, instance.n_rsus) > _LARGE


def covers(instance: GameInstance) -> bool:
    """Whether a game can be stacked: additive couplings and no delay constraint."""
    return instance.delay is None and instance.externality is Externality.ADDITIVE


def stack_games(instances: Sequence[GameInstance]) -> GameStack:
    """Stack games of one shape.

    Raises:
        ValueError: they differ in shape, or one has a delay constraint, a multiplicative
            externality, or a capacity while another has none.
    """
    from veaat_migration.game.leader import price_bounds

    if not instances:
        raise ValueError("no games to stack")
    if not all(covers(instance) for instance in instances):
        raise ValueError("only games with additive couplings and without delay can be stacked")
    if len({(game.n_avs, game.n_rsus, game.capacity is None) for game in instances}) > 1:
        raise ValueError(
            "all games of a stack need the same V, R, and either all a capacity or none"
        )

    def gather(name: str) -> Array:
        return np.stack([getattr(instance, name) for instance in instances])

    bounds = [price_bounds(instance) for instance in instances]
    social = _sparse(instances[0].social) if len(instances) == 1 else gather("social")
    return GameStack(
        satisfaction=gather("satisfaction")[:, :, None],
        offset=gather("offset")[:, :, None],
        quality=gather("quality"),
        cost=gather("cost"),
        social=social,
        service=gather("service"),
        price_low=np.stack([low for low, _ in bounds]),
        price_high=np.stack([high for _, high in bounds]),
        cap=gather("bandwidth_max")[:, None, None],
        capacity=None if instances[0].capacity is None else gather("capacity"),
        equal_costs=all(bool((game.cost == game.cost[0]).all()) for game in instances),
    )


def _sparse(matrix: Array) -> Array:
    """[1, V, V], or the scipy.sparse form of a large matrix with few entries."""
    if matrix.size < _SPARSE_FROM:
        return matrix[None]
    from scipy.sparse import csr_array

    if np.count_nonzero(matrix) > _SPARSE_SHARE * matrix.size:
        return matrix[None]
    return csr_array(matrix)

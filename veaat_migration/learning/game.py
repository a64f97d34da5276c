"""The game's utilities on tensors: the batched twin of :mod:`veaat_migration.game.utilities`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from veaat_migration.game.delay import expected_delay, migration_delay
from veaat_migration.game.instance import Externality, GameInstance

MOST_LATE = 10.0
"""A missed deadline costs at most that of being late by so many times T_i^max: rewards stay finite
where an AV buys nothing from an RSU or a link fades away."""
USABLE_MARGIN = 1e-3
"""An AV with E_i < 0 works only with more than -E_i: its interval begins so much above [MHz]."""
_TINY_PRICE = 1e-30
"""Stands for a price of zero: such RSUs share the whole probability by quality (Eq. 1)."""


@dataclass(frozen=True)
class Circumstances:
    """What may change from round to round; None: as the instance says."""

    satisfaction: Tensor | None = None
    """delta_i [money], shape [..., V]."""
    data: Tensor | None = None
    """D_i [Mbit], shape [..., V]."""
    spectral_efficiency: Tensor | None = None
    """s_ij [bit/s/Hz], shape [..., V, R]."""
    base_delay: Tensor | None = None
    """T0_ij [s], shape [..., V, R]."""

    def __getitem__(self, index: slice) -> Circumstances:
        """Those of some rounds: of the first axis."""
        values = (getattr(self, part.name) for part in fields(self))
        return Circumstances(*(None if value is None else value[index] for value in values))


AS_GIVEN = Circumstances()


class BatchedGame:
    """What every player of many games earns at once. A test compares it with ``game``."""

    def __init__(
        self,
        instance: GameInstance,
        *,
        delay_penalty: float = 0.0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Put the game's numbers on a device.

        Args:
            instance: the game.
            delay_penalty: cost of a missed deadline [money/s], see :meth:`rewards`.
            device: where to compute.
            dtype: precision.
        """
        if not 0.0 <= delay_penalty < float("inf"):
            raise ValueError(f"delay_penalty: must be finite and >= 0, got {delay_penalty!r}")
        self.instance = instance
        self.delay_penalty = delay_penalty if instance.delay is not None else 0.0
        self.device = torch.device(device)
        self.dtype = dtype
        self.satisfaction = self._tensor(instance.satisfaction)[:, None]
        self.offset = self._tensor(instance.offset)[:, None]
        self.quality = self._tensor(instance.quality)
        self.cost = self._tensor(instance.cost)
        self.social = self._tensor(instance.social)
        self.service = self._tensor(instance.service)
        self.capacity = None if instance.capacity is None else self._tensor(instance.capacity)
        self._common_cost = bool((instance.cost == instance.cost[0]).all())
        self._needs_help = bool((instance.offset <= 0.0).any())
        self._may_be_free = bool((instance.price_min <= 0.0).any())
        if instance.delay is not None:
            self.data = self._tensor(instance.delay.data)
            self.spectral_efficiency = self._tensor(instance.delay.spectral_efficiency)
            self.base_delay = self._tensor(instance.delay.base_delay)
            self.max_delay = self._tensor(instance.delay.max_delay)

    def _tensor(self, values: Any) -> Tensor:
        return torch.as_tensor(values.copy(), dtype=self.dtype, device=self.device)

    def matching(self, prices: Tensor) -> Tensor:
        """theta_j (Eq. 1), shape [..., R] like the prices."""
        if self._may_be_free:
            prices = prices.clamp_min(_TINY_PRICE)
        weight = self.quality / prices
        return weight / weight.sum(-1, keepdim=True)

    def utilities(
        self, prices: Tensor, demand: Tensor, now: Circumstances = AS_GIVEN
    ) -> tuple[Tensor, Tensor]:
        """U^L of Eq. (10) and U^F of Eq. (9).

        Args:
            prices: p_j [money/MHz], shape [..., R].
            demand: b_ij [MHz], shape [..., V, R].
            now: what dynamics change.

        Returns:
            Profits of the RSUs [money], shape [..., R], and utilities of the AVs [money],
            shape [..., V]; -inf for an AV that gets no more than -E_i, with which it cannot work.
        """
        theta = self.matching(prices)
        b = demand
        if self.capacity is not None:
            load = theta * b.sum(-2)
            b = b * (self.capacity / torch.maximum(load, self.capacity)).unsqueeze(-2)
        if self._common_cost:
            profit = (prices - self.cost[0]) * b.sum(-2)
        else:
            profit = ((prices.unsqueeze(-2) - self.cost) * b).sum(-2)
        coupling = self.social @ b + b @ self.service
        return theta * profit, self._utility(prices, b, coupling, theta, now)

    def _utility(
        self, prices: Tensor, b: Tensor, coupling: Tensor, theta: Tensor, now: Circumstances
    ) -> Tensor:
        """Eq. (9) of the AVs' own demand and what the couplings add per MHz."""
        delta = self.satisfaction if now.satisfaction is None else now.satisfaction.unsqueeze(-1)
        usable = b + self.offset
        payment = prices.unsqueeze(-2) * b
        logarithm = self._logarithm(usable)
        if self.instance.externality is Externality.MULTIPLICATIVE:
            value = delta * (1.0 + coupling) * logarithm - payment
        else:
            value = torch.addcmul(coupling * b - payment, delta, logarithm)
        if self._needs_help:
            value = torch.where(usable > 0.0, value, -torch.inf)
        return (value @ theta.unsqueeze(-1)).squeeze(-1)

    def _logarithm(self, usable: Tensor) -> Tensor:
        if self._needs_help:
            usable = torch.where(usable > 0.0, usable, 1.0)
        return usable.log()

    def lateness(self, prices: Tensor, demand: Tensor, now: Circumstances = AS_GIVEN) -> Tensor:
        """max(0, sum_j theta_j T_ij - T_i^max) [s] (Eq. 11), shape [..., V].

        T_ij belongs to the demand b_ij, as in the followers' problem P1, also where an RSU
        delivers less. At most :data:`MOST_LATE` T_i^max, however little is bought.

        Raises:
            ValueError: the game has no delay constraint.
        """
        if self.instance.delay is None:
            raise ValueError("the game has no delay constraint, so nothing can be late")
        efficiency, base = now.spectral_efficiency, now.base_delay
        delay = migration_delay(
            self.data if now.data is None else now.data,
            demand,
            self.spectral_efficiency if efficiency is None else efficiency,
            self.base_delay if base is None else base,
        )
        excess: Tensor = expected_delay(self.matching(prices), delay) - self.max_delay
        return torch.minimum(excess.clamp_min(0.0), MOST_LATE * self.max_delay)

    def rewards(
        self, prices: Tensor, demand: Tensor, now: Circumstances = AS_GIVEN
    ) -> tuple[Tensor, Tensor]:
        """What agents learn from: utilities, less what missed deadlines cost, always finite.

        The delay constraint of P1 (Eq. 11) does not enter Eqs. (9) and (10), so that by themselves
        utilities teach nobody to keep it. An AV loses ``delay_penalty`` times its
        :meth:`lateness`. That is an exact penalty: once it exceeds the constraint's multiplier,
        the best answer is that of P1. An AV that rationing leaves with no more than -E_i earns
        delta_i ln(:data:`USABLE_MARGIN`).

        Arguments, units and shapes as in :meth:`utilities`.
        """
        profits, utilities = self.utilities(prices, demand, now)
        return profits, self._learned_from(utilities, prices, demand, now)

    def own_rewards(
        self, prices: Tensor, demand: Tensor, own: Tensor, now: Circumstances = AS_GIVEN
    ) -> Tensor:
        """What each AV would learn from if it alone asked for ``own``, the others for ``demand``.

        Couplings have no diagonal, so all AVs' cases take one evaluation; where capacity is short,
        each case has its own rationing.

        Args:
            prices: p_j [money/MHz], shape [..., R].
            demand: b_ij [MHz], shape [..., V, R].
            own: what each AV might ask for instead [MHz], shape [..., V, R].
            now: what dynamics change.

        Returns:
            Rewards as :meth:`rewards` gives them [money], shape [..., V].
        """
        theta = self.matching(prices)
        social, delivered = self.social @ demand, own
        if self.capacity is not None:
            everybody = demand.sum(-2, keepdim=True) - demand + own
            load = theta.unsqueeze(-2) * everybody
            share = self.capacity / torch.maximum(load, self.capacity)
            social, delivered = social * share, own * share
        coupling = social + delivered @ self.service
        return self._learned_from(
            self._utility(prices, delivered, coupling, theta, now), prices, own, now
        )

    def _learned_from(
        self, utilities: Tensor, prices: Tensor, demand: Tensor, now: Circumstances
    ) -> Tensor:
        """Rewards of AVs with these utilities, see :meth:`rewards`."""
        if self._needs_help and self.capacity is not None:
            worst = self.satisfaction[:, 0] * torch.log(self.offset.new_tensor(USABLE_MARGIN))
            utilities = torch.where(utilities.isneginf(), worst, utilities)
        if self.delay_penalty > 0.0:
            utilities = utilities - self.delay_penalty * self.lateness(prices, demand, now)
        return utilities

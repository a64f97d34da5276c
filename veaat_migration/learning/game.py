"""The game's utilities on tensors: the batched twin of :mod:`veaat_migration.game.utilities`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from veaat_migration.game.instance import Externality, GameInstance


class BatchedGame:
    """What every player of many games earns at once. A test compares it with ``game``."""

    def __init__(
        self,
        instance: GameInstance,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.instance = instance
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

    def _tensor(self, values: Any) -> Tensor:
        return torch.as_tensor(values.copy(), dtype=self.dtype, device=self.device)

    def matching(self, prices: Tensor) -> Tensor:
        """theta_j (Eq. 1), shape [..., R] like the prices."""
        weight = self.quality / prices
        return weight / weight.sum(-1, keepdim=True)

    def utilities(self, prices: Tensor, demand: Tensor) -> tuple[Tensor, Tensor]:
        """U^L of Eq. (10) and U^F of Eq. (9).

        Args:
            prices: p_j [money/MHz], shape [..., R].
            demand: b_ij [MHz], shape [..., V, R].

        Returns:
            Profits of the RSUs [money], shape [..., R], and utilities of the AVs [money],
            shape [..., V]; -inf for an AV that gets no more than -E_i, with which it cannot work.
        """
        theta = self.matching(prices)
        b = demand
        if self.capacity is not None:
            load = theta * b.sum(-2)
            b = b * (self.capacity / load.clamp_min(1e-30)).clamp_max(1.0).unsqueeze(-2)
        payment = prices.unsqueeze(-2) * b
        if self._common_cost:
            profit = (prices - self.cost[0]) * b.sum(-2)
        else:
            profit = (payment - self.cost * b).sum(-2)
        usable = b + self.offset
        coupling = self.social @ b + b @ self.service
        if self.instance.externality is Externality.MULTIPLICATIVE:
            value = self.satisfaction * (1.0 + coupling) * self._logarithm(usable) - payment
        else:
            value = torch.addcmul(
                coupling * b - payment, self.satisfaction, self._logarithm(usable)
            )
        if self._needs_help:
            value = torch.where(usable > 0.0, value, -torch.inf)
        return theta * profit, (value @ theta.unsqueeze(-1)).squeeze(-1)

    def _logarithm(self, usable: Tensor) -> Tensor:
        if self._needs_help:
            usable = torch.where(usable > 0.0, usable, 1.0)
        return usable.log()

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
        if self._common_cost:
            profit = (prices - self.cost[0]) * b.sum(-2)
        else:
            profit = ((prices.unsqueeze(-2) - self.cost) * b).sum(-2)
        coupling = self.social @ b + b @ self.service
        return theta * profit, self._utility(prices, b, coupling, theta)

    def _utility(self, prices: Tensor, b: Tensor, coupling: Tensor, theta: Tensor) -> Tensor:
        """Eq. (9) of the AVs' own demand and what the couplings add per MHz."""
        usable = b + self.offset
        payment = prices.unsqueeze(-2) * b
        logarithm = self._logarithm(usable)
        if self.instance.externality is Externality.MULTIPLICATIVE:
            value = self.satisfaction * (1.0 + coupling) * logarithm - payment
        else:
            value = torch.addcmul(coupling * b - payment, self.satisfaction, logarithm)
        if self._needs_help:
            value = torch.where(usable > 0.0, value, -torch.inf)
        return (value @ theta.unsqueeze(-1)).squeeze(-1)

    def _logarithm(self, usable: Tensor) -> Tensor:
        if self._needs_help:
            usable = torch.where(usable > 0.0, usable, 1.0)
        return usable.log()

    def own_utilities(self, prices: Tensor, demand: Tensor, own: Tensor) -> Tensor:
        """U^F of each AV if it alone asked for ``own`` while the others ask for ``demand``.

        Couplings have no diagonal, so all AVs' cases take one evaluation. Without capacity only:
        where it is short, what an AV gets depends on everybody's demand.

        Args:
            prices: p_j [money/MHz], shape [..., R].
            demand: b_ij [MHz], shape [..., V, R].
            own: what each AV might ask for instead [MHz], shape [..., V, R].

        Returns:
            Utilities [money], shape [..., V].
        """
        coupling = self.social @ demand + own @ self.service
        return self._utility(prices, own, coupling, self.matching(prices))

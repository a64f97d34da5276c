"""The game for many parallel plays in torch, as plain as it can be made fast.

Libraries for MARL let all players act at once, the game lets followers answer prices. So in a
step followers answer the prices on the table while leaders set those of the next step; a
follower sees the prices that it answers.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from workload import Workload, observation_index, require_same_game


class TorchGame:
    """N games in lockstep; all tensors float32.

    ``state`` is a pair: the history scaled to [0, 1], shape [N, history * round], and the prices
    on the table [money/MHz], shape [N, R].
    """

    def __init__(self, workload: Workload, generator: torch.Generator | None = None) -> None:
        game, self.workload = workload.game, workload
        self._generator = generator
        array = {
            name: torch.tensor(value, dtype=torch.float32) for name, value in game.arrays().items()
        }
        self._rsus, self._avs = game.n_rsus, game.n_avs
        self._price_max, self._bandwidth_max = game.price_max, game.bandwidth_max
        self._satisfaction, self._offset = array["satisfaction"][:, None], array["offset"][:, None]
        self._quality, self._cost = array["quality"], array["cost"]
        self._social, self._service = array["social"], array["service"]
        self._price_min = self._cost.min(dim=0).values
        self._price_range = self._price_max - self._price_min
        index = observation_index(workload)
        self._index, self._shape = torch.tensor(index.ravel()), index.shape
        constant = torch.cat([self._quality, self._price_min / self._price_max, torch.zeros(1)])
        self._constant = constant.expand(workload.n_games, -1)
        prices = torch.tensor(workload.samples.prices)
        utilities = self.utilities(prices, torch.tensor(workload.samples.demands)).numpy()
        require_same_game(workload, *np.split(utilities, [self._rsus], axis=1))

    def utilities(self, prices: Tensor, demands: Tensor) -> Tensor:
        """Eqs. (10) and (9) for prices [N, R] and demands [N, V, R]; [N, R + V]."""
        attraction = self._quality / prices
        theta = attraction / attraction.sum(-1, keepdim=True)
        leaders = theta * (demands * (prices[:, None] - self._cost)).sum(1)
        coupling = self._social @ demands + demands @ self._service - prices[:, None]
        value = self._satisfaction * torch.log(demands + self._offset) + coupling * demands
        return torch.cat([leaders, (theta[:, None] * value).sum(-1)], dim=1)

    def reset(self) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Random histories and prices: a state, and the observations [N, R + V, size]."""
        w, g = self.workload, self._generator
        history = torch.rand(w.n_games, w.history * w.round_size, generator=g)
        prices = torch.rand(w.n_games, self._rsus, generator=g)
        state = history, self._price_min + self._price_range * prices
        return state, self._observe(*state)

    def step(
        self, state: tuple[Tensor, Tensor], actions: Tensor
    ) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
        """Actions in [-1, 1], shape [N, R + V, R] (leaders use the first): one round.

        Returns:
            The next state, observations [N, R + V, size] and scaled rewards [N, R + V].
        """
        history, prices = state
        unit = actions.add(1.0).mul_(0.5)
        bids = unit[:, self._rsus :]
        rewards = self.utilities(prices, bids * self._bandwidth_max) * self.workload.reward_scale
        kept = history[:, self.workload.round_size :]
        history = torch.cat([kept, prices / self._price_max, bids.flatten(1)], dim=1)
        prices = self._price_min + self._price_range * unit[:, : self._rsus, 0]
        return (history, prices), self._observe(history, prices), rewards

    def _observe(self, history: Tensor, prices: Tensor) -> Tensor:
        record = torch.cat([history, prices / self._price_max, self._constant], dim=1)
        return record.index_select(1, self._index).view(-1, *self._shape)

"""The vectorised game as a TorchRL environment; all agents in one group, in tensors [N, A, ...].

One group filled up to the largest observation and action is faster than a group of leaders and
one of followers: networks and losses run once for all agents.
"""

from __future__ import annotations

import torch
from tensordict import TensorDict, TensorDictBase
from torch_game import TorchGame
from torchrl.data import Binary, Bounded, Composite, Unbounded
from torchrl.envs import EnvBase
from workload import Workload

GROUP = "agents"


class TorchrlGame(EnvBase):
    """N games that all end, by time, after as many rounds."""

    batch_locked = True

    def __init__(self, workload: Workload, n_games: int | None = None) -> None:
        n_games = workload.n_games if n_games is None else n_games
        super().__init__(device=torch.device("cpu"), batch_size=torch.Size([n_games]))
        self._workload = workload
        self._game = TorchGame(workload)
        agents = n_games, workload.n_agents
        observation = Unbounded((*agents, workload.leader_observation))
        action = Bounded(-1.0, 1.0, (*agents, workload.game.n_rsus))
        self.observation_spec = Composite(
            {GROUP: Composite({"observation": observation}, shape=agents)}, shape=(n_games,)
        )
        self.action_spec = Composite(
            {GROUP: Composite({"action": action}, shape=agents)}, shape=(n_games,)
        )
        self.reward_spec = Composite(
            {GROUP: Composite({"reward": Unbounded((*agents, 1))}, shape=agents)},
            shape=(n_games,),
        )
        self.done_spec = Composite(
            {name: Binary(1, (n_games, 1), dtype=torch.bool) for name in _ENDS}, shape=(n_games,)
        )
        self._round = 0
        self._running = torch.zeros(n_games, 1, dtype=torch.bool)
        self._over = torch.ones(n_games, 1, dtype=torch.bool)

    def _reset(self, tensordict: TensorDictBase | None = None, **_: object) -> TensorDictBase:
        del tensordict  # all games end together
        self._state, observation = self._game.reset()
        self._round = 0
        return self._pack({"observation": observation}, self._running)

    def _step(self, tensordict: TensorDictBase) -> TensorDictBase:
        actions = tensordict.get((GROUP, "action"))
        self._state, observation, reward = self._game.step(self._state, actions)
        self._round += 1
        over = self._over if self._round == self._workload.horizon else self._running
        return self._pack({"observation": observation, "reward": reward.unsqueeze(-1)}, over)

    def _pack(self, content: dict[str, torch.Tensor], over: torch.Tensor) -> TensorDictBase:
        group = TensorDict(content, (*self.batch_size, self._workload.n_agents))
        ends = {"done": over, "truncated": over, "terminated": self._running}
        return TensorDict({GROUP: group, **ends}, self.batch_size)

    def _set_seed(self, seed: int | None) -> None:
        torch.manual_seed(self._workload.seed if seed is None else seed)


_ENDS = ("done", "truncated", "terminated")

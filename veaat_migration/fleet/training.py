"""Training of the shared networks (``learned.py``) by PPO on games drawn from traffic.

Which AVs meet which RSUs comes from simulated towns; what they are like is drawn anew for every
game. A game is one step, so returns are rewards. As in ``learning/``, AVs first learn to answer
prices from the whole range, then all learn at once: from scratch together, prices would rise
while demand is still random, and demand would die before it has learned anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from veaat_migration.fleet import training_games
from veaat_migration.fleet.learned import (
    FOLLOWER_INPUTS,
    LEADER_INPUTS,
    Weights,
    demand_of,
    follower_inputs,
    leader_inputs,
    prices_of,
)
from veaat_migration.fleet.market import Market
from veaat_migration.fleet.training_games import collect, draw_games
from veaat_migration.fleet.verdict import judge
from veaat_migration.game.instance import FloatArray

_GAMES, _EPOCHS = 128, 4
_CLIP, _WIDTH = 0.2, 48
_FIRST = 0.35
"""Share of the iterations in which only AVs learn."""


@dataclass(frozen=True)
class Plan:
    """How long and with which seed."""

    iterations: int = 8000
    seed: int = 1
    rate: float = 1e-3
    """Learning rate at the start; falls to a twentieth."""


class Player:
    """One role's networks, and its PPO."""

    def __init__(self, inputs: int, rate: float) -> None:
        """With random weights."""
        self.actor = _mlp(inputs)
        self.critic = _mlp(inputs)
        self.spread = torch.zeros(1, requires_grad=True)
        """ln of the standard deviation of u."""
        self.parameters = [*self.actor.parameters(), *self.critic.parameters(), self.spread]
        self._optimiser = torch.optim.Adam(self.parameters, lr=rate)

    def sample(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Draw u with its log-probability, for inputs [n, F]."""
        with torch.no_grad():
            normal = self._normal(torch.as_tensor(inputs, dtype=torch.float32))
            u = normal.sample()
            return u.double().numpy(), normal.log_prob(u).numpy()

    def learn(
        self, inputs: FloatArray, u: FloatArray, before: FloatArray, reward: FloatArray, rate: float
    ) -> None:
        """Some epochs of PPO on one batch; arrays [n, F] and [n]."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        x, a, old, r = (
            torch.as_tensor(v, dtype=torch.float32) for v in (inputs, u, before, reward)
        )
        with torch.no_grad():
            advantage = r - self.critic(x)[:, 0]
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-6)
        for _ in range(_EPOCHS):
            ratio = torch.exp(self._normal(x).log_prob(a) - old)
            clipped = torch.clamp(ratio, 1.0 - _CLIP, 1.0 + _CLIP)
            gain = torch.minimum(ratio * advantage, clipped * advantage).mean()
            error = (self.critic(x)[:, 0] - r).square().mean()
            self._optimiser.zero_grad()
            (0.5 * error - gain).backward()
            nn.utils.clip_grad_norm_(self.parameters, 0.5)
            self._optimiser.step()
            with torch.no_grad():
                self.spread.clamp_(-3.0, 0.5)

    def _normal(self, x: Any) -> Any:
        return torch.distributions.Normal(self.actor(x)[:, 0], torch.exp(self.spread))

    def layers(self) -> tuple[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]], ...]:
        """The actor's weights and biases."""
        linear = [layer for layer in self.actor if isinstance(layer, nn.Linear)]
        return tuple(
            (layer.weight.detach().numpy().copy(), layer.bias.detach().numpy().copy())
            for layer in linear
        )


def _mlp(inputs: int) -> Any:
    return nn.Sequential(
        nn.Linear(inputs, _WIDTH), nn.Tanh(), nn.Linear(_WIDTH, _WIDTH), nn.Tanh(),
        nn.Linear(_WIDTH, 1),
    )  # fmt: skip


def train(
    plan: Plan, *, command: str = "", show: Callable[[str], None] = lambda _: None
) -> Weights:
    """Train both networks.

    Args:
        plan: how.
        command: that asked for it, for the record.
        show: called with a line now and then.
    """
    torch.manual_seed(plan.seed)
    torch.set_num_threads(1)
    draw = np.random.default_rng(plan.seed)
    reaches = collect(training_games.TOWNS)
    show(f"{len(reaches)} games of {len(training_games.TOWNS)} towns")
    leader, follower = Player(LEADER_INPUTS, plan.rate), Player(FOLLOWER_INPUTS, plan.rate)
    judged = collect(training_games.JUDGED)
    for iteration in range(plan.iterations):
        left = 1.0 - iteration / plan.iterations
        rate = plan.rate * max(left, 0.05)
        leaders_learn = iteration >= _FIRST * plan.iterations
        _iterate(draw_games(reaches, _GAMES, draw), leader, follower, draw, rate, leaders_learn)
        if (iteration + 1) % 500 == 0:
            verdict = judge(_weights(leader, follower, ""), judged)
            show(f"{iteration + 1} of {plan.iterations}: {verdict}")
    verdict = judge(_weights(leader, follower, ""), judged, games=200)
    return _weights(leader, follower, f"{command}; {verdict}")


def _weights(leader: Player, follower: Player, training: str) -> Weights:
    return Weights({"leader": leader.layers(), "follower": follower.layers()}, training)


def _iterate(
    games: Market,
    leader: Player,
    follower: Player,
    draw: np.random.Generator,
    rate: float,
    leaders_learn: bool,
) -> None:
    """Play one batch of games, and learn from it."""
    sells = games.reach.any(axis=-2)
    seen = leader_inputs(games)[sells]
    if leaders_learn:
        u, before = leader.sample(seen)
        share = _sigmoid(u)
    else:
        share = draw.random(len(seen))
    shares = np.full(sells.shape, 0.5)
    shares[sells] = share
    prices = prices_of(games, shares)
    offers = follower_inputs(games, prices)[games.reach]
    v, likely = follower.sample(offers)
    bought = np.zeros(games.reach.shape)
    bought[games.reach] = _sigmoid(v)
    demand = demand_of(games, bought)
    # Each purchase is judged by what it is worth if the AV moves there, theta apart: the same
    # best demand, and far less noise than the sum over all RSUs.
    worth = (games.worth(prices, demand) / games.satisfaction[..., None])[games.reach]
    if leaders_learn:
        asking = np.maximum(games.reach.sum(axis=-2), 1)
        profit = games.profits(prices, demand) / (asking * 60.0)
        leader.learn(seen, u, before, profit[sells], rate)
    follower.learn(offers, v, likely, worth, rate)


def _sigmoid(u: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-u)))

"""Plain PyTorch: stacked weights, one batched product per layer for all networks, autograd."""

from __future__ import annotations

import itertools
import math

import torch
from meter import arguments
from torch import Tensor, nn
from torch_game import TorchGame
from workload import Workload


class Networks(nn.Module):
    """Actors and critics of all agents, 2 A networks of the same shape, as one stack."""

    def __init__(self, workload: Workload, n_actions: int) -> None:
        super().__init__()
        self.agents = workload.n_agents
        sizes = [workload.leader_observation, workload.hidden, workload.hidden, n_actions]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for inputs, outputs in itertools.pairwise(sizes):
            weight = torch.empty(2 * self.agents, inputs, outputs)
            for matrix in weight:
                nn.init.orthogonal_(matrix, gain=math.sqrt(2) if outputs > n_actions else 0.01)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(2 * self.agents, 1, outputs)))
        self.log_std = nn.Parameter(torch.full((self.agents, 1, n_actions), -0.5))

    def run(self, observations: Tensor, which: slice) -> Tensor:
        """Observations [networks, B, size] through a slice of the stack."""
        x = observations
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias[which], x, weight[which])
            if layer < last:
                x = torch.tanh(x)
        return x

    def act(self, observations: Tensor) -> Tensor:
        """Means of the actions, [A, B, actions]."""
        return self.run(observations, slice(self.agents))

    def value(self, observations: Tensor) -> Tensor:
        """Values, [A, B]."""
        return self.run(observations, slice(self.agents, None))[..., 0]

    def both(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Means and values in one pass."""
        result = self.run(torch.cat([observations, observations]), slice(None))
        return result[: self.agents], result[self.agents :, :, 0]


def log_probability(sample: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Of a normal sample before tanh; the Jacobian of tanh cancels in the ratio of PPO."""
    z = (sample - mean) * torch.exp(-log_std)
    return (-0.5 * z * z - log_std).sum(-1)


def main() -> None:
    """Learn and measure."""
    w, meter = arguments()
    torch.set_num_threads(1)
    torch.manual_seed(w.seed)
    game, n_actions = TorchGame(w), w.game.n_rsus
    networks = Networks(w, n_actions)
    optimizer = torch.optim.Adam(networks.parameters(), lr=w.learning_rate, fused=True)
    agents, games, size = w.n_agents, w.n_games, w.leader_observation
    observations = torch.empty(agents, w.horizon + 1, games, size)
    samples = torch.empty(agents, w.horizon, games, n_actions)
    rewards = torch.empty(w.horizon, games, agents)

    meter.start()
    for _ in range(meter.total):
        with torch.no_grad():
            state, observation = game.reset()
            std, noise = networks.log_std.exp(), torch.randn_like(samples)
            for t in range(w.horizon):
                seen = observation.transpose(0, 1)
                observations[:, t] = seen
                mean = networks.act(seen)
                sample = torch.addcmul(mean, std, noise[:, t])
                samples[:, t] = sample
                actions = torch.tanh(sample).transpose(0, 1)
                state, observation, rewards[t] = game.step(state, actions)
            observations[:, -1] = observation.transpose(0, 1)
            meter.part("collection")

            values = networks.value(observations.flatten(1, 2)).view(agents, -1, games)
            received = rewards.permute(2, 0, 1)
            delta = received + w.gamma * values[:, 1:] - values[:, :-1]
            advantages, running = torch.empty_like(delta), torch.zeros(agents, games)
            for t in reversed(range(w.horizon)):
                running = torch.add(delta[:, t], running, alpha=w.gamma * w.gae_lambda)
                advantages[:, t] = running
            targets = (advantages + values[:, :-1]).flatten(1)
            advantages = advantages.flatten(1)
            # All samples were drawn with the same deviation: mean + std * noise.
            old = (-0.5 * noise * noise - networks.log_std[:, None]).sum(-1).flatten(1)
        data = observations[:, :-1].flatten(1, 2), samples.flatten(1, 2), old, advantages, targets
        for _ in range(w.epochs):
            for index in torch.randperm(w.steps).split(w.minibatch):
                x, sample, old_log, advantage, target = (d.index_select(1, index) for d in data)
                mean, value = networks.both(x)
                ratio = torch.exp(log_probability(sample, mean, networks.log_std) - old_log)
                clipped = ratio.clamp(1 - w.clip, 1 + w.clip)
                deviation, centre = torch.std_mean(advantage, dim=1, keepdim=True)
                advantage = (advantage - centre) / (deviation + 1e-8)
                policy_loss = -torch.minimum(ratio * advantage, clipped * advantage)
                value_loss = w.value_coefficient * (value - target).square()
                optimizer.zero_grad(set_to_none=True)
                # The agents share nothing: the sum of their losses is each one's own loss.
                (policy_loss + value_loss).mean(1).sum().backward()
                nn.utils.clip_grad_norm_(networks.parameters(), w.max_grad_norm)
                optimizer.step()
        meter.part("update")
        meter.lap()
    meter.finish(
        packages=("torch",),
        settings="actors and critics one stack of weights, baddbmm, fused Adam, no compilation",
    )


if __name__ == "__main__":
    main()

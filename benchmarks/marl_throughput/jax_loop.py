"""A loop as PureJaxRL writes it: rollout and update scanned and compiled as one, vmapped networks.

The game is the one of ``torch_game.py``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from meter import arguments
from workload import Workload, observation_index, require_same_game

Array = jax.Array
Tree = Any


class JaxGame:
    """N games in lockstep; see ``TorchGame``."""

    def __init__(self, workload: Workload) -> None:
        game, self.workload = workload.game, workload
        array = {name: jnp.asarray(v, jnp.float32) for name, v in game.arrays().items()}
        self._rsus, self._price_max, self._demand_max = (
            game.n_rsus,
            game.price_max,
            game.bandwidth_max,
        )
        self._satisfaction, self._offset = array["satisfaction"][:, None], array["offset"][:, None]
        self._quality, self._cost = array["quality"], array["cost"]
        self._social, self._service = array["social"], array["service"]
        self._price_min = self._cost.min(axis=0)
        self._price_range = self._price_max - self._price_min
        self._index = jnp.asarray(observation_index(workload))
        constant = [self._quality, self._price_min / self._price_max, jnp.zeros(1)]
        self._constant = jnp.tile(jnp.concatenate(constant), (workload.n_games, 1))
        samples = workload.samples
        utilities = self.utilities(jnp.asarray(samples.prices), jnp.asarray(samples.demands))
        require_same_game(workload, utilities[:, : self._rsus], utilities[:, self._rsus :])

    def utilities(self, prices: Array, demands: Array) -> Array:
        """Eqs. (10) and (9) for prices [N, R] and demands [N, V, R]; [N, R + V]."""
        attraction = self._quality / prices
        theta = attraction / attraction.sum(-1, keepdims=True)
        leaders = theta * (demands * (prices[:, None] - self._cost)).sum(1)
        coupling = self._social @ demands + demands @ self._service - prices[:, None]
        value = self._satisfaction * jnp.log(demands + self._offset) + coupling * demands
        return jnp.concatenate([leaders, (theta[:, None] * value).sum(-1)], axis=1)

    def reset(self, key: Array) -> tuple[tuple[Array, Array], Array]:
        """A random state and its observations."""
        w, (first, second) = self.workload, jax.random.split(key)
        history = jax.random.uniform(first, (w.n_games, w.history * w.round_size))
        unit = jax.random.uniform(second, (w.n_games, self._rsus))
        state = history, self._price_min + self._price_range * unit
        return state, self._observe(*state)

    def step(
        self, state: tuple[Array, Array], actions: Array
    ) -> tuple[tuple[Array, Array], Array, Array]:
        """Actions in [-1, 1], shape [R + V, N, R]: next state, observations, rewards [R + V, N]."""
        history, prices = state
        unit = jnp.swapaxes(actions + 1.0, 0, 1) * 0.5
        bids = unit[:, self._rsus :]
        rewards = self.utilities(prices, bids * self._demand_max) * self.workload.reward_scale
        played = [prices / self._price_max, bids.reshape(len(bids), -1)]
        history = jnp.concatenate([history[:, self.workload.round_size :], *played], axis=1)
        prices = self._price_min + self._price_range * unit[:, : self._rsus, 0]
        return (history, prices), self._observe(history, prices), rewards.T

    def _observe(self, history: Array, prices: Array) -> Array:
        record = jnp.concatenate([history, prices / self._price_max, self._constant], axis=1)
        return jnp.swapaxes(record[:, self._index], 0, 1)


class Learner(NamedTuple):
    """Everything that an iteration changes."""

    parameters: Tree
    mean: Tree
    square: Tree
    count: Array
    key: Array


def make_network(key: Array, workload: Workload, outputs: int, gain: float) -> list[Tree]:
    """Orthogonal layers of one network."""
    sizes = [workload.leader_observation, workload.hidden, workload.hidden, outputs]
    gains = [2**0.5, 2**0.5, gain]
    layers = []
    for k, inputs, size, scale in zip(
        jax.random.split(key, 3), sizes, sizes[1:], gains, strict=False
    ):
        layers.append((jax.nn.initializers.orthogonal(scale)(k, (inputs, size)), jnp.zeros(size)))
    return layers


def forward(layers: list[Tree], x: Array) -> Array:
    """One network for observations [B, size]."""
    for weight, bias in layers[:-1]:
        x = jnp.tanh(x @ weight + bias)
    weight, bias = layers[-1]
    return x @ weight + bias


act = jax.vmap(forward)
"""Networks of all agents: weights [A, ...] and observations [A, B, size]."""


def log_probability(sample: Array, mean: Array, log_std: Array) -> Array:
    """Of a normal sample before tanh; the Jacobian of tanh cancels in the ratio of PPO."""
    z = (sample - mean) * jnp.exp(-log_std)
    return (-0.5 * z * z - log_std).sum(-1)


def make_learner(workload: Workload) -> Learner:
    """Stacked actors and critics, and Adam's moments."""
    keys = jax.random.split(jax.random.key(workload.seed), 3)
    n_actions = workload.game.n_rsus
    actors = jax.random.split(keys[0], workload.n_agents)
    critics = jax.random.split(keys[1], workload.n_agents)
    parameters = {
        "actor": jax.vmap(lambda k: make_network(k, workload, n_actions, 0.01))(actors),
        "critic": jax.vmap(lambda k: make_network(k, workload, 1, 1.0))(critics),
        "log_std": jnp.full((workload.n_agents, 1, n_actions), -0.5),
    }
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    again = jax.tree.map(jnp.zeros_like, parameters)
    return Learner(parameters, zeros, again, jnp.zeros((), jnp.int32), keys[2])


def make_iteration(workload: Workload, game: JaxGame) -> Any:
    """The compiled function from learner to learner and mean reward."""
    w, n_actions, agents = workload, workload.game.n_rsus, workload.n_agents

    def loss(parameters: Tree, batch: Tree) -> Array:
        x, sample, old, advantage, target = batch
        mean = act(parameters["actor"], x)
        value = act(parameters["critic"], x)[..., 0]
        ratio = jnp.exp(log_probability(sample, mean, parameters["log_std"]) - old)
        clipped = jnp.clip(ratio, 1 - w.clip, 1 + w.clip)
        centred = advantage - advantage.mean(1, keepdims=True)
        advantage = centred / (advantage.std(1, keepdims=True) + 1e-8)
        policy_loss = -jnp.minimum(ratio * advantage, clipped * advantage)
        value_loss = w.value_coefficient * jnp.square(value - target)
        # The agents share nothing: the sum of their losses is each one's own loss.
        return (policy_loss + value_loss).mean(1).sum()

    def adam(learner: Learner, gradient: Tree) -> Learner:
        norm = jnp.sqrt(sum(jnp.square(g).sum() for g in jax.tree.leaves(gradient)))
        scale = jnp.minimum(1.0, w.max_grad_norm / (norm + 1e-6))
        gradient = jax.tree.map(lambda g: g * scale, gradient)
        count = learner.count + 1
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, learner.mean, gradient)
        square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, learner.square, gradient)
        rate = w.learning_rate / (1 - 0.9**count)
        correction = 1 / (1 - 0.999**count)
        parameters = jax.tree.map(
            lambda p, m, v: p - rate * m / (jnp.sqrt(v * correction) + 1e-8),
            learner.parameters,
            mean,
            square,
        )
        return learner._replace(parameters=parameters, mean=mean, square=square, count=count)

    def minibatch(learner: Learner, batch: Tree) -> tuple[Learner, None]:
        return adam(learner, jax.grad(loss)(learner.parameters, batch)), None

    def epoch(carry: tuple[Learner, Tree], key: Array) -> tuple[tuple[Learner, Tree], None]:
        learner, data = carry
        order = jax.random.permutation(key, w.steps).reshape(w.minibatches, w.minibatch)
        take = lambda d: jnp.moveaxis(jnp.take(d, order, axis=1), 1, 0)  # noqa: E731
        learner, _ = lax.scan(minibatch, learner, jax.tree.map(take, data))
        return (learner, data), None

    def iteration(learner: Learner) -> tuple[Learner, Array]:
        keys = jax.random.split(learner.key, w.epochs + 3)
        parameters = learner.parameters
        std = jnp.exp(parameters["log_std"])
        noise = jax.random.normal(keys[0], (w.horizon, agents, w.n_games, n_actions))

        def play(carry: Tree, noise: Array) -> tuple[Tree, Tree]:
            state, seen = carry
            sample = act(parameters["actor"], seen) + std * noise
            state, after, reward = game.step(state, jnp.tanh(sample))
            return (state, after), (seen, sample, reward)

        (_, last), (seen, samples, rewards) = lax.scan(play, game.reset(keys[1]), noise)
        # [T, A, N, ...] to [A, T, N, ...]
        seen, samples, rewards, noise = (
            jnp.swapaxes(x, 0, 1) for x in (seen, samples, rewards, noise)
        )
        flat = seen.reshape(agents, w.steps, -1)
        values = act(parameters["critic"], flat)[..., 0].reshape(agents, w.horizon, w.n_games)
        final = act(parameters["critic"], last)
        following = jnp.concatenate([values[:, 1:], jnp.swapaxes(final, 1, 2)], axis=1)
        delta = jnp.swapaxes(rewards + w.gamma * following - values, 0, 1)

        def back(running: Array, delta: Array) -> tuple[Array, Array]:
            running = delta + w.gamma * w.gae_lambda * running
            return running, running

        _, advantages = lax.scan(back, jnp.zeros_like(delta[0]), delta, reverse=True)
        advantages = jnp.swapaxes(advantages, 0, 1)
        old = (-0.5 * noise * noise - parameters["log_std"][:, None]).sum(-1)
        rows = (samples, old, advantages, advantages + values)
        data = (flat, *(x.reshape(agents, w.steps, *x.shape[3:]) for x in rows))
        (learner, _), _ = lax.scan(epoch, (learner._replace(key=keys[2]), data), keys[3:])
        return learner, rewards.mean()

    return jax.jit(iteration, donate_argnums=0)


def main() -> None:
    """Learn and measure."""
    workload, meter = arguments()
    game = JaxGame(workload)
    learner = make_learner(workload)
    iteration = make_iteration(workload, game)
    meter.start()
    for _ in range(meter.total):
        learner, reward = iteration(learner)
        reward.block_until_ready()
        jax.block_until_ready(learner.parameters)
        meter.lap()
    meter.finish(
        packages=("jax", "jaxlib"),
        settings="one jit for collection and update, scan, vmap over stacked weights, CPU",
    )


if __name__ == "__main__":
    main()

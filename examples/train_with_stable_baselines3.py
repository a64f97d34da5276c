"""Train all agents of one game with Stable-Baselines3's PPO, through SuperSuit.

Shows that the PettingZoo environment works with other people's libraries: one policy is shared by
all agents, which are told apart by an indicator in their observations. Install first:

    pip install stable-baselines3 supersuit

    python examples/train_with_stable_baselines3.py config/base.yaml --steps 20000

This is no recommendation: agents that all learn at once from scratch tend to leave each other
without a market (docs/learning_environment.md). 'veaat train' knows the order of the game.
"""

from __future__ import annotations

import argparse
from typing import Any

import supersuit
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.utils import set_random_seed

from veaat_migration.game.equilibrium import solve
from veaat_migration.learning.config import EnvironmentPart
from veaat_migration.learning.parallel_env import MigrationParallelEnv

Wrapped = Any


def alike(env: MigrationParallelEnv) -> Wrapped:
    """The environment with spaces of one size, and agents that can be told apart."""
    padded = supersuit.pad_action_space_v0(supersuit.pad_observations_v0(env))
    return supersuit.agent_indicator_v0(padded)


def vectorised(env: MigrationParallelEnv, copies: int, seed: int) -> Wrapped:
    """What Stable-Baselines3 learns from: every agent of every copy is one environment."""
    vector = supersuit.pettingzoo_env_to_vec_env_v1(alike(env))
    vector = supersuit.concat_vec_envs_v1(vector, copies, base_class="stable_baselines3")
    # SuperSuit's wrapper takes no seed; copies that were seeded once go on from there.
    vector.venv.reset(seed=seed)
    return vector


def utilities(model: PPO, env: MigrationParallelEnv, seed: int) -> dict[str, float]:
    """Mean utility of every agent over an episode without exploration [money]."""
    game = alike(env)
    observations, _ = game.reset(seed=seed)
    total = dict.fromkeys(game.agents, 0.0)
    rounds = 0
    while game.agents:
        actions = {
            agent: model.predict(observation, deterministic=True)[0]
            for agent, observation in observations.items()
        }
        observations, _, _, _, infos = game.step(actions)
        for agent, info in infos.items():
            total[agent] += info["utility"]
            rounds = info["round"]
    return {agent: value / rounds for agent, value in total.items()}


def main(arguments: list[str] | None = None) -> None:
    """Train, then compare with the equilibrium."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("game", help="scenario or plain instance file")
    parser.add_argument("--steps", type=int, default=20_000, help="steps of all agents together")
    parser.add_argument("--stages", choices=("sequential", "simultaneous"), default="sequential")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    set_random_seed(options.seed)

    env = MigrationParallelEnv(
        options.game,
        environment=EnvironmentPart(rounds=25, episode=25),
        stages=options.stages,
        reward_scale=20.0,
        observe_turn=True,
        out_of_range="clip",
    )
    model = PPO(
        "MlpPolicy",
        vectorised(env, 4, options.seed),
        n_steps=128,
        batch_size=256,
        gamma=0.5,
        device="cpu",
    )
    before = utilities(model, env, options.seed)
    model.learn(options.steps)
    after = utilities(model, env, options.seed)
    solution = solve(env.instance)
    exact = [*solution.leader_utilities, *solution.follower_utilities]
    print(f"{'utility':10}{'before':>10}{'after':>10}{'equilibrium':>13}")
    for agent, best in zip(before, exact, strict=True):
        print(f"{agent:10}{before[agent]:10.3f}{after[agent]:10.3f}{best:13.3f}")


if __name__ == "__main__":
    main()

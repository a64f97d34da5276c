"""TorchRL alone: its collector, modules, GAE and ClipPPOLoss in a loop as its tutorials write it.

Option ``collection``: collector (SyncDataCollector) or rollout (EnvBase.rollout).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import torch
from meter import arguments
from tensordict import TensorDictBase
from tensordict.nn import TensorDictModule, TensorDictSequential
from tensordict.nn.distributions import NormalParamExtractor
from torchrl.collectors import SyncDataCollector
from torchrl.modules import MultiAgentMLP, ProbabilisticActor, TanhNormal
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE
from torchrl_env import GROUP, TorchrlGame
from workload import Workload


def network(workload: Workload, outputs: int) -> MultiAgentMLP:
    """Networks of all agents, their weights stacked."""
    return MultiAgentMLP(
        n_agent_inputs=workload.leader_observation,
        n_agent_outputs=outputs,
        n_agents=workload.n_agents,
        centralized=False,
        share_params=False,
        num_cells=[workload.hidden] * 2,
        activation_class=torch.nn.Tanh,
    )


def make_actor(workload: Workload, env: TorchrlGame) -> ProbabilisticActor:
    """Squashed normal actions."""
    n_actions = workload.game.n_rsus
    logits = TensorDictModule(
        network(workload, 2 * n_actions), [(GROUP, "observation")], [(GROUP, "logits")]
    )
    split = TensorDictModule(
        NormalParamExtractor(), [(GROUP, "logits")], [(GROUP, "loc"), (GROUP, "scale")]
    )
    return ProbabilisticActor(
        TensorDictSequential(logits, split),
        in_keys=[(GROUP, "loc"), (GROUP, "scale")],
        out_keys=[(GROUP, "action")],
        distribution_class=TanhNormal,
        spec=env.full_action_spec,
        return_log_prob=True,
        log_prob_key=(GROUP, "log_prob"),
    )


def batches(
    workload: Workload, env: TorchrlGame, actor: ProbabilisticActor, total: int
) -> Iterator[TensorDictBase]:
    """Rollouts of all games, shape [N, T]."""
    if workload.options.get("collection", "collector") == "rollout":
        for _ in range(total):
            with torch.no_grad():
                data = env.rollout(workload.horizon, actor, break_when_any_done=False)
            yield data
        return
    collector = SyncDataCollector(
        env,
        actor,
        frames_per_batch=workload.steps,
        total_frames=workload.steps * total,
        trust_policy=True,
    )
    yield from collector
    collector.shutdown()


def main() -> None:
    """Learn and measure."""
    w, meter = arguments()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(w.seed)
    env = TorchrlGame(w)
    actor = make_actor(w, env)
    critic = TensorDictModule(
        network(w, 1), in_keys=[(GROUP, "observation")], out_keys=[(GROUP, "state_value")]
    )
    loss = ClipPPOLoss(
        actor,
        critic,
        clip_epsilon=w.clip,
        entropy_bonus=False,
        critic_coeff=w.value_coefficient,
        loss_critic_type="l2",
        normalize_advantage=False,
    )
    advantage = GAE(gamma=w.gamma, lmbda=w.gae_lambda, value_network=None)
    names = {
        "reward": (GROUP, "reward"),
        "done": (GROUP, "done"),
        "terminated": (GROUP, "terminated"),
        "value": (GROUP, "state_value"),
        "advantage": (GROUP, "advantage"),
        "value_target": (GROUP, "value_target"),
    }
    advantage.set_keys(**names)
    loss.set_keys(action=(GROUP, "action"), sample_log_prob=(GROUP, "log_prob"), **names)
    parameters = list(loss.parameters())
    optimizer = torch.optim.Adam(parameters, lr=w.learning_rate, fused=True)

    used = [(GROUP, name) for name in ("observation", "action", "log_prob")]
    used += [names["advantage"], names["value_target"]]
    meter.start()
    for data in batches(w, env, actor, meter.total):
        meter.part("collection")
        reward = data["next", GROUP, "reward"]
        for end in ("done", "terminated"):
            data["next", GROUP, end] = data["next", end].unsqueeze(-1).expand(reward.shape)
        with torch.no_grad():
            # Values once per observation; GAE with a network would ask for most of them twice.
            seen = data[GROUP, "observation"], data["next", GROUP, "observation"][:, -1:]
            values = critic.module(torch.cat(seen, dim=1))
            data[names["value"]] = values[:, :-1]
            data["next", GROUP, "state_value"] = values[:, 1:]
            advantage(data)
            raw = data[names["advantage"]]
            deviation, mean = torch.std_mean(raw, dim=(0, 1), keepdim=True)
            data[names["advantage"]] = (raw - mean) / (deviation + 1e-8)
        flat = data.select(*used).reshape(-1)
        for _ in range(w.epochs):
            for index in torch.randperm(w.steps).split(w.minibatch):
                losses = loss(flat[index])
                # The mean is over games and agents; the agents share nothing.
                (losses["loss_objective"] + losses["loss_critic"]).backward()
                torch.nn.utils.clip_grad_norm_(parameters, w.max_grad_norm)
                optimizer.step()
                optimizer.zero_grad()
        meter.part("update")
        meter.lap()
    meter.finish(
        packages=("torchrl", "tensordict", "torch"),
        settings="SyncDataCollector, one padded group, values for GAE once, minibatches by index, "
        "fused Adam, one backward pass",
    )


if __name__ == "__main__":
    main()

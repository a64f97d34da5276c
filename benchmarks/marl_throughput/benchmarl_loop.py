"""BenchMARL: its own Experiment, without logging, evaluation and checkpoints.

Option ``algorithm``: mappo (critics that see all agents' observations) or ippo (own ones only).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from benchmarl.algorithms import IppoConfig, MappoConfig
from benchmarl.environments.common import TaskClass
from benchmarl.experiment import Callback, Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig
from meter import Meter, arguments
from tensordict import TensorDictBase
from torchrl.data import Composite
from torchrl.envs import EnvBase
from torchrl_env import GROUP, TorchrlGame
from workload import Workload


class MarketTask(TaskClass):
    """The game as a task."""

    def __init__(self, workload: Workload) -> None:
        super().__init__("market", {})
        self._workload = workload

    def get_env_fun(
        self, num_envs: int, continuous_actions: bool, seed: int | None, device: object
    ) -> Callable[[], EnvBase]:
        """A maker of the vectorised environment; BenchMARL also makes one to look at its specs."""
        del continuous_actions, seed, device, num_envs
        return lambda: TorchrlGame(self._workload)

    def supports_continuous_actions(self) -> bool:
        """Prices and demands are real numbers."""
        return True

    def supports_discrete_actions(self) -> bool:
        """They are nothing else."""
        return False

    def max_steps(self, env: EnvBase) -> int:
        """The length of an episode."""
        del env
        return self._workload.horizon

    def has_render(self, env: EnvBase) -> bool:
        """There is nothing to draw."""
        del env
        return False

    def group_map(self, env: EnvBase) -> dict[str, list[str]]:
        """One group with everybody."""
        del env
        return {GROUP: [f"agent{k}" for k in range(self._workload.n_agents)]}

    def observation_spec(self, env: EnvBase) -> Composite:
        """What every agent sees."""
        return env.full_observation_spec_unbatched

    def action_spec(self, env: EnvBase) -> Composite:
        """What every agent does."""
        return env.full_action_spec_unbatched

    def info_spec(self, env: EnvBase) -> Composite | None:
        """Nothing else."""
        del env

    def state_spec(self, env: EnvBase) -> Composite | None:
        """No global state: critics see all observations."""
        del env

    def action_mask_spec(self, env: EnvBase) -> Composite | None:
        """All actions are allowed."""
        del env

    @staticmethod
    def env_name() -> str:
        """For BenchMARL's files."""
        return "veaat"


class Laps(Callback):
    """Tells the meter when collection and training end."""

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self._meter = meter

    def __getstate__(self) -> dict[str, Any]:
        """BenchMARL pickles its callbacks; a meter is of no use there."""
        return {}

    def on_batch_collected(self, batch: TensorDictBase) -> None:
        """Collection has ended."""
        del batch
        self._meter.part("collection")

    def on_train_end(self, training_td: TensorDictBase, group: str) -> None:
        """Training has ended: BenchMARL begins the next iteration."""
        del training_td, group
        self._meter.part("update")
        self._meter.lap()


def main() -> None:
    """Learn and measure."""
    workload, meter = arguments()
    torch.set_num_threads(1)
    kind = {"mappo": MappoConfig, "ippo": IppoConfig}[workload.options.get("algorithm", "mappo")]
    algorithm = kind.get_from_yaml()
    algorithm.share_param_critic = False
    algorithm.clip_epsilon, algorithm.lmbda = workload.clip, workload.gae_lambda
    algorithm.critic_coef, algorithm.entropy_coef = workload.value_coefficient, 0.0
    algorithm.minibatch_advantage = False
    config = ExperimentConfig.get_from_yaml()
    config.share_policy_params = False
    config.gamma, config.lr = workload.gamma, workload.learning_rate
    config.adam_extra_kwargs = {"fused": True}
    config.clip_grad_norm, config.clip_grad_val = True, workload.max_grad_norm
    config.on_policy_collected_frames_per_batch = workload.steps
    config.on_policy_n_envs_per_worker = workload.n_games
    config.on_policy_n_minibatch_iters = workload.epochs
    config.on_policy_minibatch_size = workload.minibatch
    config.max_n_iters, config.max_n_frames = meter.total, None
    config.evaluation, config.render, config.create_json = False, False, False
    config.loggers, config.checkpoint_interval = [], 0
    layers = MlpConfig(
        num_cells=[workload.hidden] * 2,
        layer_class=torch.nn.Linear,
        activation_class=torch.nn.Tanh,
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stderr(nowhere),
    ):
        config.save_folder = folder
        experiment = Experiment(
            MarketTask(workload), algorithm, layers, workload.seed, config, callbacks=[Laps(meter)]
        )
        meter.start()
        experiment.run()
    meter.finish(
        packages=("benchmarl", "torchrl", "tensordict", "torch"),
        settings="vectorised environment, one padded group, nothing shared, fused Adam, "
        "no logging, evaluation or checkpoints",
    )


if __name__ == "__main__":
    main()

"""This project's learner, in the project's own environment.

Option ``algorithm``: mappo (what the others do), ma_iei_ppo (with the exploration incentive) or
tiny_ma_iei_ppo (pruned to 15 % of the neurons in the course of the measured iterations).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from meter import Meter, arguments
from workload import Workload, require_same_game

from veaat_migration.learning.config import TrainingConfig, parse_config
from veaat_migration.learning.evaluator import Evaluator
from veaat_migration.learning.game import BatchedGame
from veaat_migration.learning.learner import Learner
from veaat_migration.scenario import load_game

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ("begin", "leaders_see", "post_prices", "post_demands", "rewards")
"""Methods of the learner's environment that do what ``TorchGame.step`` does."""
UPDATE = {"__call__": "forward", "differentiate": "backward", "step": "optimiser"}
"""Parts of the update, by method of networks and optimisers."""


def make_config(workload: Workload, iterations: int) -> TrainingConfig:
    """The workload in the project's terms: nobody waits for anybody, everybody learns at once."""
    algorithm = workload.options.get("algorithm", "mappo")
    content: dict[str, Any] = {
        "game": "",
        "algorithm": "mappo" if algorithm == "mappo" else "tiny_ma_iei_ppo",
        "iterations": iterations,
        "environment": {
            "games": workload.n_games,
            "rounds": workload.horizon,
            "episode": workload.horizon,
            "history": workload.history,
        },
        "network": {"hidden": [workload.hidden] * 2, "activation": "tanh"},
        "update": {
            "epochs": workload.epochs,
            "minibatches": workload.minibatches,
            "clip": workload.clip,
            "gamma": workload.gamma,
            "gae_lambda": workload.gae_lambda,
            "value_weight": workload.value_coefficient,
            "max_gradient": workload.max_grad_norm,
            "learning_rate": workload.learning_rate,
            "final_learning_rate": workload.learning_rate,
        },
        "exploration": {"std": "learned", "entropy": 0.0},
        "stages": {"follower_iterations": 0, "drawn_prices": 0.0, "nearby_prices": 0.0},
    }
    if algorithm == "mappo":
        content["incentive"] = {"weight": 0.0}
    if algorithm != "tiny_ma_iei_ppo":
        content["pruning"] = {"method": "none", "sparsity": 0.0}
    return parse_config(content, "benchmark")


class Parts:
    """Splits what the learner's own stopwatch measures, in iterations that are not timed."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self.seconds: dict[str, float] = dict.fromkeys(("environment", *UPDATE.values()), 0.0)
        self._updating = False
        for name in ENVIRONMENT:
            self._time(learner.environment, name, "environment")
        for optimizer in (learner.actor_optimizer, learner.critic_optimizer):
            self._time(optimizer, "step", "optimiser")
        for name in ("__call__", "differentiate"):
            self._time(Evaluator, name, UPDATE[name])
        update = learner._update

        def flagged(*values: Any) -> None:
            self._updating = True
            update(*values)
            self._updating = False

        learner._update = flagged  # type: ignore[method-assign]

    def _time(self, owner: Any, name: str, part: str) -> None:
        method: Callable[..., Any] = getattr(owner, name)

        def timed(*values: Any, **named: Any) -> Any:
            began = time.perf_counter()
            result = method(*values, **named)
            if self._updating or part not in UPDATE.values():
                self.seconds[part] += time.perf_counter() - began
            return result

        setattr(owner, name, timed)

    def measure(self, iterations: int) -> dict[str, float]:
        """Seconds per iteration by part, over further iterations of the learner."""
        watch = self._learner.stopwatch.seconds
        before, began = dict(watch), time.perf_counter()
        for _ in range(iterations):
            self._learner.iterate()
        total = time.perf_counter() - began
        phases = {name: value - before.get(name, 0.0) for name, value in watch.items()}
        named = dict(self.seconds)
        named["acting"] = phases.pop("environment and actors") - named["environment"]
        named["rest of the update"] = phases.pop("update") - sum(
            named[part] for part in UPDATE.values()
        )
        named.update(phases)
        named["rest"] = total - sum(named.values())
        return {name: value / iterations for name, value in named.items()}


def main() -> None:
    """Learn and measure."""
    workload, meter = arguments()
    torch.set_num_threads(1)
    instance = load_game(ROOT / "config" / "base.yaml")
    utilities = BatchedGame(instance).utilities(
        torch.tensor(workload.samples.prices), torch.tensor(workload.samples.demands)
    )
    require_same_game(workload, *utilities)
    profiled = 0 if "tiny" in str(workload.options) else 3
    learner = Learner(instance, make_config(workload, meter.total + profiled), seed=workload.seed)
    learn(learner, meter)
    if not profiled:
        final = learner.actors.widths[1:-1]
        settings = f"as ma_iei_ppo, pruned from {workload.hidden}-{workload.hidden} to {final}"
    else:
        settings = "stacked weights, gradients by hand, two fused Adams, no compilation"
    parts = Parts(learner).measure(profiled) if profiled else {}
    meter.finish(packages=("torch", "numpy"), settings=settings, profile=parts)


def learn(learner: Learner, meter: Meter) -> None:
    """The measured iterations."""
    watch = learner.stopwatch.seconds
    meter.start()
    for _ in range(meter.total):
        before = dict(watch)
        learner.iterate()
        meter.lap({name: value - before.get(name, 0.0) for name, value in watch.items()})


if __name__ == "__main__":
    main()

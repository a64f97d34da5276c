"""One cell at work: a run, looked at now and then, as plain data.

Rewards are money per round. ``rollout`` has what players earned while they explored, averaged over
as many stretches of equal length as there are iterations, at most :data:`STRETCHES`;
``evaluations`` what they earn without exploration (as they would be deployed).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from veaat_migration.experiments.cells import Cell
    from veaat_migration.learning.algorithms.interface import Algorithm

STRETCHES = 75
_CALLS = 2000
_REPEATS = 5


def run_cell(cell: Cell) -> dict[str, Any]:
    """Run a cell; an exception becomes ``{"error": ...}``."""
    try:
        return _run(cell)
    except Exception as error:  # one bad cell must not end a run of hundreds
        return {"error": f"{type(error).__name__}: {error}"}


def _run(cell: Cell) -> dict[str, Any]:
    import torch

    from veaat_migration.learning import algorithms
    from veaat_migration.learning.config import parse_config
    from veaat_migration.learning.evaluation import evaluate, reference
    from veaat_migration.learning.surroundings import Surroundings
    from veaat_migration.scenario.instance_file import instance_from_mapping

    torch.set_num_threads(1)
    began, worked = time.perf_counter(), time.process_time()
    config = parse_config(cell.training, f"cell {cell.key[:12]}")
    instance = instance_from_mapping(cell.game)
    equilibrium = reference(instance)
    if equilibrium is None:
        raise RuntimeError("no certified equilibrium was found for this game")
    learner = algorithms.create(
        instance, config, seed=cell.seed, surroundings=Surroundings.from_mapping(cell.surroundings)
    )
    looks = {
        round(k * config.iterations / cell.evaluations) for k in range(1, cell.evaluations + 1)
    }
    evaluations = []
    rewards: list[list[float]] = []
    while not learner.finished:
        rewards.append(learner.iterate().rewards)
        if learner.iteration in looks:
            evaluations.append(_look(learner))
    report = evaluate(learner, equilibrium)
    assert report.gaps is not None  # there is an equilibrium
    stretches = min(STRETCHES, config.iterations)
    parts = np.array_split(np.array(rewards), stretches)
    ends = np.cumsum([len(part) for part in parts])
    return {
        "method": cell.method,
        "seed": cell.seed,
        "algorithm": learner.config.algorithm,
        "iterations": learner.iteration,
        "steps": learner.steps,
        "warm_steps": config.stages.follower_iterations * learner.steps // learner.iteration,
        "n_rsus": instance.n_rsus,
        "n_avs": instance.n_avs,
        "equilibrium": {
            "status": equilibrium.status.value,
            "prices": equilibrium.prices.tolist(),
            "demand": equilibrium.demand.tolist(),
            "utilities": [*equilibrium.leader_utilities, *equilibrium.follower_utilities],
        },
        "rollout": {
            "steps": (ends * (learner.steps // learner.iteration)).tolist(),
            "utilities": [part.mean(0).tolist() for part in parts],
        },
        "evaluations": evaluations,
        "final": {
            "gaps": report.gaps.tolist(),
            "exploitability": report.exploitability,
            "restless": report.play.restless,
            "sparsity": learner.sparsity().tolist(),
            "widths": learner.widths,
        },
        "size": _size(learner),
        # All that another run with the same seed does not repeat:
        "times": {
            "seconds": time.perf_counter() - began,
            "processor_seconds": time.process_time() - worked,
            "decision_us": _decision_time(learner),
        },
    }


def _look(learner: Algorithm) -> dict[str, Any]:
    """Play without exploration, averaged over plays where it varies."""
    from veaat_migration.learning.evaluation import learned_plays

    plays = learned_plays(learner)
    utilities = [[*play.leader_utilities, *play.follower_utilities] for play in plays]
    return {
        "steps": learner.steps,
        "iteration": learner.iteration,
        "prices": np.mean([play.prices for play in plays], axis=0).tolist(),
        "demand": np.mean([play.demand for play in plays], axis=0).tolist(),
        "utilities": np.mean(utilities, axis=0).tolist(),
        "sparsity": float(learner.sparsity().mean()),
    }


def _size(learner: Algorithm) -> dict[str, list[int]] | None:
    """Parameters and hidden widths of every deployed actor, RSUs first; None without networks."""
    artifacts = _artifacts(learner)
    if artifacts is None:
        return None
    return {
        "parameters": [
            sum(layer.weight.size + layer.bias.size for layer in artifact.layers)
            for artifact in artifacts
        ],
        "hidden": [
            sum(len(layer.bias) for layer in artifact.layers[:-1]) for artifact in artifacts
        ],
    }


def _decision_time(learner: Algorithm) -> float | None:
    """Processor time of an AV's decision without PyTorch, least of some [us]."""
    from veaat_migration.policy.runtime import NumpyActor

    artifacts = _artifacts(learner)
    if artifacts is None:
        return None
    actor = NumpyActor(artifacts[-1])
    observation = np.zeros(artifacts[-1].schema.widths[0])
    best = np.inf
    for _ in range(_REPEATS):
        began = time.process_time()  # other runs share the cores
        for _ in range(_CALLS):
            actor.act(observation)
        best = min(best, time.process_time() - began)
    return float(1e6 * best / _CALLS)


def _artifacts(learner: Algorithm) -> Sequence[Any] | None:
    from veaat_migration.learning.export import export_policies
    from veaat_migration.learning.learner import Learner

    return export_policies(learner) if isinstance(learner, Learner) else None

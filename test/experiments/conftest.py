"""Results without training: plays at a known distance from the equilibrium."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veaat_migration.experiments.cells import Cell, Planner
from veaat_migration.experiments.declaration import Declaration, load_declaration
from veaat_migration.experiments.results import StudyResults, gather

PAPER = Path(__file__).parents[2] / "config" / "reproduce" / "paper.yaml"
LOOKS = 10

Gaps = Mapping[str, float]
"""Final gap of each method."""


def made_up(cell: Cell, gap: float) -> dict[str, Any]:
    """What a run would leave that ends ``gap`` beside the equilibrium, more or less."""
    generator = np.random.default_rng([cell.seed, len(cell.method)])
    v, r = int(cell.game["V"]), int(cell.game["R"])
    # As the paper has it: AVs lose by more AVs and win by more RSUs, RSUs the other way round.
    exact = np.concatenate([np.full(r, 10.0 * v / r), np.full(v, 20.0 + 30.0 / v - 12.0 / r)])
    steps = 1000 * LOOKS
    looks = []
    for k in range(1, LOOKS + 1):
        noise = gap * generator.uniform(0.9, 1.1) + 2.0 ** -(2 * k)
        looks.append(
            {
                "steps": 1000 * k,
                "iteration": k,
                "prices": [4.0] * r,
                "demand": [[3.0] * r] * v,
                "utilities": (exact * (1.0 + noise)).tolist(),
                "sparsity": 0.85,
            }
        )
    dense = cell.training["pruning"]["method"] == "none"
    return {
        "method": cell.method,
        "seed": cell.seed,
        "iterations": 20,
        "steps": steps,
        "warm_steps": 1000,
        "n_rsus": r,
        "n_avs": v,
        "equilibrium": {
            "status": "certified",
            "prices": [4.0] * r,
            "demand": [[3.0] * r] * v,
            "utilities": exact.tolist(),
        },
        "rollout": {
            "steps": [500 * k for k in range(1, 21)],
            "utilities": [
                (exact * (1 + gap * generator.normal(0, 1 + 20 / k))).tolist() for k in range(1, 21)
            ],
        },
        "evaluations": looks,
        "final": {
            "gaps": [gap] * (v + r),
            "exploitability": gap**2,
            "restless": 0.0,
            "sparsity": [0.0 if dense else 0.85] * (v + r),
            "widths": [12, 12],
        },
        "size": {"parameters": [9000 if dense else 500] * (v + r), "hidden": [24] * (v + r)},
        "times": {"seconds": 2.0, "processor_seconds": 1.0, "decision_us": 5.0},
    }


@pytest.fixture(scope="session")
def paper() -> Declaration:
    return load_declaration(PAPER)


@pytest.fixture(scope="session")
def plans(paper: Declaration) -> dict[str, list[Cell]]:
    planner = Planner(paper, PAPER.parent)
    return {name: planner.cells(study, range(1, 6)) for name, study in paper.studies.items()}


@pytest.fixture(scope="session")
def studies_with(
    paper: Declaration, plans: dict[str, list[Cell]]
) -> Callable[[Gaps], dict[str, StudyResults]]:
    """All studies, given how close each method comes; 10 % if nothing is said."""

    def make(gaps: Gaps) -> dict[str, StudyResults]:
        return {
            name: gather(
                paper.studies[name],
                paper.labels(),
                cells,
                {cell.key: made_up(cell, gaps.get(cell.method, 0.1)) for cell in cells},
            )
            for name, cells in plans.items()
        }

    return make

"""One run: what it leaves, and that it leaves the same again."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from veaat_migration.experiments.cells import Cell, Planner
from veaat_migration.experiments.declaration import Declaration
from veaat_migration.experiments.run_cell import run_cell

FOLDER = Path(__file__).parents[2] / "config" / "reproduce"


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def cell(paper: Declaration, method: str) -> Cell:
    study = paper.small().studies["base"].model_copy(update={"methods": (method,)})
    return Planner(paper, FOLDER).cells(study, [3])[0]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("method", ["tiny_ma_iei_ppo", "greedy"])
def test_a_run_leaves_the_same_numbers_again(paper: Declaration, method: str) -> None:
    first, second = (run_cell(cell(paper, method)) for _ in range(2))
    assert "error" not in first
    times = first.pop("times")
    assert set(times) == {"seconds", "processor_seconds", "decision_us"}
    second.pop("times")
    assert first == second
    assert (first["method"], first["seed"], first["steps"]) == (method, 3, 2400)
    assert [look["steps"] for look in first["evaluations"]] == [800, 1600, 2400]
    assert np.shape(first["rollout"]["utilities"]) == (6, 5)
    assert first["rollout"]["steps"][-1] == first["steps"]
    exact = np.array(first["equilibrium"]["utilities"])
    final = np.array(first["evaluations"][-1]["utilities"])
    np.testing.assert_allclose(first["final"]["gaps"], final / exact - 1.0, rtol=1e-6)
    assert first["equilibrium"]["prices"] == pytest.approx([4.3586, 5.3812], abs=1e-4)
    if method == "greedy":
        assert first["size"] is None
    else:
        assert first["size"]["hidden"] == [24] * 5
        assert first["size"]["parameters"] == [589, 589, 506, 506, 506]


def test_a_fault_is_told_not_raised(paper: Declaration) -> None:
    broken = dataclasses.replace(cell(paper, "random"), game={"V": 1})
    assert set(run_cell(broken)) == {"error"}

"""Which runs there are, which are shared, and what makes them others."""

from pathlib import Path

import pytest

from veaat_migration.experiments import cells as module
from veaat_migration.experiments.cells import Cell, Planner, environment_steps, unique, with_keys
from veaat_migration.experiments.declaration import Declaration, StudyPart
from veaat_migration.experiments.errors import ExperimentError
from veaat_migration.learning.config import parse_config

FOLDER = Path(__file__).parents[2] / "config" / "reproduce"


def test_figures_share_runs(plans: dict[str, list[Cell]]) -> None:
    keys = {name: {cell.key for cell in cells} for name, cells in plans.items()}
    assert len(keys["base"] & keys["pruning"]) == 5  # TinyMA-IEI-PPO
    assert len(keys["avs"] & keys["rsus"]) == 30  # V = 6, R = 2
    assert not keys["base"] & keys["avs"]
    everything = [cell for cells in plans.values() for cell in cells]
    assert len(unique(everything)) == len(everything) - 35


def test_every_method_plays_equally_many_rounds(plans: dict[str, list[Cell]]) -> None:
    for name, cells in plans.items():
        rounds = {environment_steps(parse_config(cell.training, name)) for cell in cells}
        assert rounds == {480_000 if name in ("base", "pruning") else 172_800}


def test_unequal_rounds_are_refused(paper: Declaration) -> None:
    study = paper.studies["base"].model_copy(update={"train": {"environment.rounds": 10}})
    with pytest.raises(ExperimentError, match="would play 96000 and 960000 rounds"):
        Planner(paper, FOLDER).cells(study, [1])


def test_a_run_is_known_by_all_that_decides_it(
    paper: Declaration, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(study: StudyPart, seed: int = 1, tuned: float | None = None) -> str:
        changes = {} if tuned is None else {"mappo": {"update.learning_rate": tuned}}
        return Planner(paper, FOLDER, changes).cells(study, [seed])[0].key

    base = paper.studies["base"].model_copy(update={"methods": ("mappo",)})
    known = {key(base)}
    assert key(base) in known
    others = [
        key(base, seed=2),
        key(base, tuned=2e-3),
        key(base.model_copy(update={"share": 0.5})),
        key(base.model_copy(update={"evaluations": 7})),
        key(base.model_copy(update={"fixed": {"price_max": 31.0}})),
        key(base.model_copy(update={"train": {"network.hidden": [20, 20]}})),
    ]
    monkeypatch.setattr(module, "code_version", lambda: "another")
    others.append(key(base))
    assert len(known | set(others)) == 1 + len(others)


def test_names_and_descriptions_decide_nothing(paper: Declaration) -> None:
    base = paper.studies["base"].model_copy(update={"methods": ("mappo",)})
    named = base.model_copy(update={"train": {"name": "x", "description": "y"}})
    planner = Planner(paper, FOLDER)
    assert planner.cells(base, [1])[0].key == planner.cells(named, [1])[0].key


def test_what_varies_reaches_games_and_training_files(plans: dict[str, list[Cell]]) -> None:
    assert {(c.place, c.game["V"], c.game["R"]) for c in plans["rsus"]} == {
        (n, 6, n) for n in (2, 4, 6)
    }
    assert all(c.game["capacity"] == [10.0] * c.game["R"] for c in plans["rsus"])
    for cell in plans["sparsity"]:
        assert cell.training["pruning"]["sparsity"] == cell.place
        assert cell.training["network"]["hidden"] == [200, 200]


def test_dotted_keys_change_a_copy() -> None:
    content = {"a": {"b": 1, "c": 2}, "d": 3}
    assert with_keys(content, {"a.b": 5, "e.f": 6}) == {
        "a": {"b": 5, "c": 2},
        "d": 3,
        "e": {"f": 6},
    }
    assert content == {"a": {"b": 1, "c": 2}, "d": 3}
    with pytest.raises(ExperimentError, match="d has no keys"):
        with_keys(content, {"d.x": 1})

"""The search: the same for all, recorded, and obeyed."""

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.errors import VeaatError
from veaat_migration.experiments.cells import Cell, Planner
from veaat_migration.experiments.declaration import Declaration
from veaat_migration.experiments.tuned import load_tuned
from veaat_migration.experiments.tuning import RECORD, drawn, load_tuning, plan, tune
from veaat_migration.learning.config import UpdatePart

CONFIG = Path(__file__).parents[2] / "config"
FOLDER = CONFIG / "reproduce"
PAPER, TUNING = FOLDER / "paper.yaml", FOLDER / "tuning.yaml"


class Better:
    """Runs that end the closer, the lower their learning rate is."""

    def run(
        self, cells: Sequence[Cell], tick: Callable[[], None]
    ) -> Iterator[tuple[Cell, dict[str, Any]]]:
        for cell in cells:
            tick()
            gap = 10.0 * cell.training["update"]["learning_rate"]
            looks = [{"steps": 144_000, "utilities": [1.0 + gap]}]
            yield (
                cell,
                {
                    "steps": 144_000,
                    "equilibrium": {"utilities": [1.0]},
                    "evaluations": looks,
                    "times": {"processor_seconds": 1.0},
                },
            )


def test_every_learning_method_gets_the_same_search(paper: Declaration) -> None:
    tuning = load_tuning(TUNING)
    assert set(tuning.space) == set(paper.methods) - {"greedy", "random"}
    trials = plan(paper, tuning, FOLDER)
    assert len(trials.cells) == len(tuning.space) * tuning.trials
    for cells in trials.cells.values():
        assert [cell.seed for cell in cells] == [101, 102]
        assert {cell.evaluations for cell in cells} == {1}
    assert not set(tuning.seeds) & set(range(1, paper.seeds + 1))


@given(st.integers(1, 20), st.integers(0, 1000))
def test_draws_are_within_their_ranges_and_the_same_again(trials: int, seed: int) -> None:
    ranges = {"a": (1e-4, 1e-2), "b": (0.5, 0.6)}
    found = drawn(ranges, trials, seed)
    assert found == drawn(ranges, trials, seed)
    assert len(found) == trials
    assert found[0] == {}
    for change in found[1:]:
        for key, (low, high) in ranges.items():
            assert 0.99 * low <= change[key] <= 1.01 * high


def test_the_best_is_recorded_and_used(tmp_path: Path) -> None:
    shutil.copytree(CONFIG, tmp_path / "config")
    folder = tmp_path / "config" / "reproduce"
    (folder / "tuned.yaml").unlink()
    out = tmp_path / "out"
    default = UpdatePart().learning_rate
    outcome, record = tune(
        folder / "paper.yaml", folder / "tuning.yaml", out, Better(), io.StringIO()
    )
    assert record is not None
    assert len(outcome.results) == 9 * 8 * 2
    for method in record.methods.values():
        rates = [trial.changes.get("update.learning_rate", default) for trial in method.trials]
        assert method.chosen.get("update.learning_rate", default) == min(rates)
        assert len(method.trials) == 8
    declared = load_declared(folder)
    assert load_tuned(folder / "paper.yaml", declared).changes == {}
    shutil.copy(out / RECORD, folder / "tuned.yaml")
    tuned = load_tuned(folder / "paper.yaml", declared)
    assert "8 trials of 144,000 rounds with 2 seeds" in tuned.text
    config = Planner(declared, folder, tuned.changes).config("maa2c", {}, 1.0)
    assert config.update.learning_rate == record.methods["maa2c"].chosen["update.learning_rate"]


def load_declared(folder: Path) -> Declaration:
    from veaat_migration.experiments.declaration import load_declaration

    return load_declaration(folder / "paper.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trials": 0}, "trials: must be >= 1"),
        ({"study": "none"}, "there is no none"),
        ({"own": {"x": {"update.clip": [0.1, 0.2]}}}, "there is no method x"),
        ({"own": {"mappo": {"update.clip": [0.2, 0.1]}}}, "own.mappo.update.clip: must rise"),
        ({"common": {"update.clip": [0.2, 0.1]}}, "common.update.clip: must rise"),
        ({"own": {"mappo": {"update.clip": [0.1, 0.2]}, "maa2c": {}}}, "as many keys"),
        ({"own": {"mappo": {"update.clap": [0.1, 0.2]}}}, "update.clap"),
    ],
)
def test_a_bad_search_is_named(
    tmp_path: Path, paper: Declaration, change: dict[str, Any], message: str
) -> None:
    file = tmp_path / "tuning.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(TUNING.read_text()), **change}))
    with pytest.raises(VeaatError, match=message):
        plan(paper, load_tuning(file), FOLDER)


def test_a_record_of_strangers_is_refused(tmp_path: Path, paper: Declaration) -> None:
    record = {
        "study": "base", "trials": 1, "seeds": [1], "rounds": 1, "processor_seconds": 0.0,
        "versions": {}, "methods": {"x": {"chosen": {}, "trials": []}},
    }  # fmt: skip
    (tmp_path / "tuned.yaml").write_text(yaml.safe_dump(record))
    with pytest.raises(VeaatError, match="methods: there is no x"):
        load_tuned(tmp_path / "paper.yaml", paper)
    (tmp_path / "tuned.yaml").write_text("trials: 1\n")
    with pytest.raises(VeaatError, match=r"tuned\.yaml"):
        load_tuned(tmp_path / "paper.yaml", paper)

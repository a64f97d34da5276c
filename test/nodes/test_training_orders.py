"""Which run is meant: parameters, goals, and what was interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from veaat_migration.errors import VeaatError
from veaat_migration.learning.worker_messages import TrainingOrder
from veaat_migration.nodes.specification import Value
from veaat_migration.nodes.trainer_parameters import MAX_SEED, TRAINER
from veaat_migration.nodes.training_orders import (
    GOAL_FILE,
    forget_goal,
    goal_order,
    keep_goal,
    kept_goal,
    own_order,
)


@dataclass
class Goal:
    config: str = ""
    scenario: str = ""
    seed: int = -1
    iterations: int = 0
    folder: str = ""
    fresh: bool = False


def values(**given: Value) -> dict[str, Value]:
    defaults = {spec.name: spec.default for spec in TRAINER}
    assert not given.keys() - defaults.keys()
    return {**defaults, **given}  # type: ignore[dict-item]


@pytest.fixture
def own(tmp_path: Path) -> TrainingOrder:
    return own_order(values(folder=str(tmp_path / "run"), seed=5, iterations=70, scenario="base"))


def test_the_parameters_are_an_order(own: TrainingOrder, tmp_path: Path, monkeypatch):
    assert own.config.name == "base.yaml"
    assert own.config.parent.name == "train"
    assert own.scenario is not None
    assert own.scenario.name == "base.yaml"
    assert (own.seed, own.iterations, own.folder) == (5, 70, tmp_path / "run")
    assert own.releases.folder == tmp_path / "run" / "releases"
    assert own.releases.signing_key is None
    assert not own.fresh
    config = own.read_config()
    assert config.iterations == 70
    assert Path(config.game) == own.scenario

    monkeypatch.chdir(tmp_path)
    default = own_order(values(signing_key="some.key", release_noise=0.5, keep_releases=2))
    assert default.folder == tmp_path / "runs" / "trainer-base"
    assert default.releases.signing_key == tmp_path / "some.key"
    assert default.releases.rule.absolute == 0.5
    assert default.releases.keep == 2
    assert default.scenario is None


def test_a_goal_changes_what_it_names(own: TrainingOrder, tmp_path: Path):
    assert goal_order(own, Goal()) == own
    order = goal_order(own, Goal(seed=0, iterations=9, folder=str(tmp_path / "x"), fresh=True))
    assert (order.seed, order.iterations, order.folder) == (0, 9, tmp_path / "x")
    assert order.fresh
    assert order.releases == own.releases  # wherever it trains, the node hands it out
    assert order.config == own.config


def test_another_training_file_brings_its_own_game(own: TrainingOrder):
    order = goal_order(own, Goal(config="mappo"))
    assert order.config.name == "mappo.yaml"
    assert (order.scenario, order.iterations, order.seed) == (None, 0, 5)
    order = goal_order(own, Goal(config="mappo", scenario="town"))
    assert order.scenario is not None
    assert order.scenario.name == "town.yaml"


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        (Goal(config="nothing"), "nothing: no such file"),
        (Goal(scenario="nothing"), "nothing: no such file"),
        (Goal(seed=MAX_SEED + 1), "seed: must be <="),
        (Goal(iterations=2**60), "iterations: must be <="),
    ],
)
def test_a_goal_without_meaning_is_explained(own: TrainingOrder, goal: Goal, message: str):
    with pytest.raises(VeaatError, match=message):
        goal_order(own, goal)


def test_an_interrupted_goal_is_remembered(own: TrainingOrder, tmp_path: Path):
    assert kept_goal(own) is None
    order = goal_order(own, Goal(config="mappo", folder=str(tmp_path / "x"), fresh=True))
    keep_goal(own, order)

    kept = kept_goal(own)

    assert kept is not None
    assert not kept.fresh  # what was done is not thrown away
    assert kept.to_mapping() == order.to_mapping()
    forget_goal(own)
    forget_goal(own)
    assert kept_goal(own) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"config": 1}', "\x00"])
def test_a_damaged_note_is_explained(own: TrainingOrder, content: str):
    own.folder.mkdir()
    (own.folder / GOAL_FILE).write_text(content)
    with pytest.raises(VeaatError, match=r"goal\.json"):
        kept_goal(own)

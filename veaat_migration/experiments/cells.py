"""Cells: one method in one game with one seed. Figures share those that they have in common.

A cell is known by a digest of everything that decides its numbers: the whole training
configuration, the game, the seed, when it is looked at, and the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch

import veaat_migration.game
import veaat_migration.learning
import veaat_migration.scenario
from veaat_migration.digests import canonical, code_digest, digest
from veaat_migration.experiments import run_cell
from veaat_migration.experiments.declaration import Changes, Declaration, StudyPart
from veaat_migration.experiments.errors import ExperimentError
from veaat_migration.learning.config import TrainingConfig, parse_config
from veaat_migration.learning.surroundings import Surroundings
from veaat_migration.policy import baselines, observation, scaling
from veaat_migration.scenario.build import build_instance
from veaat_migration.scenario.instance_file import instance_from_mapping, instance_to_mapping
from veaat_migration.scenario.load import looks_like_instance, scenario_from_mapping
from veaat_migration.scenario.text import read_file
from veaat_migration.studies.changes import changed

UNLEARNED = ("greedy", "random")
"""Algorithms without gradients."""
_UNLEARNED_EFFORT = 0.1
"""What a round of theirs takes, in rounds of one that learns."""


@dataclass(frozen=True)
class Cell:
    """One run. Plain data, fit to be sent to another process or machine."""

    key: str
    method: str
    place: Any
    """Value of what varies in its study; None where nothing does."""
    seed: int
    training: dict[str, Any] = field(repr=False)
    """Of a training file, complete."""
    game: dict[str, Any] = field(repr=False)
    """A plain instance."""
    surroundings: dict[str, Any] = field(repr=False)
    evaluations: int
    work: float = field(compare=False)
    """What it takes, in agents times rounds."""


@lru_cache(maxsize=1)
def code_version() -> str:
    """Digest of everything that decides what a run ends with.

    Of policies that is what training shares with them; how they are stored and run on a vehicle
    changes times only, which no second run repeats anyway.
    """
    modules = (
        veaat_migration.game,
        veaat_migration.learning,
        veaat_migration.scenario,
        baselines,
        observation,
        scaling,
        run_cell,
    )
    return code_digest(modules, (np.__version__, scipy.__version__, torch.__version__))


class Planner:
    """Turns a declaration into cells."""

    def __init__(
        self, declared: Declaration, folder: Path, tuned: Mapping[str, Changes] | None = None
    ) -> None:
        """Read what the declaration names.

        Args:
            declared: the studies.
            folder: from which the declaration's paths are seen.
            tuned: changes of each method's training file.

        Raises:
            ScenarioError: a file is unreadable or malformed.
        """
        self.declared, self._tuned = declared, dict(tuned or {})
        self._game = dict(read_file(folder / declared.game))
        self._files = {
            name: dict(read_file(folder / method.train))
            for name, method in declared.methods.items()
        }
        self._games: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {}

    def cells(self, study: StudyPart, seeds: Sequence[int]) -> list[Cell]:
        """All cells of a study: by place, then method, then seed.

        Raises:
            VeaatError: there is no such game or configuration, or methods would play unequally
                many rounds.
        """
        axis = study.axis
        found = []
        for place in (None,) if axis is None else axis[1]:
            vary = {} if axis is None else {axis[0]: place}
            fixed = {**study.fixed, **(vary if study.vary else {})}
            train = {**study.train, **(vary if study.vary_training else {})}
            steps = set()
            for method in study.methods:
                config = self.config(method, train, study.share)
                steps.add(environment_steps(config))
                found += [
                    self._cell(method, config, fixed, seed, study.evaluations, place)
                    for seed in seeds
                ]
            if len(steps) > 1:
                raise ExperimentError(
                    f"methods would play {' and '.join(map(str, sorted(steps)))} rounds: change "
                    "iterations, environment.rounds or environment.games of their training files"
                )
        return found

    def config(self, method: str, changes: Changes, share: float) -> TrainingConfig:
        """A method's training configuration.

        Args:
            method: its name.
            changes: on top of its file and of what was tuned.
            share: of the iterations; schedules are shares of them already.

        Raises:
            ScenarioError: there is no such configuration.
        """
        content = with_keys(self._files[method], {**self._tuned.get(method, {}), **changes})
        whole = parse_config(content, f"method {method}")
        stages = {
            "iterations": max(round(share * whole.iterations), 2),
            "stages.follower_iterations": round(share * whole.stages.follower_iterations),
        }
        return parse_config(with_keys(content, stages), f"method {method}")

    def _cell(
        self,
        method: str,
        config: TrainingConfig,
        fixed: Changes,
        seed: int,
        evaluations: int,
        place: Any,
    ) -> Cell:
        game, surroundings, agents = self._game_with(fixed)
        training = config.model_dump(mode="json")
        decisive = {k: v for k, v in training.items() if k not in ("name", "description", "game")}
        key = digest(
            code_version(),
            canonical(decisive),
            canonical(game),
            canonical(surroundings),
            str(seed),
            str(evaluations),
        )
        effort = _UNLEARNED_EFFORT if config.algorithm in UNLEARNED else 1.0
        work = effort * agents * environment_steps(config)
        return Cell(key, method, place, seed, training, game, surroundings, evaluations, work)

    def _game_with(self, fixed: Changes) -> tuple[dict[str, Any], dict[str, Any], int]:
        known = canonical(fixed)
        if known not in self._games:
            content = changed(self._game, fixed.items())
            if looks_like_instance(content):
                instance = instance_from_mapping(content)
                around = Surroundings.of_instance(instance)
            else:
                scenario = scenario_from_mapping(content)
                instance = build_instance(scenario)
                around = Surroundings.of_scenario(scenario)
            agents = instance.n_avs + instance.n_rsus
            self._games[known] = (instance_to_mapping(instance), around.to_mapping(), agents)
        return self._games[known]


def environment_steps(config: TrainingConfig) -> int:
    """Rounds that a run plays in all its games."""
    return config.iterations * config.environment.rounds * config.environment.games


def with_keys(content: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """A copy of a training file's content with values at dotted keys."""
    made = dict(content)
    for path, value in changes.items():
        part = made
        *parents, key = path.split(".")
        for parent in parents:
            inner = part.get(parent) or {}
            if not isinstance(inner, dict):
                raise ExperimentError(f"{path}: {parent} has no keys")
            part[parent] = part = dict(inner)
        part[key] = value
    return made


def unique(cells: Sequence[Cell]) -> list[Cell]:
    """Each run once, in order."""
    return list({cell.key: cell for cell in cells}.values())

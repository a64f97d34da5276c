"""The same search for hyperparameters for every method: random, declared, recorded.

``config/reproduce/tuning.yaml`` says what is searched. Trial 1 of every method is its training
file as it is shipped; the others are drawn, each value from its range on a logarithmic scale. All
methods get as many trials, runs, rounds and as many hyperparameters to draw.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TextIO

import numpy as np
import yaml
from pydantic import Field, ValidationError, model_validator

from veaat_migration.experiments.cells import Cell, Planner
from veaat_migration.experiments.declaration import Changes, Count, Declaration, load_declaration
from veaat_migration.experiments.engine import Outcome, run_cells
from veaat_migration.experiments.errors import ExperimentError
from veaat_migration.experiments.executors import Executor
from veaat_migration.experiments.reproduction import CELLS, versions
from veaat_migration.experiments.results import Runs
from veaat_migration.experiments.store import Store
from veaat_migration.experiments.tuned import TrialPart, TunedFile, TunedMethod
from veaat_migration.scenario.errors import ScenarioError
from veaat_migration.scenario.faults import faults_of_models
from veaat_migration.scenario.parts import Part, Positive, inconsistent
from veaat_migration.scenario.text import read_file

RECORD = "tuned.yaml"
_HEADER = """\
# Hyperparameters of every learning method, found by 'veaat reproduce --tune': the record of the
# search, with all trials. 'veaat reproduce' applies what is chosen.
"""
_DIGITS = 3

Range = Annotated[tuple[Positive, Positive], Field(strict=False)]


class _Plain(yaml.SafeDumper):
    """Writes what is the same twice, instead of referring to it."""

    def ignore_aliases(self, data: object) -> bool:
        """Never refer."""
        del data
        return True


class TuningFile(Part):
    """What is searched."""

    study: str = Field(description="whose game is played")
    share: Positive = Field(description="of the rounds of the training files")
    trials: Count
    seeds: Annotated[tuple[int, ...], Field(strict=False, min_length=1)]
    generator: int = Field(description="seed of what is drawn")
    common: dict[str, Range] = Field(description="keys that all methods search, and their ranges")
    own: dict[str, dict[str, Range]] = Field(description="what each method searches besides")

    @model_validator(mode="after")
    def _equal(self) -> TuningFile:
        problems = []
        if len({len(ranges) for ranges in self.space.values()}) > 1:
            problems.append("own: every method must have as many keys")
        places = {"common": self.common, **{f"own.{m}": ranges for m, ranges in self.own.items()}}
        for where, ranges in places.items():
            for key, (low, high) in ranges.items():
                if low >= high:
                    problems.append(f"{where}.{key}: must rise, got {low:g}, {high:g}")
        if problems:
            raise inconsistent(problems)
        return self

    @property
    def space(self) -> dict[str, dict[str, tuple[float, float]]]:
        """All keys of each method and their ranges."""
        return {method: {**self.common, **ranges} for method, ranges in self.own.items()}


@dataclass(frozen=True)
class Trials:
    """Cells of all trials, and what each changes."""

    changes: Mapping[str, Sequence[Changes]]
    cells: Mapping[tuple[str, int], Sequence[Cell]]
    """By method and number of the trial, from 0; one per seed."""


def load_tuning(path: Path) -> TuningFile:
    """A tuning file.

    Raises:
        ScenarioError: it is unreadable or malformed.
    """
    try:
        return TuningFile.model_validate(read_file(path))
    except ValidationError as error:
        raise ScenarioError(faults_of_models(error, {(): TuningFile}), str(path)) from error


def drawn(ranges: Mapping[str, tuple[float, float]], trials: int, seed: int) -> list[Changes]:
    """Changes of every trial; the first changes nothing."""
    generator = np.random.default_rng(seed)
    made: list[Changes] = [{}]
    for _ in range(trials - 1):
        shares = generator.random(len(ranges))
        made.append({
            key: float(f"{low * (high / low) ** share:.{_DIGITS}g}")
            for (key, (low, high)), share in zip(ranges.items(), shares, strict=True)
        })  # fmt: skip
    return made


def plan(declared: Declaration, tuning: TuningFile, folder: Path) -> Trials:
    """All cells of a search.

    Raises:
        VeaatError: the file names what does not exist, or a value that cannot be.
    """
    if tuning.study not in declared.studies:
        raise ExperimentError(f"tuning: study: there is no {tuning.study}")
    unknown = sorted(set(tuning.space) - set(declared.methods))
    if unknown:
        raise ExperimentError(f"tuning: own: there is no method {', '.join(unknown)}")
    changes = {m: drawn(r, tuning.trials, tuning.generator) for m, r in tuning.space.items()}
    cells: dict[tuple[str, int], Sequence[Cell]] = {}
    base = declared.studies[tuning.study]
    for method, trials in changes.items():
        for number, change in enumerate(trials):
            study = base.model_copy(
                update={
                    "methods": (method,),
                    "share": tuning.share,
                    "evaluations": 1,
                    "train": {**base.train, **change},
                }
            )
            cells[method, number] = Planner(declared, folder).cells(study, tuning.seeds)
    return Trials(changes, cells)


def tune(
    declaration: Path,
    file: Path,
    folder: Path,
    executor: Executor,
    stream: TextIO,
    *,
    smoke: bool = False,
    fresh: bool = False,
) -> tuple[Outcome, TunedFile | None]:
    """Search, and write the record ``tuned.yaml`` into ``folder``.

    Args:
        declaration: file of studies.
        file: tuning file.
        folder: of the results.
        executor: where runs happen.
        stream: for the progress bar.
        smoke: two tiny trials of each method.
        fresh: forget earlier results.

    Returns:
        The runs, and the record; None if runs are missing.

    Raises:
        VeaatError: a file is unusable, or a result cannot be kept.
    """
    declared, tuning = load_declaration(declaration), load_tuning(file)
    if smoke:
        declared = declared.small()
        tuning = tuning.model_copy(update={"trials": 2, "share": declared.smoke.share})
    trials = plan(declared, tuning, declaration.parent)
    store = Store(folder / CELLS)
    if fresh:
        store.clear()
    cells = [cell for each in trials.cells.values() for cell in each]
    outcome = run_cells(cells, store, executor, stream)
    if outcome.interrupted or outcome.failed:
        return outcome, None
    record = _record(tuning, trials, outcome)
    content = record.model_dump(mode="json")
    text = _HEADER + yaml.dump(
        content, Dumper=_Plain, sort_keys=False, width=100, default_flow_style=None
    )
    (folder / RECORD).write_text(text, encoding="utf-8")
    return outcome, record


def _record(tuning: TuningFile, trials: Trials, outcome: Outcome) -> TunedFile:
    methods = {}
    steps: set[int] = set()
    for method, changes in trials.changes.items():
        found = []
        for number, change in enumerate(changes):
            runs = Runs([outcome.results[cell.key] for cell in trials.cells[method, number]])
            steps.add(int(runs.first["steps"]))
            found.append(TrialPart(changes=change, gaps=tuple(runs.final_gap.round(6).tolist())))
        best = min(found, key=lambda trial: _score(trial.gaps))
        methods[method] = TunedMethod(chosen=best.changes, trials=tuple(found))
    return TunedFile(
        study=tuning.study,
        trials=tuning.trials,
        seeds=tuning.seeds,
        rounds=max(steps),
        processor_seconds=round(outcome.processor_seconds, 1),
        versions=versions(),
        methods=methods,
    )


def _score(gaps: Sequence[float]) -> float:
    """Geometric mean: one lucky or unlucky run does not decide alone."""
    return statistics.geometric_mean([max(gap, 1e-9) for gap in gaps])

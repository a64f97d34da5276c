"""The record of a search for hyperparameters, which ships and which the full run obeys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from veaat_migration.experiments.declaration import Changes, Declaration
from veaat_migration.experiments.errors import ExperimentError
from veaat_migration.scenario.errors import ScenarioError
from veaat_migration.scenario.faults import faults_of_models
from veaat_migration.scenario.parts import Part
from veaat_migration.scenario.text import read_file


class TrialPart(Part):
    """One choice of hyperparameters."""

    changes: Changes
    gaps: Annotated[tuple[float, ...], Field(strict=False)]
    """Largest utility gap after each seed's run."""


class TunedMethod(Part):
    """What was found for one method."""

    chosen: Changes
    trials: Annotated[tuple[TrialPart, ...], Field(strict=False)]


class TunedFile(Part):
    """A whole record."""

    study: str
    trials: int
    seeds: Annotated[tuple[int, ...], Field(strict=False)]
    rounds: int = Field(description="of each run")
    processor_seconds: float
    versions: dict[str, str]
    methods: dict[str, TunedMethod]


@dataclass(frozen=True)
class Tuned:
    """Changes of training files, and where they come from in a sentence."""

    changes: Mapping[str, Changes]
    text: str


def load_tuned(file: Path, declared: Declaration) -> Tuned:
    """The record that a declaration names, if it is there.

    Args:
        file: the declaration's.
        declared: its content.

    Raises:
        ScenarioError: the record is malformed.
        ExperimentError: it is of other methods.
    """
    untuned = Tuned({}, "training files as they are shipped; no search for hyperparameters")
    if declared.tuned is None:
        return untuned
    path = file.parent / declared.tuned
    if not path.is_file():
        return untuned
    content: Any = read_file(path)
    try:
        record = TunedFile.model_validate(content)
    except ValidationError as error:
        raise ScenarioError(faults_of_models(error, {(): TunedFile}), str(path)) from error
    strangers = sorted(set(record.methods) - set(declared.methods))
    if strangers:
        raise ExperimentError(f"{path}: methods: there is no {', '.join(strangers)}")
    text = (
        f"the same search for every learning method: {record.trials} trials of {record.rounds:,} "
        f"rounds with {len(record.seeds)} seeds that are not used otherwise; the first trial is "
        "the shipped training file"
    )
    return Tuned({name: method.chosen for name, method in record.methods.items()}, text)

"""Declared studies: the file that says what is run and drawn, typed and checked.

``config/reproduce/paper.yaml`` is the example and the default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from veaat_migration.experiments.errors import ExperimentError
from veaat_migration.scenario.errors import ScenarioError
from veaat_migration.scenario.faults import faults_of_models
from veaat_migration.scenario.parts import Name, Part, Positive
from veaat_migration.scenario.text import read_file

Count = Annotated[int, Field(ge=1)]
Names = Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]
Changes = dict[str, Any]
"""Values by path, such as ``update.learning_rate`` or ``rsus.capacity``."""

LEARNING, UTILITIES, STRATEGIES = "learning", "utilities", "strategies"
SIZES, SPARSITY = "sizes", "sparsity"
Kind = Literal["learning", "utilities", "strategies", "sizes", "sparsity"]


class MethodPart(Part):
    """One way to play or learn."""

    label: Name
    train: str = Field(description="training file, seen from this file")


class StudyPart(Part):
    """Methods in one or several games."""

    methods: Names
    share: Positive = Field(default=1.0, description="of the rounds that training files ask for")
    evaluations: Count = Field(default=5, description="looks at play without exploration")
    fixed: Changes = Field(default_factory=dict, alias="set", description="changes of the game")
    vary: dict[str, Annotated[tuple[Any, ...], Field(strict=False, min_length=1)]] = Field(
        default_factory=dict, description="one field of the game and its values"
    )
    train: Changes = Field(default_factory=dict, description="changes of all training files")
    vary_training: dict[str, Annotated[tuple[Any, ...], Field(strict=False, min_length=1)]] = Field(
        default_factory=dict, description="one key of the training files and its values"
    )

    @property
    def axis(self) -> tuple[str, tuple[Any, ...]] | None:
        """What varies, and its values."""
        for varied in (self.vary, self.vary_training):
            for path, values in varied.items():
                return path, values
        return None


class FigurePart(Part):
    """One figure."""

    study: Name
    kind: Kind
    title: str
    methods: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """Of the study; all of them if empty."""
    quantity: Literal["av_reward", "rsu_reward"] = "av_reward"


class SmokePart(Part):
    """What makes every study tiny."""

    seeds: Count = 1
    share: Positive = 1.0
    evaluations: Count = 2
    train: Changes = Field(default_factory=dict)
    vary: dict[str, Annotated[tuple[Any, ...], Field(strict=False)]] = Field(default_factory=dict)
    vary_training: dict[str, Annotated[tuple[Any, ...], Field(strict=False)]] = Field(
        default_factory=dict
    )


class Declaration(Part):
    """A whole file."""

    game: str
    tuned: str | None = None
    seeds: Count = 5
    methods: dict[Name, MethodPart]
    studies: dict[Name, StudyPart]
    figures: dict[Name, FigurePart]
    smoke: SmokePart = Field(default_factory=SmokePart)

    def small(self) -> Declaration:
        """The same with every study tiny."""
        smoke = self.smoke
        studies = {
            name: study.model_copy(
                update={
                    "share": smoke.share,
                    "evaluations": smoke.evaluations,
                    "train": {**study.train, **smoke.train},
                    "vary": {k: smoke.vary.get(k, v) for k, v in study.vary.items()},
                    "vary_training": {
                        k: smoke.vary_training.get(k, v) for k, v in study.vary_training.items()
                    },
                }
            )
            for name, study in self.studies.items()
        }
        return self.model_copy(update={"seeds": smoke.seeds, "studies": studies})

    def labels(self) -> dict[str, str]:
        """How methods are called."""
        return {name: method.label for name, method in self.methods.items()}


_MODELS: dict[tuple[str | int, ...], type[Part]] = {(): Declaration, ("smoke",): SmokePart}


def load_declaration(path: Path) -> Declaration:
    """A file of studies.

    Raises:
        ScenarioError: it is unreadable or malformed; all faults in one message.
        ExperimentError: its parts do not fit together.
    """
    try:
        found = Declaration.model_validate(read_file(path))
    except ValidationError as error:
        raise ScenarioError(faults_of_models(error, _MODELS), str(path)) from error
    problems = list(_problems(found))
    if problems:
        raise ExperimentError(f"{path}: " + "; ".join(problems))
    return found


def _problems(found: Declaration) -> list[str]:
    problems = []
    for name, study in found.studies.items():
        for method in study.methods:
            if method not in found.methods:
                problems.append(f"studies.{name}.methods: {method} is not among the methods")
        if len(study.vary) + len(study.vary_training) > 1:
            problems.append(f"studies.{name}: one thing may vary, not several")
    for name, figure in found.figures.items():
        if figure.study not in found.studies:
            problems.append(f"figures.{name}.study: there is no study {figure.study}")
            continue
        study = found.studies[figure.study]
        strangers = sorted(set(figure.methods) - set(study.methods))
        if strangers:
            unknown = ", ".join(strangers)
            problems.append(f"figures.{name}.methods: study {figure.study} has no {unknown}")
        if figure.kind in (SIZES, SPARSITY) and study.axis is None:
            problems.append(f"figures.{name}: in study {figure.study} nothing varies")
    return problems

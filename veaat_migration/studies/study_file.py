"""Study files: a study as YAML, checked, with paths in every error.

::

    base: ../base.yaml                  # scenario or plain instance, seen from this file
    set: {rsus.capacity: 10}            # what differs from it at every point
    vary: {n_avs: 3:30:3}               # what varies: text as in --vary, or a list
    variants: {free: {rsus.capacity: null}, limited: {}}
    plot: {metrics: [av_utility_mean], title: Fig. 6}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from veaat_migration.scenario.errors import ScenarioError, shown
from veaat_migration.scenario.faults import faults_of_models
from veaat_migration.scenario.parts import Name, Part, Positive
from veaat_migration.scenario.text import read_file
from veaat_migration.studies.changes import Change, check_path
from veaat_migration.studies.errors import StudyError
from veaat_migration.studies.evaluate import METRICS
from veaat_migration.studies.players import COUNTS
from veaat_migration.studies.ranges import Value, is_count, parse_values
from veaat_migration.studies.study import TIME_LIMIT, Axis, Figure, Study, Variant


class PlotFile(Part):
    """What to draw."""

    x: str | None = None
    metrics: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = Figure.metrics
    log: Annotated[tuple[Literal["x", "y"], ...], Field(strict=False)] = ()
    title: str | None = None


class StudyFile(Part):
    """A whole study file."""

    name: Name | None = None
    description: str = ""
    base: str
    fixed: dict[str, Any] = Field(default_factory=dict, alias="set")
    vary: dict[str, Any] = Field(min_length=1)
    variants: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    certificate: bool = True
    time_limit: Positive = TIME_LIMIT
    plot: PlotFile = Field(default_factory=PlotFile)


_MODELS: dict[tuple[str | int, ...], type[Part]] = {(): StudyFile, ("plot",): PlotFile}


def load_study(path: Path) -> Study:
    """A study file, or a scenario or plain instance as a study in which nothing varies yet.

    Raises:
        ScenarioError: a file is unreadable or malformed; all faults in one message.
        StudyError: the study makes no sense.
    """
    content = read_file(path)
    if not _looks_like_study(content):
        return Study(name=path.stem, content=_game(content, path))
    try:
        file = StudyFile.model_validate(content)
    except ValidationError as error:
        raise ScenarioError(faults_of_models(error, _MODELS), str(path)) from error
    base = path.parent / file.base
    try:
        return Study(
            name=file.name or path.stem,
            content=_game(read_file(base), base),
            fixed=_changes("set", file.fixed),
            axes=tuple(Axis(check_path(key), _values(key, v)) for key, v in file.vary.items()),
            variants=tuple(
                Variant(name, _changes(f"variants.{name}", changes))
                for name, changes in file.variants.items()
            ),
            certify=file.certificate,
            time_limit=file.time_limit,
            figure=Figure(
                metrics=tuple(check_metric(metric) for metric in file.plot.metrics),
                x=file.plot.x,
                log=frozenset(file.plot.log),
                title=file.plot.title,
            ),
        )
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from error


def check_metric(name: str) -> str:
    """The name of a metric itself.

    Raises:
        StudyError: there is no such metric.
    """
    if name not in METRICS:
        raise StudyError(f"metric {name!r}: must be one of {', '.join(METRICS)}")
    return name


def check_change(where: str, path: str, value: Any) -> Change:
    """A change of one field.

    Raises:
        StudyError: the path is malformed, or a number of players is no whole number.
    """
    check_path(path)
    if path in COUNTS and not is_count(value):
        raise StudyError(f"{where}: {path} must be a whole number from 1, got {shown(value)}")
    return path, value


def _looks_like_study(content: Any) -> bool:
    return isinstance(content, Mapping) and ("vary" in content or "base" in content)


def _game(content: Any, path: Path) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ScenarioError("must be a scenario, a plain game instance or a study", str(path))
    return content


def _changes(where: str, changes: Mapping[str, Any]) -> tuple[Change, ...]:
    return tuple(check_change(where, path, value) for path, value in changes.items())


def _values(path: str, value: Any) -> tuple[Value, ...]:
    """Values of an axis: text as on the command line, one value, or a list of values."""
    if isinstance(value, str):
        try:
            return parse_values(value, whole=path in COUNTS)
        except StudyError as error:
            raise StudyError(f"vary.{path}: {error}") from error
    values = value if isinstance(value, list) else [value]
    for item in values:
        plain = item is None or isinstance(item, bool | int | float | str)
        if not plain or (isinstance(item, float) and not math.isfinite(item)):
            raise StudyError(f"vary.{path}: must be numbers or words, got {shown(item)}")
    return tuple(values)

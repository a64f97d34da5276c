"""A study: a game, what is fixed, what varies, and the points that follow."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from veaat_migration.studies.changes import Change, changed
from veaat_migration.studies.errors import StudyError
from veaat_migration.studies.players import COUNTS
from veaat_migration.studies.ranges import Value, is_count

MAX_POINTS = 100_000
TIME_LIMIT = 60.0
"""Default time for the search at one point [s]."""


@dataclass(frozen=True)
class Axis:
    """One field and the values it takes."""

    path: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise StudyError(f"{self.path}: no values")
        if self.path in COUNTS:
            for value in self.values:
                if not is_count(value):
                    raise StudyError(f"{self.path}: must be whole numbers from 1, got {value}")

    @property
    def numeric(self) -> bool:
        """Whether all values are numbers."""
        return all(
            isinstance(value, int | float) and not isinstance(value, bool) for value in self.values
        )


@dataclass(frozen=True)
class Variant:
    """One version of the game; each is studied at all points."""

    name: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Figure:
    """What to draw."""

    metrics: tuple[str, ...] = ("av_utility_mean", "rsu_utility_mean", "price_mean", "bandwidth")
    """One panel each."""
    x: str | None = None
    """Field on the horizontal axis; None: the first that varies."""
    log: frozenset[str] = frozenset()
    """Logarithmic axes, of ``x`` and ``y``."""
    title: str | None = None


@dataclass(frozen=True)
class Point:
    """One game of a study."""

    number: int
    """From 1."""
    variant: str
    """Empty where the study has no variants."""
    values: tuple[Value, ...]
    """One per axis."""
    changes: tuple[Change, ...]
    """Everything that differs from the file."""


@dataclass(frozen=True)
class Study:
    """Everything that defines a study."""

    name: str
    content: dict[str, Any] = field(repr=False)
    """Of the scenario or plain instance file."""
    fixed: tuple[Change, ...] = ()
    axes: tuple[Axis, ...] = ()
    variants: tuple[Variant, ...] = ()
    certify: bool = True
    time_limit: float = TIME_LIMIT
    figure: Figure = Figure()

    def __post_init__(self) -> None:
        size = max(1, len(self.variants)) * math.prod(len(axis.values) for axis in self.axes)
        if size > MAX_POINTS:
            raise StudyError(f"{size} points; at most {MAX_POINTS} are possible")
        if not self.time_limit > 0:
            raise StudyError(f"time_limit: must be > 0 s, got {self.time_limit:g}")
        if self.figure.x is not None and self.figure.x not in self.paths:
            raise StudyError(
                f"plot.x: must be a field that varies ({', '.join(self.paths) or 'none does'}), "
                f"got {self.figure.x}"
            )

    @property
    def paths(self) -> tuple[str, ...]:
        """The fields that vary."""
        return tuple(axis.path for axis in self.axes)

    def points(self) -> list[Point]:
        """All points: each variant with each combination of values, the last field fastest."""
        return [
            Point(number, variant.name, values, self._changes(variant, values))
            for number, (variant, values) in enumerate(self._combinations(), start=1)
        ]

    def game(self, point: Point) -> dict[str, Any]:
        """Content of the file that describes this point.

        Raises:
            StudyError: a change cannot be made.
        """
        return changed(self.content, point.changes)

    def _combinations(self) -> Iterator[tuple[Variant, tuple[Value, ...]]]:
        grid = list(itertools.product(*(axis.values for axis in self.axes)))
        for variant in self.variants or (Variant("", ()),):
            for values in grid:
                yield variant, values

    def _changes(self, variant: Variant, values: tuple[Value, ...]) -> tuple[Change, ...]:
        return (*self.fixed, *variant.changes, *zip(self.paths, values, strict=True))


def label(point: Point, paths: tuple[str, ...]) -> str:
    """A point in words, for messages."""
    parts = [f"{path}={value}" for path, value in zip(paths, point.values, strict=True)]
    return ", ".join([point.variant, *parts] if point.variant else parts) or "the game as it is"

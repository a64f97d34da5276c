"""Finished studies: every point with its record, as lines over one field, and as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from veaat_migration.studies.evaluate import LISTS, METRICS, Record
from veaat_migration.studies.ranges import Value
from veaat_migration.studies.study import Point, Study


@dataclass(frozen=True)
class Line:
    """Points that differ in one field only."""

    name: str
    """Variant and other fields; empty if there is only one line."""
    points: tuple[tuple[Value, Record], ...]
    """Value of the field and what came of it, in the order of the study."""


@dataclass(frozen=True)
class Results:
    """A study with what is known about its points."""

    study: Study
    records: dict[int, Record]
    """By number of the point; points that were not reached are missing."""

    @property
    def x(self) -> str | None:
        """The field for the horizontal axis: as wished, or the first that takes two values."""
        if self.study.figure.x is not None:
            return self.study.figure.x
        several = [axis.path for axis in self.study.axes if len(axis.values) > 1]
        return several[0] if several else next(iter(self.study.paths), None)

    def lines(self) -> list[Line]:
        """All finished points, one line for each combination of everything but :attr:`x`."""
        if self.x is None:
            return []
        column = self.study.paths.index(self.x)
        found: dict[str, list[tuple[Value, Record]]] = {}
        for point in self.study.points():
            if point.number in self.records:
                name = self._name(point, column)
                entry = (point.values[column], self.records[point.number])
                found.setdefault(name, []).append(entry)
        return [Line(name, tuple(points)) for name, points in found.items()]

    def _name(self, point: Point, column: int) -> str:
        parts = [point.variant] if point.variant else []
        for k, axis in enumerate(self.study.axes):
            if k != column and len(axis.values) > 1:
                parts.append(f"{axis.path} = {_text(point.values[k])}")
        return ", ".join(parts)


def write_csv(path: Path, results: Results) -> None:
    """One row per finished point; lists become one column per player."""
    study, records = results.study, results.records
    widths = {
        name: max((len(record.lists.get(name, ())) for record in records.values()), default=0)
        for name in LISTS
    }
    header = [
        "point", *(["variant"] if study.variants else []), *study.paths,
        "status", "reason", "V", "R", "followers_unique", *METRICS,
        *(f"{name}_{k + 1}" for name, width in widths.items() for k in range(width)),
    ]  # fmt: skip
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for point in study.points():
            if point.number in records:
                writer.writerow(_row(study, point, records[point.number], widths))
    unfinished.replace(path)


def _row(study: Study, point: Point, record: Record, widths: dict[str, int]) -> Iterator[str]:
    yield str(point.number)
    if study.variants:
        yield point.variant
    yield from map(_text, point.values)
    yield record.status
    yield " ".join(record.reason.split())
    for value in (record.n_avs, record.n_rsus, record.followers_unique):
        yield _text(value)
    for name in METRICS:
        yield _number(record.metrics.get(name, math.nan))
    for name, width in widths.items():
        values = record.lists.get(name, [])
        yield from map(_number, values)
        yield from [""] * (width - len(values))


def _number(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def _text(value: Value) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "true", False: "false"}[value]
    return str(value)

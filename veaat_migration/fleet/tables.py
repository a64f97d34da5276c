"""The numbers of a comparison as CSV files and as a table for a terminal."""

from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from veaat_migration.fleet.comparison import Comparison
from veaat_migration.fleet.metrics import METRICS, Metric
from veaat_migration.fleet.runs import COLUMNS
from veaat_migration.fleet.statistics import Estimate

RUNS_FILE, MIGRATIONS_FILE, SUMMARY_FILE, LOADS_FILE = (
    "runs.csv",
    "migrations.csv",
    "summary.csv",
    "rsus.csv",
)
_COUNTS = (
    "vehicles", "most_vehicles", "requests", "in_range", "completed", "late", "deployments",
    "games", "kills", "violations", "checked_steps", "expected", "seconds", "wall_seconds",
    "processor_seconds", "peak_mib",
)  # fmt: skip
SHOWN = ("success", "missed", "total", "downtime", "unserved", "age", "paid", "earned", "surplus",
         "fair_avs", "fair_rsus", "load")  # fmt: skip
"""Metrics in the terminal's table."""


def write_tables(folder: Path, comparison: Comparison) -> list[Path]:
    """Write all CSV files; returns them.

    Raises:
        OSError: a file cannot be written.
    """
    names = [metric.name for metric in METRICS]
    done = [
        comparison.results[task.policy, task.seed]
        for task in comparison.tasks
        if (task.policy, task.seed) in comparison.results
    ]
    outcomes = sorted({name for result in done for name in result["outcomes"]})
    _write(
        folder / RUNS_FILE,
        ("policy", "seed", *names, *_COUNTS, *outcomes),
        (
            [
                result["policy"],
                result["seed"],
                *(_number(result[name]) for name in (*names, *_COUNTS)),
                *(result["outcomes"].get(name, 0) for name in outcomes),
            ]
            for result in done
        ),
    )
    _write(
        folder / SUMMARY_FILE,
        ("policy", "metric", "unit", "mean", "low", "high", "seeds"),
        (
            [policy, m.name, m.unit or ("1" if m.percent else ""), _number(e.value),
             _number(e.low), _number(e.high), e.count]
            for policy in policies_of(comparison)
            for m, e in ((m, comparison.estimates(policy)[m.name]) for m in METRICS)
        ),
    )  # fmt: skip
    keys = ("load", "hosted", "profit", "arrived", "reputation")
    _write(
        folder / LOADS_FILE,
        ("policy", "seed", "rsu", *keys),
        (
            [result["policy"], result["seed"], name,
             *(_number(result["rsus"][key][j]) for key in keys)]
            for result in done
            for j, name in enumerate(result["rsus"]["name"])
        ),
    )  # fmt: skip
    _join_migrations(folder / MIGRATIONS_FILE, comparison)
    return [folder / name for name in (RUNS_FILE, SUMMARY_FILE, LOADS_FILE, MIGRATIONS_FILE)]


def _join_migrations(path: Path, comparison: Comparison) -> None:
    with path.open("w", encoding="utf-8", newline="") as joined:
        csv.writer(joined, lineterminator="\n").writerow(COLUMNS)
        for task in comparison.tasks:
            if (task.policy, task.seed) not in comparison.results:
                continue
            with task.migrations_file.open(encoding="utf-8", newline="") as one:
                one.readline()
                shutil.copyfileobj(one, joined)


def text_table(comparison: Comparison) -> str:
    """Policies in rows, mean and half the interval's width in columns."""
    metrics = [metric for metric in METRICS if metric.name in SHOWN]
    header = ["policy", *(metric.label for metric in metrics)]
    rows = []
    for policy in policies_of(comparison):
        found = comparison.estimates(policy)
        rows.append([policy, *(with_error(metric, found[metric.name]) for metric in metrics)])
    halves = [header[: 1 + len(metrics) // 2], [header[0], *header[1 + len(metrics) // 2 :]]]
    cut = 1 + len(metrics) // 2
    parts = [[row[:cut] for row in rows], [[row[0], *row[cut:]] for row in rows]]
    return "\n\n".join(_aligned([names, *part]) for names, part in zip(halves, parts, strict=True))


def with_error(metric: Metric, found: Estimate) -> str:
    """A mean with half the width of its interval."""
    if not math.isfinite(found.value):
        return "-"
    value = metric.shown(found.value)
    half = metric.shown(0.5 * (found.high - found.low))
    return f"{_digits(value)} ± {_digits(half)}" if found.count > 1 else _digits(value)


def with_interval(metric: Metric, found: Estimate, *, sign: bool = False) -> str:
    """A mean with its interval."""
    if not math.isfinite(found.value):
        return "–"
    shown = [metric.shown(x) for x in (found.value, found.low, found.high)]
    value, low, high = (("+" if sign and x > 0 else "") + _digits(x) for x in shown)
    return f"{value} [{low}, {high}]" if found.count > 1 else value


def _digits(value: float) -> str:
    """Three digits, without an exponent."""
    if value == 0.0 or not math.isfinite(value):
        return f"{value:.0f}"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(places, 4)}f}"


def policies_of(comparison: Comparison) -> list[str]:
    """Those with a result, in the order of the wish."""
    known = {policy for policy, _ in comparison.results}
    return [policy for policy in comparison.wish.policies if policy in known]


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _number(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.7g}" if math.isfinite(value) else ""
    return value


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)

"""Panels and comparisons as CSV. The same runs give the same bytes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from veaat_migration.experiments.panels import Panel


def write_panels(path: Path, panels: Sequence[Panel]) -> None:
    """Every curve of a figure: a row per panel, line and place.

    Columns: panel, line, x, interquartile mean with its 95 % interval, the paper's mean and
    standard deviation, then each run by itself. The equilibrium is a line of its own.
    """
    most = max(len(series.runs) for panel in panels for series in panel.series)
    header = ["panel", "line", "x", "iqm", "low", "high", "mean", "std",
              *(f"run_{k + 1}" for k in range(most))]  # fmt: skip
    rows: list[list[str]] = []
    for panel in panels:
        for series in panel.series:
            for k, x in enumerate(series.x):
                runs = series.runs[:, k]
                spread = float(runs.std(ddof=1)) if len(runs) > 1 else 0.0
                numbers = [x, *series.estimates[:, k], runs.mean(), spread, *runs]
                rows.append([panel.name, series.label, *map(number, numbers)])
            if series.reference is not None:
                for x, value in zip(series.x, series.reference, strict=True):
                    name = f"equilibrium {series.label}"
                    rows.append([panel.name, name, number(x), number(value)])
        if panel.equilibrium is not None:
            for x, value in zip(*panel.equilibrium, strict=True):
                rows.append([panel.name, "equilibrium", number(x), number(value)])
    write_rows(path, header, rows)


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table; a reader sees all of it or nothing."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    unfinished.replace(path)


def number(value: float) -> str:
    """Enough digits to be compared, none of rounding."""
    return "" if not np.isfinite(value) else f"{value:.9g}"

"""A study as a figure: one panel per metric, one line per variant or further field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, ScalarFormatter

from veaat_migration.analysis.plot_parts import (
    COLUMN_WIDTH,
    FEW,
    GREY,
    Handles,
    figure,
    legend_below,
    style,
)
from veaat_migration.studies.evaluate import CERTIFIED, METRICS, NOT_UNIQUE
from veaat_migration.studies.players import N_AVS, N_RSUS
from veaat_migration.studies.results import Line, Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABELS = {N_AVS: "Number of AVs $V$", N_RSUS: "Number of RSUs $R$"}
_STATES = {
    CERTIFIED: ("o", True, "certified"),
    NOT_UNIQUE: ("o", False, "certified, not unique"),
    "infeasible_followers": ("^", False, "AVs miss delay limits"),
    "unchecked": ("s", False, "unchecked"),
    "cycling": ("X", True, "cycling"),
    "not_converged": ("X", True, "not converged"),
}
"""Marker, whether filled, and words for each state of a point with an answer."""
_WRONG = "#d40000"
_MOST_TICKS = 12
_DASHES = ("-", (0, (5, 2)), (0, (3, 3)), (0, (1.2, 1.8)), (0, (5, 2, 1, 2)))


def write_figure(path: Path, results: Results) -> bool:
    """Draw the study; the suffix of ``path`` chooses the format.

    Returns:
        Whether there was anything to draw.
    """
    lines = results.lines()
    if not any(record.solved for line in lines for _, record in line.points):
        return False
    metrics = results.study.figure.metrics
    columns = min(2, len(metrics))
    rows = math.ceil(len(metrics) / columns)
    width = (1.35 if columns == 1 else 2.0) * COLUMN_WIDTH
    with style():
        made, grid = figure(
            width, 2.5 * rows + 0.7, nrows=rows, ncols=columns, squeeze=False, sharex=True
        )
        panels = list(grid.flat)
        colours = _colours(len(lines))
        for axes, metric in zip(panels, metrics, strict=False):
            _panel(axes, results, lines, metric, colours)
        for axes in panels[len(metrics) :]:
            axes.set_visible(False)
        for axes in panels[max(0, len(metrics) - columns) : len(metrics)]:
            axes.set_xlabel(_LABELS.get(str(results.x), str(results.x)))
            axes.tick_params(labelbottom=True)
        if results.study.figure.title:
            made.suptitle(results.study.figure.title, fontsize=10)
        legend_below(made, _handles(lines, colours), width)
        made.savefig(path, dpi=150)
    return True


def _panel(
    axes: Axes, results: Results, lines: Sequence[Line], metric: str, colours: Sequence[str]
) -> None:
    log = results.study.figure.log
    numeric = all(axis.numeric for axis in results.study.axes if axis.path == results.x)
    for number, (line, colour) in enumerate(zip(lines, colours, strict=True)):
        places = [
            float(value) if numeric else index  # type: ignore[arg-type]
            for index, (value, _) in enumerate(line.points)
        ]
        values = [record.metrics.get(metric, math.nan) for _, record in line.points]
        shown = [value if math.isfinite(value) else math.nan for value in values]
        axes.plot(places, shown, color=colour, linestyle=_dashes(number, len(lines)), zorder=2)
        for place, value, (_, record) in zip(places, shown, line.points, strict=True):
            if record.status in _STATES:
                marker, filled, _ = _STATES[record.status]
                edge = _WRONG if marker == "X" else colour
                axes.plot(
                    [place], [value], marker=marker, markersize=6.0 if marker == "X" else 3.6,
                    color=edge, markerfacecolor=edge if filled else "white", zorder=3,
                )  # fmt: skip
            else:
                axes.plot(
                    [place], [0.0], marker="x", color=_WRONG, clip_on=False,
                    transform=axes.get_xaxis_transform(),
                )  # fmt: skip
    axes.set_ylabel(METRICS[metric])
    if "y" in log and all(value > 0 for value in _finite(lines, metric)):
        axes.set_yscale("log")
    if not numeric:
        texts = [str(value) for value, _ in max(lines, key=lambda line: len(line.points)).points]
        axes.set_xticks(range(len(texts)), texts)
    elif "x" in log and all(float(v) > 0 for line in lines for v, _ in line.points):  # type: ignore[arg-type]
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(ScalarFormatter())
    elif results.x in (N_AVS, N_RSUS):
        counts = sorted({float(value) for line in lines for value, _ in line.points})  # type: ignore[arg-type]
        even = len(counts) <= _MOST_TICKS and len(set(np.diff(counts))) <= 1
        axes.xaxis.set_major_locator(FixedLocator(counts) if even else MaxNLocator(integer=True))


def _finite(lines: Sequence[Line], metric: str) -> list[float]:
    values = [record.metrics.get(metric, math.nan) for line in lines for _, record in line.points]
    return [value for value in values if math.isfinite(value)]


def _colours(count: int) -> list[str]:
    """Colours to tell apart few lines; more are shades from one end to the other."""
    if count <= len(FEW):
        return list(FEW[:count])
    shades = matplotlib.colormaps["viridis"]
    return [to_hex(shades(0.92 * k / (count - 1))) for k in range(count)]


def _dashes(number: int, count: int) -> Any:
    """Few lines stay visible where they coincide: through the gaps of those above."""
    return _DASHES[number] if count <= len(_DASHES) else "-"


def _handles(lines: Sequence[Line], colours: Sequence[str]) -> Handles:
    handles: Handles = []
    if len(lines) > 1:
        handles += [
            Line2D([], [], color=colour, linestyle=_dashes(number, len(lines)), label=line.name)
            for number, (line, colour) in enumerate(zip(lines, colours, strict=True))
        ]
    states = {record.status for line in lines for _, record in line.points}
    for state, (marker, filled, text) in _STATES.items():
        if state in states:
            colour = _WRONG if marker == "X" else GREY
            face = colour if filled else "white"
            handles.append(
                Line2D([], [], linestyle="", marker=marker, markersize=4, color=colour,
                       markerfacecolor=face, label=text)
            )  # fmt: skip
    if states - set(_STATES):
        handles.append(Line2D([], [], linestyle="", marker="x", color=_WRONG, label="no answer"))
    return handles

"""Panels as pictures in one style: PNG for slides, SVG for papers and the report.

The same numbers give the same bytes: no dates, no random identifiers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from veaat_migration.analysis.plot_parts import (
    COLUMN_WIDTH,
    FEW,
    GREY,
    SHADE,
    Handles,
    figure,
    legend_below,
    style,
)
from veaat_migration.experiments.panels import Panel, Series
from veaat_migration.experiments.statistics import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 1.5 * COLUMN_WIDTH
"""Narrow enough for a phone: panels stand one above the other."""
_HEIGHT = 2.0
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (3, 2)), (0, (1.5, 1.5)), (0, (5, 2, 1, 2)),
                            (0, (7, 2, 1, 2, 1, 2)), "-")  # fmt: skip
_MARKERS = ("o", "s", "^", "D", "v", "X", "P")
_LEAST = 1e-3
"""Smaller values are drawn here on logarithmic axes."""
_MANY_TICKS = 12
_LINEAR, _FEW_DECADES = 4.0, 60.0
"""Ratios of the largest to the smallest value up to which an axis is not logarithmic, or has labels
between its decades."""


def draw(panels: Sequence[Panel], folder: Path, name: str) -> list[Path]:
    """Draw panels one above the other as ``name.png`` and ``name.svg``.

    Returns:
        The files, SVG last.
    """
    with style(), matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        made, grid = figure(
            WIDTH, _HEIGHT * len(panels) + 0.9, nrows=len(panels), squeeze=False, sharex=True
        )
        for axes, panel in zip(grid[:, 0], panels, strict=True):
            _panel(axes, panel)
        _below(grid[-1, 0], panels[-1])
        legend_below(made, _handles(panels), WIDTH)
        made.align_ylabels()
        return _save(made, folder, name)


def _save(made: Figure, folder: Path, name: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    made.draw_without_rendering()  # lays out; once is enough for both files
    made.set_layout_engine("none")
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    made.savefig(png, dpi=200, metadata={"Software": None})
    made.savefig(svg, metadata={"Date": None})
    return [png, svg]


def _panel(axes: Axes, panel: Panel) -> None:
    if panel.shaded is not None and panel.shaded[1] > panel.shaded[0]:
        axes.axvspan(*panel.shaded, color=SHADE, linewidth=0, zorder=0)
    # The first series is what the figure is about: it is drawn last, above the others.
    for series in reversed(panel.series):
        (_points if panel.points else _band)(axes, series, log=panel.log)
    if panel.equilibrium is not None:
        axes.plot(*panel.equilibrium, color="black", linestyle="--", linewidth=1.0, zorder=4)
    if panel.log:
        _logarithmic(axes)
    axes.set_ylabel(panel.y)
    if panel.iterations is not None:
        rounds = panel.iterations
        top = axes.secondary_xaxis("top", functions=(_times(1.0 / rounds), _times(rounds)))
        top.set_xlabel(f"Iterations of {1000 * rounds:,.0f} rounds", fontsize=8)
        top.tick_params(labelsize=8)


def _logarithmic(axes: Axes) -> None:
    """A logarithmic axis with plain numbers, where the values differ enough to deserve one."""
    low, high = axes.dataLim.intervaly
    if high < _LINEAR * low:
        return
    axes.set_yscale("log")
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(plain)
    few = high < _FEW_DECADES * low
    axes.yaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0) if few else range(2, 10)))
    axes.yaxis.set_minor_formatter(plain if few else NullFormatter())


def _times(factor: float) -> Callable[[Any], Any]:
    """Multiplication by a constant."""
    return lambda x: np.asarray(x) * factor


def _band(axes: Axes, series: Series, *, log: bool) -> None:
    middle, low, high = _shown(series.estimates, log)
    colour = _colour(series)
    axes.fill_between(series.x, low, high, color=colour, alpha=0.18, linewidth=0, zorder=2)
    axes.plot(series.x, middle, color=colour, linestyle=_DASHES[series.style % len(_DASHES)],
              linewidth=1.8 if series.style == 0 else 1.3, zorder=3)  # fmt: skip
    if series.reference is not None:
        axes.plot(series.x, series.reference, color=colour, linestyle=":", linewidth=1.0, zorder=1)


def _points(axes: Axes, series: Series, *, log: bool) -> None:
    middle, low, high = _shown(series.estimates, log)
    colour = _colour(series)
    axes.errorbar(
        series.x, middle, yerr=[middle - low, high - middle], color=colour, capsize=2.5,
        elinewidth=1.0, markersize=5.0, marker=_MARKERS[series.style % len(_MARKERS)],
        markerfacecolor=colour if series.style == 0 else "white",
        linestyle=_DASHES[series.style % len(_DASHES)],
        linewidth=1.8 if series.style == 0 else 1.2, zorder=3,
    )  # fmt: skip


def _shown(estimates: FloatArray, log: bool) -> FloatArray:
    return np.maximum(estimates, _LEAST) if log else estimates


def _colour(series: Series) -> str:
    return FEW[series.style % len(FEW)]


def _below(axes: Axes, panel: Panel) -> None:
    axes.set_xlabel(panel.x)
    places = panel.series[0].x
    if not panel.points:
        axes.set_xlim(0.0, float(places[-1]))
    elif len(places) <= _MANY_TICKS:
        axes.xaxis.set_major_locator(FixedLocator(np.round(places, 1).tolist()))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _handles(panels: Sequence[Panel]) -> Handles:
    """Each line once, whichever panels it is in."""
    handles: dict[str, Line2D | Patch] = {}
    for panel in panels:
        for series in panel.series:
            marker = _MARKERS[series.style % len(_MARKERS)] if panel.points else ""
            handles[series.label] = Line2D(
                [], [], color=_colour(series), linestyle=_DASHES[series.style % len(_DASHES)],
                marker=marker, markersize=4.5, label=series.label,
                markerfacecolor=_colour(series) if series.style == 0 else "white",
            )  # fmt: skip
        if panel.equilibrium is not None:
            handles["equilibrium"] = Line2D(
                [], [], color="black", linestyle="--", linewidth=1.0, label="equilibrium"
            )
        if any(series.reference is not None for series in panel.series):
            handles["equilibrium"] = Line2D(
                [], [], color=GREY, linestyle=":", linewidth=1.0, label="equilibrium"
            )
        if panel.shaded is not None and panel.shaded[1] > panel.shaded[0]:
            handles["shaded"] = Patch(color=SHADE, linewidth=0, label="only AVs learn")
    return list(handles.values())

"""Figures of a recorded game, in the manner of the paper's Figs. 4 and 5."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from veaat_migration.analysis.history import History
from veaat_migration.analysis.metrics import Play, Utilities
from veaat_migration.game.instance import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008) for few players, Petroff (2021) for more: both made to be told apart
# with any form of colour vision.
_FEW = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MANY = ("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
         "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd")  # fmt: skip
_GREY = "#555555"
_STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.4,
    "savefig.dpi": 200,
}
_MOST_PANELS = 12
_PANEL_COLUMNS = 4
_COLUMN_WIDTH = 3.5
"""Width of one journal column [inch]; figures are one or two columns wide."""


def write_plots(
    folder: Path,
    history: History,
    *,
    utilities: Utilities | None = None,
    reference: Play | None = None,
    deviation: FloatArray | None = None,
    tolerance: float | None = None,
    converged: int | None = None,
) -> list[Path]:
    """Draw every figure the data allow as ``folder/NAME.png``; returns the paths.

    Args:
        folder: existing folder.
        history: the game, with at least one round.
        utilities: of the same rounds; None: no utilities figure.
        reference: equilibrium to draw as dashed lines.
        deviation: largest absolute utility deviation in each round, shape [N].
        tolerance: to draw in the deviation figure.
        converged: round of convergence, marked in every figure over rounds.
    """
    figures: list[tuple[str, Figure]] = []
    with _style():
        figures.append(("prices", _prices(history, reference, converged)))
        figures.append(("demands", _demands(history, reference, converged)))
        if utilities is not None:
            figures.append(("utilities", _utilities(history, utilities, reference, converged)))
        if deviation is not None and np.isfinite(deviation).any():
            figures.append(("deviation", _deviation(history, deviation, tolerance, converged)))
        if np.isfinite(history.durations).any():
            figures.append(("round_duration", _round_duration(history)))
        paths = []
        for name, figure in figures:
            path = folder / f"{name}.png"
            figure.savefig(path)
            paths.append(path)
    return paths


@contextmanager
def _style() -> Iterator[None]:
    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        yield


def _figure(width: float, height: float, **grid: Any) -> tuple[Figure, Any]:
    # A Figure without pyplot draws with Agg and leaves no global state behind.
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(**grid)


def _colours(count: int) -> tuple[str, ...]:
    return _FEW[:count] if count <= len(_FEW) else _MANY[:count]


def _curves(axes: Axes, history: History, values: FloatArray, reference: FloatArray | None) -> None:
    """One line per player, or their distribution if they are too many to tell apart.

    Args:
        axes: where to draw.
        history: gives the rounds.
        values: shape [N, players].
        reference: shape [players].
    """
    rounds, count = history.rounds, values.shape[1]
    if count <= len(_MANY):
        for column, colour in enumerate(_colours(count)):
            axes.plot(rounds, values[:, column], color=colour)
            if reference is not None:
                axes.axhline(reference[column], color=colour, linestyle="--", linewidth=1.0)
    else:
        known = np.isfinite(values).any(axis=1)
        low, median, high = np.full((3, len(rounds)), np.nan)
        low[known], median[known], high[known] = np.nanpercentile(
            values[known], [10, 50, 90], axis=1
        )
        axes.fill_between(rounds, low, high, color=_FEW[0], alpha=0.25, linewidth=0)
        axes.plot(rounds, median, color=_FEW[0])
        if reference is not None:
            for share, style in zip((10, 50, 90), (":", "--", ":"), strict=True):
                axes.axhline(np.percentile(reference, share), color=_GREY, linestyle=style)
    _round_axis(axes, history)


def _round_axis(axes: Axes, history: History) -> None:
    axes.set_xlabel("Round")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    if len(history.rounds) > 1:
        axes.set_xlim(history.rounds[0], history.rounds[-1])


def _mark_convergence(panels: Sequence[Axes], converged: int | None) -> None:
    if converged is not None:
        for axes in panels:
            axes.axvline(converged, color=_GREY, linewidth=0.8, linestyle=":")


def _handles(
    prefix: str, ids: Any, *, reference: bool, converged: int | None
) -> list[Line2D | Patch]:
    """Legend entries for :func:`_curves` of players with these ids."""
    handles: list[Line2D | Patch] = []
    if len(ids) <= len(_MANY):
        for number, colour in zip(ids, _colours(len(ids)), strict=True):
            handles.append(Line2D([], [], color=colour, label=f"{prefix} {number}"))
        label = "equilibrium"
    else:
        handles.append(Line2D([], [], color=_FEW[0], label=f"median of {len(ids)} {prefix}s"))
        handles.append(Patch(color=_FEW[0], alpha=0.25, linewidth=0, label="10-90 %"))
        label = "equilibrium (10, 50, 90 %)"
    if reference:
        handles.append(Line2D([], [], color=_GREY, linestyle="--", linewidth=1.0, label=label))
    if converged is not None:
        text = f"converged (round {converged})"
        handles.append(Line2D([], [], color=_GREY, linestyle=":", linewidth=0.8, label=text))
    return handles


def _legend_columns(labels: Sequence[str], width: float) -> int:
    """Most legend columns that fit into ``width`` inches; entries run down the columns."""
    for columns in range(len(labels), 1, -1):
        rows = -(-len(labels) // columns)
        longest = [max(map(len, labels[k : k + rows])) for k in range(0, len(labels), rows)]
        if len(longest) == columns and sum(0.5 + 0.06 * length for length in longest) <= width:
            return columns
    return 1


def _legend_below(figure: Figure, handles: Sequence[Line2D | Patch], width: float) -> None:
    columns = _legend_columns([str(handle.get_label()) for handle in handles], width)
    figure.legend(handles=list(handles), loc="outside lower center", ncols=columns)


def _prices(history: History, reference: Play | None, converged: int | None) -> Figure:
    width = 1.4 * _COLUMN_WIDTH
    figure, axes = _figure(width, 3.4)
    _curves(axes, history, history.prices, reference.prices if reference else None)
    axes.set_ylabel("Price $p_j$ [money/MHz]")
    _mark_convergence([axes], converged)
    handles = _handles("RSU", history.rsu_ids, reference=reference is not None, converged=converged)
    _legend_below(figure, handles, width)
    return figure


def _demands(history: History, reference: Play | None, converged: int | None) -> Figure:
    """One panel per RSU with a line per AV; with very many RSUs one panel of their sums."""
    n_rsus = len(history.rsu_ids)
    if n_rsus > _MOST_PANELS:
        return _total_demand(history, reference, converged)
    columns = min(n_rsus, _PANEL_COLUMNS)
    rows = -(-n_rsus // columns)
    width = max(1.4, 0.7 * columns) * _COLUMN_WIDTH
    figure, grid = _figure(
        width, 2.2 * rows + 1.0, nrows=rows, ncols=columns, sharey=True, squeeze=False
    )
    panels = list(grid.flat)
    for j, axes in enumerate(panels[:n_rsus]):
        expected = reference.demand[:, j] if reference else None
        _curves(axes, history, history.demand[:, :, j], expected)
        axes.set_title(f"bought from RSU {history.rsu_ids[j]}")
    for axes in panels[n_rsus:]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_ylabel("Demand $b_{ij}$ [MHz]")
    _mark_convergence(panels[:n_rsus], converged)
    handles = _handles("AV", history.av_ids, reference=reference is not None, converged=converged)
    _legend_below(figure, handles, width)
    return figure


def _total_demand(history: History, reference: Play | None, converged: int | None) -> Figure:
    width = 1.4 * _COLUMN_WIDTH
    figure, axes = _figure(width, 3.4)
    total = np.where(
        np.isnan(history.demand).all(axis=1), np.nan, np.nansum(history.demand, axis=1)
    )
    _curves(axes, history, total, reference.demand.sum(axis=0) if reference else None)
    axes.set_ylabel(r"Demand per RSU $\sum_i b_{ij}$ [MHz]")
    _mark_convergence([axes], converged)
    handles = _handles("RSU", history.rsu_ids, reference=reference is not None, converged=converged)
    _legend_below(figure, handles, width)
    return figure


def _utilities(
    history: History, utilities: Utilities, reference: Play | None, converged: int | None
) -> Figure:
    width = 2 * _COLUMN_WIDTH
    figure, (left, right) = _figure(width, 3.6, ncols=2)
    expected_rsu, expected_av = (
        (reference.utility_rsu, reference.utility_av) if reference else (None, None)
    )
    for axes, values, expected, ids, prefix, symbol in (
        (left, utilities.rsu, expected_rsu, history.rsu_ids, "RSU", "U_j^L"),
        (right, utilities.av, expected_av, history.av_ids, "AV", "U_i^F"),
    ):
        finite = np.where(np.isfinite(values), values, np.nan)
        _curves(axes, history, finite, expected)
        axes.set_title(f"{prefix}s")
        axes.set_ylabel(f"Utility ${symbol}$ [money]")
        handles = _handles(prefix, ids, reference=expected is not None, converged=converged)
        axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    _mark_convergence([left, right], converged)
    return figure


def _deviation(
    history: History, deviation: FloatArray, tolerance: float | None, converged: int | None
) -> Figure:
    width = 1.4 * _COLUMN_WIDTH
    figure, axes = _figure(width, 3.0)
    # An exact hit has no place on a logarithmic axis.
    percent = np.where(deviation > 0.0, 100.0 * deviation, np.nan)
    axes.plot(history.rounds, percent, color=_FEW[0])
    axes.set_yscale("log")
    axes.set_ylabel(r"Largest $|U/U^* - 1|$ [%]")
    _round_axis(axes, history)
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=_FEW[0], label="all players"),
    ]
    if tolerance is not None:
        axes.axhline(100.0 * tolerance, color=_FEW[1], linestyle="--", linewidth=1.0)
        label = f"tolerance {100 * tolerance:g} %"
        handles.append(Line2D([], [], color=_FEW[1], linestyle="--", linewidth=1.0, label=label))
    _mark_convergence([axes], converged)
    handles += _handles("", [], reference=False, converged=converged)
    _legend_below(figure, handles, width)
    return figure


def _round_duration(history: History) -> Figure:
    milliseconds = 1e3 * history.durations[np.isfinite(history.durations)]
    median, high, top = np.percentile(milliseconds, [50, 95, 99])
    limit = max(1.3 * top, 1e-3)
    shown = milliseconds[milliseconds <= limit]
    width = 1.4 * _COLUMN_WIDTH
    figure, axes = _figure(width, 3.0)
    axes.hist(shown, bins=min(60, max(10, int(2 * np.sqrt(len(shown))))), color=_FEW[5])
    axes.set_xlabel("Duration of a round [ms]")
    axes.set_ylabel("Rounds")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(left=0.0)
    axes.axvline(median, color=_FEW[0], label=f"median {median:.3g} ms")
    axes.axvline(high, color=_FEW[1], linestyle="--", label=f"95th percentile {high:.3g} ms")
    handles, _ = axes.get_legend_handles_labels()
    left_out = len(milliseconds) - len(shown)
    if left_out:
        axes.set_title(
            f"{left_out} of {len(milliseconds)} rounds took longer than {limit:.3g} ms",
            color=_GREY,
        )
    _legend_below(figure, handles, width)
    return figure

"""Figures of a recorded game, in the manner of the paper's Figs. 4 and 5."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from veaat_migration.analysis.history import History
from veaat_migration.analysis.metrics import Play, Utilities
from veaat_migration.analysis.plot_parts import (
    COLUMN_WIDTH,
    FEW,
    GREY,
    WIDTH,
    Handles,
    Rounds,
    figure,
    legend_below,
    player_handles,
    style,
)
from veaat_migration.game.instance import FloatArray

_MOST_PANELS = 12
_PANEL_COLUMNS = 4


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
    rounds = Rounds(history, converged)
    with style():
        figures = {"prices": _prices(rounds, reference), "demands": _demands(rounds, reference)}
        if utilities is not None:
            figures["utilities"] = _utilities(rounds, utilities, reference)
        if deviation is not None and np.isfinite(deviation).any():
            figures["deviation"] = _deviation(rounds, deviation, tolerance)
        if np.isfinite(history.durations).any():
            figures["round_duration"] = _round_duration(history.durations)
        paths = []
        for name, made in figures.items():
            paths.append(folder / f"{name}.png")
            made.savefig(paths[-1])
    return paths


def _per_rsu(
    rounds: Rounds, values: FloatArray, reference: FloatArray | None, label: str
) -> Figure:
    made, axes = figure(WIDTH, 3.4)
    rounds.curves(axes, values, reference)
    axes.set_ylabel(label)
    rounds.mark(axes)
    handles = player_handles("RSU", rounds.history.rsu_ids, reference=reference is not None)
    legend_below(made, handles + rounds.mark_handles(), WIDTH)
    return made


def _prices(rounds: Rounds, reference: Play | None) -> Figure:
    expected = reference.prices if reference else None
    return _per_rsu(rounds, rounds.history.prices, expected, "Price $p_j$ [money/MHz]")


def _demands(rounds: Rounds, reference: Play | None) -> Figure:
    """One panel per RSU with a line per AV; with very many RSUs one panel of their sums."""
    history = rounds.history
    n_rsus = len(history.rsu_ids)
    if n_rsus > _MOST_PANELS:
        return _total_demand(rounds, reference)
    columns = min(n_rsus, _PANEL_COLUMNS)
    rows = -(-n_rsus // columns)
    width = max(WIDTH, 0.7 * columns * COLUMN_WIDTH)
    made, grid = figure(
        width, 2.2 * rows + 1.0, nrows=rows, ncols=columns, sharey=True, squeeze=False
    )
    panels = list(grid.flat)
    for j, axes in enumerate(panels[:n_rsus]):
        expected = reference.demand[:, j] if reference else None
        rounds.curves(axes, history.demand[:, :, j], expected)
        axes.set_title(f"bought from RSU {history.rsu_ids[j]}")
    for axes in panels[n_rsus:]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_ylabel("Demand $b_{ij}$ [MHz]")
    rounds.mark(*panels[:n_rsus])
    handles = player_handles("AV", history.av_ids, reference=reference is not None)
    legend_below(made, handles + rounds.mark_handles(), width)
    return made


def _total_demand(rounds: Rounds, reference: Play | None) -> Figure:
    demand = rounds.history.demand
    total = np.where(np.isnan(demand).all(axis=1), np.nan, np.nansum(demand, axis=1))
    expected = reference.demand.sum(axis=0) if reference else None
    return _per_rsu(rounds, total, expected, r"Demand per RSU $\sum_i b_{ij}$ [MHz]")


def _utilities(rounds: Rounds, utilities: Utilities, reference: Play | None) -> Figure:
    history = rounds.history
    made, panels = figure(2 * COLUMN_WIDTH, 3.6, ncols=2)
    expected_rsu, expected_av = (
        (reference.utility_rsu, reference.utility_av) if reference else (None, None)
    )
    for axes, values, expected, ids, prefix, symbol in (
        (panels[0], utilities.rsu, expected_rsu, history.rsu_ids, "RSU", "U_j^L"),
        (panels[1], utilities.av, expected_av, history.av_ids, "AV", "U_i^F"),
    ):
        rounds.curves(axes, np.where(np.isfinite(values), values, np.nan), expected)
        axes.set_title(f"{prefix}s")
        axes.set_ylabel(f"Utility ${symbol}$ [money]")
        handles = player_handles(prefix, ids, reference=expected is not None)
        axes.legend(
            handles=handles + rounds.mark_handles(),
            loc="upper center",
            bbox_to_anchor=(0.5, -0.18),
            ncols=2,
        )
    rounds.mark(*panels)
    return made


def _deviation(rounds: Rounds, deviation: FloatArray, tolerance: float | None) -> Figure:
    made, axes = figure(WIDTH, 3.0)
    # An exact hit has no place on a logarithmic axis.
    percent = np.where(deviation > 0.0, 100.0 * deviation, np.nan)
    axes.plot(rounds.history.rounds, percent, color=FEW[0])
    axes.set_yscale("log")
    axes.set_ylabel(r"Largest $|U/U^* - 1|$ [%]")
    rounds.axis(axes)
    handles: Handles = [Line2D([], [], color=FEW[0], label="all players")]
    if tolerance is not None:
        axes.axhline(100.0 * tolerance, color=FEW[1], linestyle="--", linewidth=1.0)
        label = f"tolerance {100 * tolerance:g} %"
        handles.append(Line2D([], [], color=FEW[1], linestyle="--", linewidth=1.0, label=label))
    rounds.mark(axes)
    legend_below(made, handles + rounds.mark_handles(), WIDTH)
    return made


def _round_duration(durations: FloatArray) -> Figure:
    milliseconds = 1e3 * durations[np.isfinite(durations)]
    median, high, top = np.percentile(milliseconds, [50, 95, 99])
    limit = max(1.3 * top, 1e-3)
    shown = milliseconds[milliseconds <= limit]
    made, axes = figure(WIDTH, 3.0)
    axes.hist(shown, bins=min(60, max(10, int(2 * np.sqrt(len(shown))))), color=FEW[5])
    axes.set_xlabel("Duration of a round [ms]")
    axes.set_ylabel("Rounds")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(left=0.0)
    axes.axvline(median, color=FEW[0], label=f"median {median:.3g} ms")
    axes.axvline(high, color=FEW[1], linestyle="--", label=f"95th percentile {high:.3g} ms")
    handles, _ = axes.get_legend_handles_labels()
    left_out = len(milliseconds) - len(shown)
    if left_out:
        axes.set_title(
            f"{left_out} of {len(milliseconds)} rounds took longer than {limit:.3g} ms",
            color=GREY,
        )
    legend_below(made, handles, WIDTH)
    return made

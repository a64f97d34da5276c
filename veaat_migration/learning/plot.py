"""Curves of a training run: utilities against the equilibrium, prices, exploitability, sparsity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter

from veaat_migration.analysis.plot_parts import FEW, GREY, SHADE, colours, figure, style
from veaat_migration.game.instance import FloatArray
from veaat_migration.learning.config import TrainingConfig
from veaat_migration.learning.logs import read_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_training(path: Path, folders: Sequence[Path], config: TrainingConfig) -> None:
    """Draw the curves of several seeds: medians, and the range from the lowest to the highest."""
    logs = [read_log(folder) for folder in folders]
    names = list(logs[0][0]) if logs and logs[0] else []
    players = [name.removeprefix("reward_") for name in names if name.startswith("reward_")]
    with style():
        made, panels = figure(7.0, 5.0, nrows=2, ncols=2)
        axes = panels.ravel()
        for player, colour in zip(players, colours(len(players)), strict=False):
            name = player.replace("rsu_", "RSU ").replace("av_", "AV ")
            _curve(axes[0], logs, f"gap_{player}", colour, 100.0, name)
            _curve(axes[1], logs, f"price_{player}", colour, 1.0, name)
        axes[0].axhline(0.0, color=GREY, linestyle="--", linewidth=1.0)
        axes[0].set_ylabel("Utility against equilibrium [%]")
        axes[0].set_yscale("symlog", linthresh=1.0)
        axes[1].set_ylabel("Price [money/MHz]")
        _curve(axes[2], logs, "exploitability", FEW[0], 100.0, "")
        axes[2].set_ylabel("Exploitability [%]")
        axes[2].set_yscale("symlog", linthresh=1.0)
        axes[2].set_ylim(bottom=0.0)
        _curve(axes[3], logs, "sparsity", FEW[0], 100.0, "")
        axes[3].set_ylabel("Hidden neurons removed [%]")
        axes[3].set_ylim(0.0, 100.0)
        for each in (axes[0], axes[2]):
            each.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        for each in axes:
            each.axvspan(0, config.stages.follower_iterations, color=SHADE, linewidth=0, zorder=0)
            each.set_xlabel("Iteration")
            each.set_xlim(0, config.iterations)
        axes[0].legend(loc="best", ncols=2)
        axes[1].legend(loc="best")
        seeds = f"{len(logs)} seeds: median and range" if len(logs) > 1 else "1 seed"
        made.suptitle(
            f"{config.name or config.algorithm} ({seeds}; played without exploration; "
            "shaded: only AVs learn)"
        )
        made.savefig(path)


def _curve(
    axes: Axes,
    logs: Sequence[Sequence[dict[str, float]]],
    column: str,
    colour: str,
    factor: float,
    label: str,
) -> None:
    curves = [_column(log, column) for log in logs]
    shared = sorted(set.intersection(*(set(curve) for curve in curves)))
    if not shared:
        return
    values: FloatArray = factor * np.array([[curve[k] for k in shared] for curve in curves])
    if len(values) > 1:
        axes.fill_between(
            shared, values.min(0), values.max(0), color=colour, alpha=0.2, linewidth=0
        )
    axes.plot(shared, np.median(values, axis=0), color=colour, label=label or None)


def _column(log: Sequence[dict[str, float]], name: str) -> dict[int, float]:
    return {int(row["iteration"]): row[name] for row in log if name in row}

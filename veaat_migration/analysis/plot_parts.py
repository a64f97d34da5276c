"""What the figures share: style, colours, curves of players over rounds, legends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from veaat_migration.analysis.history import History
from veaat_migration.game.instance import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008) for few players, Petroff (2021) for more: both made to be told apart
# with any form of colour vision.
FEW = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MANY = ("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
        "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd")  # fmt: skip
GREY = "#555555"
SHADE = "#eeeeee"
COLUMN_WIDTH = 3.5
"""Width of one journal column [inch]."""
WIDTH = 1.4 * COLUMN_WIDTH
"""Width of a figure with one panel."""

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

Handles = list[Line2D | Patch]


@contextmanager
def style() -> Iterator[None]:
    """Draw in the common style inside the block."""
    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        yield


def figure(width: float, height: float, **grid: Any) -> tuple[Figure, Any]:
    """A figure of this size in inches with its axes (``subplots`` arguments)."""
    # A Figure without pyplot draws with Agg and leaves no global state behind.
    made = Figure(figsize=(width, height), layout="constrained")
    return made, made.subplots(**grid)


@dataclass(frozen=True)
class Rounds:
    """Draws over the rounds of a game."""

    history: History
    converged: int | None
    """Round of convergence to mark."""

    def axis(self, axes: Axes) -> None:
        """Label the horizontal axis."""
        rounds = self.history.rounds
        axes.set_xlabel("Round")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        if len(rounds) > 1:
            axes.set_xlim(rounds[0], rounds[-1])

    def curves(self, axes: Axes, values: FloatArray, reference: FloatArray | None) -> None:
        """One line per player, or their distribution if they are too many to tell apart.

        Args:
            axes: where to draw.
            values: shape [N, players].
            reference: equilibrium, shape [players].
        """
        rounds, count = self.history.rounds, values.shape[1]
        if count <= len(MANY):
            for column, colour in enumerate(colours(count)):
                axes.plot(rounds, values[:, column], color=colour)
                if reference is not None:
                    axes.axhline(reference[column], color=colour, linestyle="--", linewidth=1.0)
        else:
            known = np.isfinite(values).any(axis=1)
            low, median, high = np.full((3, len(rounds)), np.nan)
            low[known], median[known], high[known] = np.nanpercentile(
                values[known], [10, 50, 90], axis=1
            )
            axes.fill_between(rounds, low, high, color=FEW[0], alpha=0.25, linewidth=0)
            axes.plot(rounds, median, color=FEW[0])
            if reference is not None:
                for share, line in zip((10, 50, 90), (":", "--", ":"), strict=True):
                    axes.axhline(float(np.percentile(reference, share)), color=GREY, linestyle=line)
        self.axis(axes)

    def mark(self, *panels: Axes) -> None:
        """Mark the round of convergence, and shade rounds in which players are missing."""
        for axes in panels:
            axes.fill_between(
                self.history.rounds, 0.0, 1.0, where=~self.history.complete, step="mid",
                transform=axes.get_xaxis_transform(), color=SHADE, linewidth=0, zorder=0,
            )  # type: ignore[arg-type, unused-ignore]  # fmt: skip
            if self.converged is not None:
                axes.axvline(self.converged, color=GREY, linewidth=0.8, linestyle=":")

    def mark_handles(self) -> Handles:
        """Legend entries for :meth:`mark`."""
        handles: Handles = []
        if self.converged is not None:
            text = f"converged (round {self.converged})"
            handles.append(Line2D([], [], color=GREY, linestyle=":", linewidth=0.8, label=text))
        if not self.history.complete.all():
            handles.append(Patch(color=SHADE, linewidth=0, label="players missing"))
        return handles


def colours(count: int) -> tuple[str, ...]:
    """A colour for each of a few players."""
    return FEW[:count] if count <= len(FEW) else MANY[:count]


def player_handles(prefix: str, ids: Any, *, reference: bool) -> Handles:
    """Legend entries for :meth:`Rounds.curves` of players with these ids."""
    handles: Handles = []
    if len(ids) <= len(MANY):
        for number, colour in zip(ids, colours(len(ids)), strict=True):
            handles.append(Line2D([], [], color=colour, label=f"{prefix} {number}"))
        label = "equilibrium"
    else:
        handles.append(Line2D([], [], color=FEW[0], label=f"median of {len(ids)} {prefix}s"))
        handles.append(Patch(color=FEW[0], alpha=0.25, linewidth=0, label="10-90 %"))
        label = "equilibrium (10, 50, 90 %)"
    if reference:
        handles.append(Line2D([], [], color=GREY, linestyle="--", linewidth=1.0, label=label))
    return handles


def legend_below(made: Figure, handles: Sequence[Line2D | Patch], width: float) -> None:
    """A legend under the panels with as many columns as fit into ``width`` inches."""
    columns = _legend_columns([str(handle.get_label()) for handle in handles], width)
    made.legend(handles=list(handles), loc="outside lower center", ncols=columns)


def _legend_columns(labels: Sequence[str], width: float) -> int:
    """Most legend columns that fit; entries run down the columns."""
    for columns in range(len(labels), 1, -1):
        rows = -(-len(labels) // columns)
        longest = [max(map(len, labels[k : k + rows])) for k in range(0, len(labels), rows)]
        if len(longest) == columns and sum(0.5 + 0.06 * length for length in longest) <= width:
            return columns
    return 1

"""One picture of a whole replay: the map with everyone's way, and the charts over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from veaat_migration.analysis.plot_parts import FEW, GREY, style
from veaat_migration.analysis.replay_data import NOBODY, ReplayError, rsu_colours
from veaat_migration.analysis.replay_reading import (
    positions_of,
    road_points,
    step_times,
    twins_at,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_CHARTS = 3
_ROAD = "#d5d9df"


def draw_replay(path: Path, replay: dict[str, Any]) -> None:
    """Draw a replay (format by suffix: png, svg, pdf).

    Left the map: each vehicle's way in the colour of the RSU that owned its twin. Right the
    charts, or the number of twins at each RSU if there are none.

    Raises:
        ReplayError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    charts = [chart for chart in replay["charts"] if chart["lines"]][:_MAX_CHARTS]
    with style():
        figure = Figure(figsize=(12.0, 6.2), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(max(len(charts), 1), 2, width_ratios=(1.5, 1.0))
        _draw_map(figure.add_subplot(grid[:, 0]), replay)
        panels = [figure.add_subplot(grid[row, 1]) for row in range(max(len(charts), 1))]
        for axes, chart in zip(panels, charts, strict=False):
            _draw_chart(axes, replay, chart)
        if not charts:
            _draw_twins(panels[0], replay)
        panels[-1].set_xlabel("time [s]")
        figure.suptitle(replay["title"].replace("$", r"\$"), fontsize=12, x=0.01, ha="left")
        try:
            figure.savefig(path)
        except OSError as error:
            raise ReplayError(f"{path}: cannot be written: {error.strerror or error}") from error
        except ValueError as error:  # unknown suffix
            raise ReplayError(f"{path}: cannot be written: {error}") from error


def _draw_map(axes: Axes, replay: dict[str, Any]) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Circle

    colours = rsu_colours(len(replay["rsus"]))
    axes.add_collection(LineCollection(road_points(replay), colors=_ROAD, linewidths=2.0))
    times = step_times(replay)
    hosts = twins_at(replay, times)
    pieces: dict[int, list[Any]] = {}
    for vehicle in range(len(replay["vehicles"])):
        places = positions_of(replay, vehicle)
        for first, last, host in _runs(hosts[:, vehicle]):
            way = places[first : last + 2]
            way = way[np.isfinite(way).all(axis=1)]
            if len(way):
                pieces.setdefault(host, []).append(way)
    for host, ways in pieces.items():
        colour = GREY if host == NOBODY else colours[host]
        axes.add_collection(LineCollection(ways, colors=[colour], linewidths=0.8, alpha=0.45))
        ends = np.array([way[-1] for way in ways if np.ptp(way, axis=0).max() < 1.0])
        if len(ends):
            axes.scatter(ends[:, 0], ends[:, 1], s=12, color=[colour], alpha=0.6, linewidths=0)
    for rsu, colour in zip(replay["rsus"], colours, strict=False):
        centre = (rsu["x"], rsu["y"])
        if rsu["radius"] > 0:
            axes.add_patch(
                Circle(centre, rsu["radius"], fill=False, edgecolor=colour, linestyle=(0, (4, 3)))
            )
        axes.scatter(*centre, s=110, marker="^", color=[colour], edgecolors="white", zorder=5)
        axes.annotate(
            rsu["name"].replace("$", r"\$"),
            centre,
            xytext=(0, -15),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            zorder=6,
        )
    axes.set_aspect("equal", adjustable="datalim")
    axes.autoscale_view()
    axes.grid(visible=False)
    axes.set_xlabel("x [m]")
    axes.set_ylabel("y [m]")
    title = f"{len(replay['vehicles'])} vehicles in {times[-1] - times[0]:g} s"
    if (hosts != NOBODY).any():
        title += ", ways in the colour of the RSU that owned the twin"
    axes.set_title(title, loc="left")


def _runs(hosts: Any) -> list[tuple[int, int, int]]:
    """First and last index of every run of equal values, and the value."""
    starts = np.flatnonzero(np.diff(hosts, prepend=hosts[0] - 1))
    ends = np.append(starts[1:], len(hosts)) - 1
    return [
        (int(a), int(b), int(hosts[a])) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


def _draw_chart(axes: Axes, replay: dict[str, Any], chart: dict[str, Any]) -> None:
    colours = rsu_colours(max(len(replay["rsus"]), len(chart["lines"])))
    end = step_times(replay)[-1]
    for number, line in enumerate(chart["lines"]):
        times = np.append(np.cumsum(line["times"]) / 1000.0, end)
        values = np.append(line["values"], line["values"][-1:])
        colour = colours[line["rsu"] if line["rsu"] != NOBODY else number]
        axes.step(times[: len(values)], values, where="post", color=colour, label=line["name"])
    unit = f" [{chart['unit']}]" if chart["unit"] else ""
    axes.set_title(f"{chart['title']}{unit}".replace("$", r"\$"), loc="left")
    if len(chart["lines"]) <= len(FEW):
        axes.legend(ncol=2)


def _draw_twins(axes: Axes, replay: dict[str, Any]) -> None:
    times = step_times(replay)
    hosts = twins_at(replay, times)
    for j, colour in zip(
        range(len(replay["rsus"])), rsu_colours(len(replay["rsus"])), strict=False
    ):
        axes.step(times, (hosts == j).sum(axis=1), where="post", color=colour)
    axes.set_title("Twins at each RSU", loc="left")

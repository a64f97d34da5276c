"""One picture of a whole replay: the map with everyone's way, and the charts over time."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
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
_LINE = 150
"""Letters in one line of the heading."""
_MANY = 40
"""From so many vehicles on their ways are thin."""
_MOVES = 400
"""Most changes of owner that are marked one by one."""


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
        figure = Figure(figsize=(12.0, 6.4), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(max(len(charts), 1), 2, width_ratios=(1.5, 1.0))
        _draw_map(figure.add_subplot(grid[:, 0]), replay)
        panels = [figure.add_subplot(grid[row, 1]) for row in range(max(len(charts), 1))]
        for axes, chart in zip(panels, charts, strict=False):
            _draw_chart(axes, replay, chart)
        if not charts:
            _draw_twins(panels[0], replay)
        panels[-1].set_xlabel("time [s]")
        # Two lines: what it is, and what is shown.
        about = "\n".join(wrap(replay["description"], _LINE)[:2])
        heading = f"{replay['title']}\n{about}" if about else replay["title"]
        figure.suptitle(heading.replace("$", r"\$"), fontsize=9.5, x=0.01, ha="left")
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
        width, alpha = (0.8, 0.45) if len(replay["vehicles"]) >= _MANY else (2.2, 0.8)
        axes.add_collection(LineCollection(ways, colors=[colour], linewidths=width, alpha=alpha))
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
    moves = _moves(replay, hosts, colours)
    if 0 < len(moves) <= _MOVES:
        x, y = np.array([place for place, _ in moves]).T
        to = [colour for _, colour in moves]
        axes.scatter(x, y, s=34, marker="D", c=to, edgecolors="white", linewidths=0.8, zorder=4)
    axes.set_aspect("equal", adjustable="datalim")
    axes.autoscale_view()
    axes.grid(visible=False)
    axes.set_xlabel("x [m]")
    axes.set_ylabel("y [m]")
    title = f"{len(replay['vehicles'])} vehicles in {times[-1] - times[0]:.4g} s"
    if (hosts != NOBODY).any():
        title += ", in the colour of their twin's RSU"
    if 0 < len(moves) <= _MOVES:
        title += f"; ◆ {len(moves)} changes of it"
    axes.set_title(title, loc="left")


def _moves(replay: dict[str, Any], hosts: Any, colours: list[str]) -> list[tuple[Any, str]]:
    """Where each vehicle was when its twin came to another RSU, and the colour of that one."""
    found = []
    for vehicle in range(hosts.shape[1]):
        column = hosts[:, vehicle]
        rows = np.flatnonzero((column[1:] != column[:-1]) & (column[1:] != NOBODY)) + 1
        if len(rows):
            places = positions_of(replay, vehicle)
            found += [
                (places[row], colours[column[row]]) for row in rows if np.isfinite(places[row, 0])
            ]
    return found


def _runs(hosts: Any) -> list[tuple[int, int, int]]:
    """First and last index of every run of equal values, and the value."""
    starts = np.flatnonzero(np.diff(hosts, prepend=hosts[0] - 1))
    ends = np.append(starts[1:], len(hosts)) - 1
    return [
        (int(a), int(b), int(hosts[a])) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


def _draw_chart(axes: Axes, replay: dict[str, Any], chart: dict[str, Any]) -> None:
    colours = rsu_colours(max(len(replay["rsus"]), len(chart["lines"])))
    begin, end = step_times(replay)[[0, -1]]
    for number, line in enumerate(chart["lines"]):
        times = np.append(np.cumsum(line["times"]) / 1000.0, end)
        values = np.append(line["values"], line["values"][-1:])
        colour = colours[line["rsu"] if line["rsu"] != NOBODY else number]
        axes.step(times[: len(values)], values, where="post", color=colour, label=line["name"])
    unit = f" [{chart['unit']}]" if chart["unit"] else ""
    axes.set_title(f"{chart['title']}{unit}".replace("$", r"\$"), loc="left")
    if end > begin:
        axes.set_xlim(begin, end)
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

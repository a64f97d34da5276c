"""A map of a scenario: roads, vehicles, roadside units and their reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.scenario.build import links, positions
from veaat_migration.scenario.errors import ScenarioError
from veaat_migration.scenario.schema import Scenario

FloatArray = npt.NDArray[np.float64]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c564b")
_ROAD, _TRAFFIC, _INK = "#c3c7cd", "#8f959d", "#22262b"
_MAX_LABELS = 60


def draw_map(scenario: Scenario, path: Path, traffic: FloatArray | None = None) -> None:
    """Write a map as an image (format by suffix: png, svg, pdf).

    Each AV has the colour of the RSU with the best link to it and a line to that RSU.

    Args:
        scenario: must have positions; players without one are left out.
        path: file to write.
        traffic: further vehicles to show as dots [m], shape [n, 2].

    Raises:
        ScenarioError: no player has a position, or the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    avs, rsus = positions(scenario.avs), positions(scenario.rsus)
    placed = np.vstack([avs, rsus])
    placed = placed[~np.isnan(placed).any(axis=1)]
    if not len(placed):
        raise ScenarioError("no AV and no RSU has a position: there is nothing to draw")
    low, high = _extent(scenario, placed, traffic)
    width, height = high - low
    figure = Figure(figsize=_figure_size(width / height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for line in scenario.roads:
        axes.plot(*np.array(line).T, color=_ROAD, linewidth=2.2, solid_capstyle="round", zorder=1)
    if traffic is not None:
        axes.scatter(traffic[:, 0], traffic[:, 1], s=4, color=_TRAFFIC, linewidths=0, zorder=2)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    _draw_rsus(axes, scenario, rsus)
    _draw_avs(axes, scenario, avs, rsus)
    axes.set_xlabel("x [m]", color=_INK)
    axes.set_ylabel("y [m]", color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(
        f"{scenario.name}: {len(scenario.avs)} AVs, {len(scenario.rsus)} RSUs, "
        f"reach {scenario.coverage_radius:g} m",
        loc="left",
        color=_INK,
        pad=12,
    )
    _legend(axes, scenario, traffic)
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise ScenarioError(f"cannot be written: {error.strerror or error}", str(path)) from error
    except ValueError as error:  # unknown suffix
        raise ScenarioError(f"cannot be written: {error}", str(path)) from error


def _extent(
    scenario: Scenario, placed: FloatArray, traffic: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Corners of the map: all that is drawn, and a margin."""
    sites = positions(scenario.rsus)
    sites = sites[~np.isnan(sites).any(axis=1)]
    reach = scenario.coverage_radius
    points = [placed, sites - reach, sites + reach]
    points += [np.array(line) for line in scenario.roads if line]
    if traffic is not None and len(traffic):
        points.append(traffic)
    everything = np.vstack(points)
    low, high = everything.min(axis=0), everything.max(axis=0)
    margin = 0.03 * float((high - low).max()) + 1.0
    return low - margin, high + margin


def _figure_size(aspect: float) -> tuple[float, float]:
    aspect = min(max(aspect, 0.5), 2.0)
    return (9.0 * min(1.0, aspect) + 1.0, 9.0 / max(1.0, aspect) + 1.0)


def _draw_rsus(axes: Any, scenario: Scenario, rsus: FloatArray) -> None:
    from matplotlib.patches import Circle

    for j, (name, point) in enumerate(zip(scenario.rsu_names, rsus, strict=True)):
        if np.isnan(point).any():
            continue
        colour = _COLOURS[j % len(_COLOURS)]
        style: dict[str, Any] = {"facecolor": colour, "edgecolor": "none", "alpha": 0.07}
        axes.add_patch(Circle(point, scenario.coverage_radius, zorder=0, **style))
        style = {"fill": False, "edgecolor": colour, "linestyle": (0, (4, 3)), "linewidth": 1.0}
        axes.add_patch(Circle(point, scenario.coverage_radius, zorder=2.5, alpha=0.7, **style))
        axes.scatter(*point, s=210, marker="^", color=colour, edgecolors="white", zorder=5)
        _label(axes, name, point, 10, "bold", _INK, below=True)


def _draw_avs(axes: Any, scenario: Scenario, avs: FloatArray, rsus: FloatArray) -> None:
    best = links(scenario).snr.argmax(axis=1)
    labels = _av_labels(scenario)
    near = 0.03 * float(np.ptp(axes.get_xlim()))
    for i, (label, point) in enumerate(zip(labels, avs, strict=True)):
        if np.isnan(point).any():
            continue
        colour = _COLOURS[int(best[i]) % len(_COLOURS)]
        site = rsus[best[i]]
        if not np.isnan(site).any():
            axes.plot(*np.array([point, site]).T, color=colour, linewidth=0.9, alpha=0.6, zorder=3)
        axes.scatter(*point, s=46, color=colour, edgecolors="white", linewidths=0.8, zorder=4)
        crowded = np.any(np.hypot(*(avs[:i] - point).T) < near)
        _label(axes, label, point, 8, "normal", colour, below=bool(crowded))


def _av_labels(scenario: Scenario) -> list[str]:
    """Names if all are short, else numbers as in the table of AVs; none if there are many."""
    count = len(scenario.avs)
    if count > _MAX_LABELS:
        return [""] * count
    if max(map(len, scenario.av_names)) <= 6:
        return list(scenario.av_names)
    return [str(number) for number in range(1, count + 1)]


def _label(
    axes: Any,
    text: str,
    point: FloatArray,
    size: int,
    weight: str,
    colour: str,
    below: bool = False,
) -> None:
    from matplotlib.patheffects import withStroke

    axes.annotate(
        text.replace("$", r"\$"),
        point,
        xytext=(0, -0.7 * size if below else 0.7 * size),
        textcoords="offset points",
        ha="center",
        va="top" if below else "bottom",
        fontsize=size,
        fontweight=weight,
        color=colour,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
        zorder=6,
    )


def _legend(axes: Any, scenario: Scenario, traffic: FloatArray | None) -> None:
    from matplotlib.lines import Line2D

    def dot(label: str, **style: Any) -> Line2D:
        return Line2D([], [], linestyle="none", label=label, **style)

    handles = [
        dot("RSU and its reach", marker="^", color=_INK, markersize=10),
        dot("AV, in the colour of its best link", marker="o", color=_INK, markersize=6),
    ]
    if traffic is not None:
        handles.append(dot("other vehicles", marker="o", color=_TRAFFIC, markersize=3))
    if scenario.roads:
        handles.append(Line2D([], [], color=_ROAD, linewidth=2.2, label="roads"))
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.07),
        ncol=len(handles),
        frameon=False,
        fontsize=8,
    )

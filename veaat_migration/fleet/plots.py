"""Pictures of a comparison: PNG for documents, SVG for the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

from veaat_migration.analysis.plot_parts import FEW, GREY, figure, style
from veaat_migration.fleet.comparison import Comparison
from veaat_migration.fleet.metrics import BY_NAME
from veaat_migration.fleet.tables import policies_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 5.2
_PARTS = ("transfer", "queue", "compute")
PICTURES = {
    "outcomes": "How requests ended",
    "delay": "Delay by part",
    "service": "What passengers notice",
    "money": "Money",
    "fairness": "Fairness",
    "load": "Load of each RSU",
}
_CAPTIONS = {
    "outcomes": "Share of the requests with an RSU in range; the whisker is the 95 % interval of "
    "success over seeds.",
    "delay": "Mean over completed migrations; whiskers: 95 % interval of the total over seeds.",
    "service": "Downtime of a migration, and the share of time in coverage that twins did not "
    "serve.",
    "money": "Surplus of AVs for each request, and profit of all RSUs per minute.",
    "fairness": "Jain's index, 1: all have the same.",
    "load": "Bandwidth in use for transfers as a share of capacity; mean over seeds, RSUs sorted "
    "by load: who stands alone gets more.",
}


def draw_all(folder: Path, comparison: Comparison) -> list[tuple[str, str, Path]]:
    """Draw every picture as PNG and SVG.

    Returns:
        Title, caption and SVG file of each.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    painters: dict[str, Callable[[Sequence[Axes], Comparison], None]] = {
        "outcomes": _outcomes,
        "delay": _delay,
        "service": lambda axes, c: _bars(axes, c, ("downtime", "unserved")),
        "money": lambda axes, c: _bars(axes, c, ("surplus", "earned")),
        "fairness": lambda axes, c: _bars(axes, c, ("fair_avs", "fair_rsus", "fair_load")),
        "load": _load,
    }
    columns = {"service": 2, "money": 2, "fairness": 3}
    made = []
    rows = len(policies_of(comparison))
    for name, title in PICTURES.items():
        with style(), matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
            height = 2.6 if name == "load" else 0.9 + 0.3 * rows
            picture, axes = figure(WIDTH, height, ncols=columns.get(name, 1), squeeze=False)
            painters[name](list(axes[0]), comparison)
            png, svg = folder / f"{name}.png", folder / f"{name}.svg"
            picture.savefig(png, metadata={"Software": None})
            picture.savefig(svg, metadata={"Date": None})
        made.append((title, _CAPTIONS[name], svg))
    return made


def _rows(axes: Axes, policies: Sequence[str], *, named: bool = True) -> np.ndarray:
    """A row for each policy, the first on top."""
    places = np.arange(len(policies))[::-1]
    axes.set_yticks(places, [p.replace("_", " ") for p in policies] if named else [])
    axes.grid(visible=False, axis="y")
    axes.set_ylim(-0.6, len(policies) - 0.4)
    return places


def _outcomes(axes: Sequence[Axes], comparison: Comparison) -> None:
    policies = policies_of(comparison)
    places, left = _rows(axes[0], policies), np.zeros(len(policies))
    groups: tuple[tuple[str, str, Callable[[dict[str, Any]], float]], ...] = (
        ("in time", FEW[2], lambda r: r["completed"] - r["late"]),
        ("late", FEW[4], lambda r: r["late"]),
        ("no offer in time", FEW[3], lambda r: r["outcomes"].get("DEADLINE_INFEASIBLE", 0)),
        ("refused, broken or died", FEW[1], lambda r: round(r["failed"] * r["in_range"])),
    )
    for label, colour, count in groups:
        share = np.array([
            100.0 * np.mean([count(r) / r["in_range"] if r["in_range"] else 0.0
                             for (p, _), r in comparison.results.items() if p == policy])
            for policy in policies
        ])  # fmt: skip
        axes[0].barh(places, share, left=left, color=colour, height=0.7, label=label)
        left += share
    for place, policy in zip(places, policies, strict=True):
        found = comparison.estimates(policy)["success"]
        axes[0].plot([100 * found.low, 100 * found.high], [place, place], color="black",
                     linewidth=1.2, marker="|", markersize=5)  # fmt: skip
    axes[0].set_xlim(0.0, 100.0)
    axes[0].set_xlabel("Requests [%]")
    axes[0].figure.legend(loc="outside lower center", ncols=2)


def _delay(axes: Sequence[Axes], comparison: Comparison) -> None:
    policies = policies_of(comparison)
    places, left = _rows(axes[0], policies), np.zeros(len(policies))
    for name, colour in zip(_PARTS, FEW, strict=False):
        means = np.nan_to_num([comparison.estimates(p)[name].value for p in policies])
        title = BY_NAME[name].title.lower()
        axes[0].barh(places, means, left=left, color=colour, height=0.7, label=title)
        left += means
    for place, policy in zip(places, policies, strict=True):
        found = comparison.estimates(policy)["total"]
        axes[0].plot([found.low, found.high], [place, place], color="black", linewidth=1.2,
                     marker="|", markersize=5)  # fmt: skip
    axes[0].set_xlim(left=0.0)
    axes[0].set_xlabel("Delay [s]")
    axes[0].figure.legend(loc="outside lower center", ncols=3)


def _bars(axes: Sequence[Axes], comparison: Comparison, names: Sequence[str]) -> None:
    policies = policies_of(comparison)
    for k, (panel, name) in enumerate(zip(axes, names, strict=True)):
        metric = BY_NAME[name]
        places = _rows(panel, policies, named=k == 0)
        found = [comparison.estimates(policy)[name] for policy in policies]
        value, low, high = (
            np.array([metric.shown(getattr(e, end)) for e in found])
            for end in ("value", "low", "high")
        )
        panel.barh(places, value, color=FEW[0], height=0.6, alpha=0.85)
        panel.errorbar(value, places, xerr=np.abs([value - low, high - value]), fmt="none",
                       ecolor="black", elinewidth=1.2, capsize=2)  # fmt: skip
        panel.axvline(0.0, color=GREY, linewidth=0.8)
        panel.set_xlabel(metric.label)


def _load(axes: Sequence[Axes], comparison: Comparison) -> None:
    policies = policies_of(comparison)
    for k, policy in enumerate(policies):
        loads = np.array(
            [r["rsus"]["load"] for (p, _), r in comparison.results.items() if p == policy]
        )
        mean = np.sort(100.0 * loads.mean(axis=0))[::-1]
        axes[0].plot(np.arange(1, len(mean) + 1), mean, color=FEW[k % len(FEW)], marker="o",
                     markersize=3, label=policy.replace("_", " "))  # fmt: skip
    axes[0].set_ylim(bottom=0.0)
    axes[0].set_xlabel("RSU, busiest first")
    axes[0].set_ylabel("Load [%]")
    axes[0].legend(ncols=2)

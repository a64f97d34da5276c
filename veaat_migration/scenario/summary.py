"""A scenario as tables of text: players, links, coverage and delays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from veaat_migration.game.delay import queueing_delay
from veaat_migration.scenario.build import Links, links, positions, qualities, shortest_delays
from veaat_migration.scenario.parts import Coupling, DistanceCoupling, TotalCoupling
from veaat_migration.scenario.schema import Scenario

FloatArray = npt.NDArray[np.float64]

_MAX_ROWS = 40
_MAX_COLUMNS = 10


def summary(scenario: Scenario) -> str:
    """Several tables, for a terminal; long ones are cut with a note."""
    link = links(scenario)
    parts = [
        _head(scenario),
        _rsu_table(scenario, link),
        _av_table(scenario, link),
        _pairs("Distance [m]", link.distance, scenario, 0),
        _pairs("SNR [dB], fading included", link.snr_db, scenario, 1),
        _coverage(scenario, link),
        _delays(scenario),
    ]
    return "\n\n".join(part for part in parts if part)


def _head(scenario: Scenario) -> str:
    lines = [
        f"{scenario.name}: {len(scenario.avs)} AVs x {len(scenario.rsus)} RSUs, "
        f"seed {scenario.seed}"
    ]
    if scenario.description:
        lines.append(scenario.description)
    lines.append(
        f"prices up to {scenario.price_max:g} money/MHz, up to {scenario.bandwidth_max:g} MHz per "
        f"AV and RSU, {scenario.externality} couplings"
    )
    lines.append(
        f"social coupling {_coupling(scenario.social_coupling)}, "
        f"service coupling {_coupling(scenario.service_coupling)} money/MHz^2"
    )
    return "\n".join(lines)


def _coupling(coupling: Coupling) -> str:
    if isinstance(coupling, DistanceCoupling):
        return f"{coupling.strength:g} exp(-d / {coupling.range:g} m)"
    if isinstance(coupling, TotalCoupling):
        return f"{coupling.total:g} / (players - 1)"
    return "given as a matrix" if isinstance(coupling, tuple) else f"{coupling:g}"


def _rsu_table(scenario: Scenario, link: Links) -> str:
    served = (link.distance <= scenario.coverage_radius).sum(axis=0)
    queue = queueing_delay(
        [rsu.arrival_rate for rsu in scenario.rsus], [rsu.service_rate for rsu in scenario.rsus]
    )
    header = ["RSU", "", "x [m]", "y [m]", "quality", "cost", "capacity [MHz]",
              "compute [GHz]", "queue [ms]", "AVs in reach"]  # fmt: skip
    rows = [
        [f"{number}", name, *_point(point), f"{quality:.3f}", f"{rsu.cost:g}",
         "-" if rsu.capacity is None else f"{rsu.capacity:g}", f"{rsu.compute:g}",
         f"{1e3 * wait:.0f}", f"{count}"]
        for number, (name, point, quality, rsu, wait, count) in enumerate(
            zip(scenario.rsu_names, positions(scenario.rsus), qualities(scenario), scenario.rsus,
                queue, served, strict=True),
            start=1,
        )
    ]  # fmt: skip
    return _table(header, rows)


def _av_table(scenario: Scenario, link: Links) -> str:
    nearest = link.distance.argmin(axis=1)
    slowest = shortest_delays(scenario).max(axis=1)
    header = ["AV", "", "x [m]", "y [m]", "delta", "alpha", "data [MB]", "Gcycles", "nearest RSU",
              "base delay [s]", "slowest at b_max [s]", "max_delay [s]"]  # fmt: skip
    rows = [
        [f"{i + 1}", name, *_point(point), f"{av.satisfaction:g}", f"{av.delay_sensitivity:g}",
         f"{av.data:g}", f"{av.cycles:g}",
         f"{scenario.rsu_names[nearest[i]]} {link.distance[i, nearest[i]]:.0f} m",
         _span(link.base_delay[i]), f"{slowest[i]:.2f}",
         "-" if av.max_delay is None else f"{av.max_delay:g}"]
        for i, (name, point, av) in enumerate(
            zip(scenario.av_names, positions(scenario.avs), scenario.avs, strict=True)
        )
    ]  # fmt: skip
    return _table(header, rows)


def _pairs(title: str, values: FloatArray, scenario: Scenario, decimals: int) -> str:
    if len(scenario.rsus) > _MAX_COLUMNS:
        low, middle, high = np.percentile(values, [0, 50, 100])
        return f"{title}: {low:.{decimals}f} to {high:.{decimals}f}, median {middle:.{decimals}f}"
    header = [title, *scenario.rsu_names]
    rows = [
        [name, *(f"{value:.{decimals}f}" for value in row)]
        for name, row in zip(scenario.av_names, values, strict=True)
    ]
    return _table(header, rows)


def _coverage(scenario: Scenario, link: Links) -> str:
    covered = int((link.distance.min(axis=1) <= scenario.coverage_radius).sum())
    return (
        f"Coverage: {covered} of {len(scenario.avs)} AVs are within "
        f"{scenario.coverage_radius:g} m of an RSU."
    )


def _delays(scenario: Scenario) -> str:
    """Whether the constraint can be met: matching probabilities may weigh the links in any way."""
    if not scenario.delay.enforce:
        return "Delay: not enforced (delay.enforce: false)."
    at_most = shortest_delays(scenario)
    limit = np.array([av.max_delay for av in scenario.avs], dtype=np.float64)
    never = [name for name, out in zip(scenario.av_names, at_most.min(axis=1) > limit,
                                       strict=True) if out]  # fmt: skip
    always = at_most.max(axis=1) <= limit
    lines = [
        f"Delay: enforced; {int(always.sum())} of {len(limit)} AVs can meet max_delay at any "
        "prices (with b_max)."
    ]
    depends = len(limit) - int(always.sum()) - len(never)
    if depends:
        lines.append(f"{depends} can meet it only at prices that favour their faster RSUs.")
    if never:
        lines.append(
            f"Never possible, even with b_max: {', '.join(never[:10])}"
            f"{' ...' if len(never) > 10 else ''}; raise max_delay or bandwidth_max."
        )
    return "\n".join(lines)


def _point(point: FloatArray) -> list[str]:
    return ["-" if np.isnan(value) else f"{value:.1f}" for value in point]


def _span(values: FloatArray) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.2f}-{high:.2f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    shown = list(rows[:_MAX_ROWS])
    widths = [max(map(len, column)) for column in zip(header, *shown, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = (
            cell.ljust(width) if header[k] == "" else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(cells[1:], widths[1:], strict=True), start=1)
        )
        return "  ".join([first, *rest]).rstrip()

    lines = [line(header), *map(line, shown)]
    if len(rows) > len(shown):
        lines.append(f"... and {len(rows) - len(shown)} more")
    return "\n".join(lines)

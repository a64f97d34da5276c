"""From the laps of all repetitions to figures and a table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from entrants import BY_NAME, Entrant

Results = Mapping[str, Sequence[Mapping[str, Any]]]
"""What the workers wrote, by name of the entrant and repetition."""

CLOCKS = {"wall": "seconds", "cpu": "cpu_seconds"}
"""Keys of a lap by name of a clock."""


def speed(entrant: Entrant, laps: Sequence[Mapping[str, Any]], steps: int, clock: str) -> float:
    """Environment steps per second of learning over some laps, on the clock of that name."""
    seconds = [lap[clock] for lap in laps]
    middle = statistics.fmean(seconds) if entrant.whole_run else statistics.median(seconds)
    return steps / middle


def summary(results: Results, steps: int, clock: str) -> dict[str, dict[str, Any]]:
    """Figures of every entrant.

    Args:
        results: of all repetitions.
        steps: environment steps of an iteration.
        clock: what ratios compare, one of :data:`CLOCKS`.

    Returns:
        By name: ``steps_per_second`` (median over repetitions), ``lowest`` and ``highest``
        repetition, ``steps_per_cpu_second``, ``cores`` that were busy, ``parts`` [s an
        iteration], ``profile``, ``versions``, ``settings`` and ``ratios`` (by name of our
        entrants: ours over this one's, median over repetitions that ran side by side).
    """
    on_clock = {
        which: {
            name: [speed(BY_NAME[name], run["laps"], steps, which) for run in runs]
            for name, runs in results.items()
        }
        for which in CLOCKS.values()
    }
    speeds, wall = on_clock[clock], on_clock[CLOCKS["wall"]]
    figures: dict[str, dict[str, Any]] = {}
    for name, runs in results.items():
        laps = [lap for run in runs for lap in run["laps"]]
        figures[name] = {
            "steps_per_second": statistics.median(wall[name]),
            "lowest": min(wall[name]),
            "highest": max(wall[name]),
            "steps_per_cpu_second": statistics.median(on_clock[CLOCKS["cpu"]][name]),
            "cores": sum(lap["cpu_seconds"] for lap in laps) / sum(lap["seconds"] for lap in laps),
            "parts": medians([lap["parts"] for lap in laps]),
            "profile": medians([run["profile"] for run in runs]),
            "versions": runs[0]["versions"],
            "settings": runs[0]["settings"],
            "ratios": {
                ours: statistics.median(
                    a / b for a, b in zip(speeds[ours], speeds[name], strict=True)
                )
                for ours in speeds
                if BY_NAME[ours].ours and ours != name
            },
        }
    return figures


def medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Median of every key over rows with the same keys."""
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def table(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line per entrant: its speed, and how many times faster each of ours is."""
    ours = [name for name in figures if BY_NAME[name].ours]
    heads = "".join(f"{f'{name} x':>{len(name) + 4}}" for name in ours)
    lines = [f"{'':16}{'env steps/s':>12}{'(range)':>16}{'/CPU s':>9}{'cores':>6}{heads}"]
    for name, figure in figures.items():
        low, high = figure["lowest"], figure["highest"]
        ratios = "".join(
            f"{figure['ratios'][mine]:{len(mine) + 4}.2f}" if mine in figure["ratios"]
            else " " * (len(mine) + 4)
            for mine in ours
        )  # fmt: skip
        lines.append(
            f"{name:16}{figure['steps_per_second']:12,.0f}{f'({low:,.0f}-{high:,.0f})':>16}"
            f"{figure['steps_per_cpu_second']:9,.0f}{figure['cores']:6.2f}{ratios}"
        )
    return lines


def where_time_goes(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Milliseconds of an iteration by part, and for ours also finer."""
    lines = []
    for name, figure in figures.items():
        for title, key in (("", "parts"), (" in detail", "profile")):
            parts = {part: seconds for part, seconds in figure[key].items() if seconds > 5e-5}
            total = sum(parts.values())
            if total > 0:
                text = ", ".join(
                    f"{part} {1e3 * seconds:.1f} ms ({seconds / total:.0%})"
                    for part, seconds in sorted(parts.items(), key=lambda item: -item[1])
                )
                lines.append(f"{name}{title}: {text}")
    return lines


def verdict(figures: Mapping[str, Mapping[str, Any]], at_least: float) -> tuple[list[str], bool]:
    """Whether each of ours is so many times faster than the libraries that were measured."""
    lines, met = [], True
    for name, figure in figures.items():
        if not BY_NAME[name].barred:
            continue
        for ours, ratio in figure["ratios"].items():
            enough = ratio >= at_least
            met &= enough
            lines.append(
                f"{ours} learns {ratio:.2f} times as fast as {name}: "
                f"{'at least' if enough else 'less than'} {at_least:g}"
            )
    return lines, met

"""Whether a number rises or falls along a line of points, in words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from veaat_migration.studies.results import Line, Results

_FLAT = 1e-6
"""Relative change below which two values count as equal: more than certified answers err."""

_SHOWN = 6


def trends(results: Results) -> list[str]:
    """One sentence for each drawn metric and line of at least two answers."""
    sentences = []
    for metric in results.study.figure.metrics:
        for line in results.lines():
            known = _known(line, metric)
            if len(known) >= 2:
                name = f" ({line.name})" if line.name else ""
                sentences.append(f"{metric}{name}: {describe(known)}")
    return sentences


def _known(line: Line, metric: str) -> list[tuple[object, float]]:
    return [
        (value, record.metrics[metric])
        for value, record in line.points
        if math.isfinite(record.metrics.get(metric, math.nan))
    ]


def describe(points: Sequence[tuple[object, float]]) -> str:
    """How the values change along the points ``(where, value)``."""
    values = [value for _, value in points]
    scale = max(map(abs, values))
    steps = [
        0 if abs(after - before) <= _FLAT * scale else (1 if after > before else -1)
        for before, after in itertools.pairwise(values)
    ]
    span = f"{values[0]:.4g} to {values[-1]:.4g}"
    if not any(steps):
        return f"constant, {values[0]:.4g}"
    overall = 1 if values[-1] > values[0] else -1
    against = [points[k + 1][0] for k, step in enumerate(steps) if step == -overall]
    verb = "rises" if overall > 0 else "falls"
    if not against:
        return f"{verb} from {span}, " + ("at every step" if all(steps) else "never back")
    shown = ", ".join(map(str, against[:_SHOWN])) + (", ..." if len(against) > _SHOWN else "")
    back = "falls" if overall > 0 else "rises"
    return f"{verb} from {span}, but {back} at {shown}"

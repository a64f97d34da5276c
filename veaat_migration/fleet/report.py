"""The comparison on one page: an HTML file that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from pathlib import Path

from veaat_migration.experiments.page import (
    definitions,
    heading,
    numbers,
    page,
    paragraph,
    picture,
    tiles,
)
from veaat_migration.fleet.comparison import REFERENCE, Comparison
from veaat_migration.fleet.metrics import METRICS
from veaat_migration.fleet.policies import DESCRIPTIONS
from veaat_migration.fleet.tables import policies_of, with_interval

PAGE = "report.html"
_OUTCOMES = {
    "NONE": "completed",
    "NO_RSU_IN_RANGE": "no RSU in range",
    "DEADLINE_INFEASIBLE": "no offer in time",
    "TARGET_REFUSED": "target refused",
    "TRANSFER_BROKEN": "transfer broken",
    "TARGET_DIED": "target died",
    "SOURCE_DIED": "source died",
    "LEFT_MAP": "vehicle left the map",
    "OPEN": "under way at the end",
}


def write_report(
    path: Path,
    comparison: Comparison,
    pictures: Sequence[tuple[str, str, Path]],
    *,
    command: str,
    replays: Sequence[Path] = (),
) -> None:
    """Write the page.

    Args:
        path: of the page.
        comparison: with one result at least.
        pictures: title, caption and SVG file of each.
        command: that made it.
        replays: pages beside it.

    Raises:
        OSError: it cannot be written.
    """
    title = f"Policies compared on {comparison.wish.excerpt.path.name.split('.')[0]}"
    body = _body(title, comparison, pictures, command, replays)
    path.write_text(page(title, body), encoding="utf-8")


def _body(
    title: str,
    comparison: Comparison,
    pictures: Sequence[tuple[str, str, Path]],
    command: str,
    replays: Sequence[Path],
) -> Iterator[str]:
    results = list(comparison.results.values())
    yield f"<h1>{html.escape(title)}</h1>"
    yield paragraph(_lead(comparison), "soft")
    yield tiles(
        [
            ("vehicles at once", f"{max(r['most_vehicles'] for r in results)}"),
            ("RSUs", f"{len(results[0]['rsus']['name'])}"),
            ("migrations requested", f"{sum(r['requests'] for r in results):,}"),
            ("completed", f"{sum(r['completed'] for r in results):,}"),
            ("twins lost or doubled", f"{sum(r['violations'] for r in results)}"),
        ]
    )
    for warning in _warnings(comparison):
        yield paragraph(warning, "warning")
    yield heading("Result")
    yield paragraph(
        "Mean over seeds with its 95 % bootstrap interval in brackets. "
        "▲ more is better, ▼ less is better."
    )
    yield _metrics(comparison)
    yield from _difference(comparison)
    yield heading("Pictures")
    figures = "".join(picture(file, name, text) for name, text, file in pictures)
    yield f'<div class="figures">{figures}</div>'
    if replays:
        yield heading("Watch it")
        links = ", ".join(
            f'<a href="{html.escape(file.name)}">{html.escape(file.stem)}</a>' for file in replays
        )
        yield f"<p>{links}</p>"
    yield heading("How requests ended")
    yield _outcomes(comparison)
    yield heading("What is what")
    policies = policies_of(comparison)
    yield definitions([(p.replace("_", " "), DESCRIPTIONS[p]) for p in policies])
    yield definitions([(m.label, m.meaning) for m in METRICS])
    yield heading("How it was made")
    yield paragraph(f"{comparison.wish.site.note}.")
    yield f"<p><code>{html.escape(command)}</code></p>"


def _lead(comparison: Comparison) -> str:
    results = list(comparison.results.values())
    seconds = max(r["seconds"] for r in results)
    speed = min(r["seconds"] / max(r["processor_seconds"], 1e-9) for r in results)
    seeds = len(comparison.wish.seeds)
    return (
        f"{seconds:.0f} s of traffic, {seeds} seed{'s' if seeds > 1 else ''} of everything random "
        f"(AVs, RSUs, fading, queues) for each policy, the same for all. Every migration went "
        f"through the state machines of the protocol, byte by byte. The slowest run was "
        f"{speed:.1f} times as fast as the traffic, on one core."
    )


def _warnings(comparison: Comparison) -> Iterator[str]:
    if comparison.interrupted or comparison.failed:
        yield (
            f"Not complete: {len(comparison.results)} of {len(comparison.tasks)} runs. The same "
            "command goes on from there."
        )
    for policy in policies_of(comparison):
        runs = [r for (p, _), r in comparison.results.items() if p == policy]
        if not any(r["completed"] for r in runs):
            yield f"{policy}: nothing migrated. {why_nothing(runs[0])}"
    bad = sum(r["violations"] for r in comparison.results.values())
    if bad:
        yield f"{bad} violations of ownership: this must not be; see first_violations in runs/."


def why_nothing(result: dict[str, object]) -> str:
    """Why no twin moved in a run, and what to change."""
    if not result["deployments"]:
        return "No vehicle came into the coverage of an RSU: move RSUs or enlarge --radius."
    if not result["requests"]:
        return (
            "No vehicle was about to leave the coverage of its RSU: use more RSUs with a smaller "
            "--radius, or a longer part of the trace."
        )
    if not result["in_range"]:
        return (
            "No other RSU was in range of a vehicle that left: use more RSUs (--rsus) or a larger "
            "--radius, so that coverages overlap."
        )
    return "Every request failed; see how requests ended."


def _metrics(comparison: Comparison) -> str:
    policies = policies_of(comparison)
    found = {policy: comparison.estimates(policy) for policy in policies}
    arrows = {1: " ▲", -1: " ▼", 0: ""}
    rows = [
        [m.label + arrows[m.better], *(with_interval(m, found[p][m.name]) for p in policies)]
        for m in METRICS
    ]
    return numbers(["", *(p.replace("_", " ") for p in policies)], rows)


def _difference(comparison: Comparison) -> Iterator[str]:
    policies = [p for p in policies_of(comparison) if p != REFERENCE]
    found = {p: comparison.differences(p) for p in policies}
    shown = [p for p in policies if found[p] is not None]
    if not shown or len(comparison.wish.seeds) < 2:
        return
    yield heading("Difference from best response")
    yield paragraph(
        "Seed by seed, with the 95 % interval of the mean difference; an interval without 0 is a "
        "difference that these seeds show."
    )
    rows = []
    for metric in METRICS:
        cells = []
        for policy in shown:
            differences = found[policy]
            assert differences is not None
            cells.append(with_interval(metric, differences[metric.name], sign=True))
        rows.append([metric.label, *cells])
    yield numbers(["", *(p.replace("_", " ") for p in shown)], rows)


def _outcomes(comparison: Comparison) -> str:
    policies = policies_of(comparison)
    rows = []
    for name, title in _OUTCOMES.items():
        counts = [
            sum(r["outcomes"].get(name, 0) for (p, _), r in comparison.results.items() if p == q)
            for q in policies
        ]
        if any(counts):
            rows.append([title, *(f"{count:,}" for count in counts)])
    return numbers(["all seeds", *(p.replace("_", " ") for p in policies)], rows)

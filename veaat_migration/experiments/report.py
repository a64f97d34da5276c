"""Everything that came out, as files: figures, tables, claims, and one page to read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from veaat_migration.experiments import page
from veaat_migration.experiments.claims import (
    OURS,
    Claim,
    Verdict,
    judged,
    percent,
)
from veaat_migration.experiments.comparison import (
    COLUMNS,
    NOTE,
    compared,
    method_rows,
    summary,
    write_methods,
)
from veaat_migration.experiments.declaration import (
    LEARNING,
    SIZES,
    SPARSITY,
    STRATEGIES,
    UTILITIES,
    Declaration,
    FigurePart,
)
from veaat_migration.experiments.drawing import draw
from veaat_migration.experiments.panels import panels_of
from veaat_migration.experiments.results import StudyResults
from veaat_migration.experiments.statistics import estimate
from veaat_migration.experiments.tables import write_panels, write_rows

PAGE, SUMMARY = "report.html", "summary.md"
CLAIMS, METHODS, RUN = "claims.csv", "methods.csv", "run.json"

_CAPTIONS = {
    LEARNING: "Lines: interquartile mean over seeds; bands: 95 % bootstrap interval. Above: reward "
    "of all players together while they explore. Middle: the same policies "
    "without exploration, as they would be deployed. Below: the largest deviation of any player's "
    "utility from the exact equilibrium (lower is better), on a logarithmic axis.",
    UTILITIES: "TinyMA-IEI-PPO played without exploration; dotted: exact equilibrium.",
    STRATEGIES: "TinyMA-IEI-PPO played without exploration; dotted: exact equilibrium.",
    SIZES: "After training, without exploration. Points: interquartile mean over seeds with 95 % "
    "interval. Below: how far the same number is from the equilibrium's (lower is better).",
    SPARSITY: "Networks of 200 neurons a layer, pruned by TinyMA-IEI-PPO. Time is that of one "
    "decision of an AV by the runtime that needs no PyTorch, on the machine of this run.",
}


@dataclass(frozen=True)
class Facts:
    """How the results came about."""

    command: str
    smoke: bool
    seeds: Sequence[int]
    runs: int
    processor_seconds: float
    wall_seconds: float
    reused: int
    versions: Mapping[str, str]
    code: str
    tuning: str
    steps: Mapping[str, int]
    """Rounds of each run, by study."""


def write_report(
    folder: Path, declared: Declaration, studies: Mapping[str, StudyResults], facts: Facts
) -> list[Claim]:
    """Write ``figures/``, all tables, ``summary.md``, ``run.json`` and ``report.html``.

    Figures whose studies are not complete are left out.

    Returns:
        The claims that could be judged.
    """
    figures = []
    for name, figure in declared.figures.items():
        results = studies.get(figure.study)
        if results is not None and results.complete:
            figures.append((name, figure, _write_figure(folder / "figures", name, figure, results)))
    claims = judged(studies)
    header = ["figure", "claim", "verdict", "measured", "remark"]
    rows = [
        [c.figure, c.text, c.verdict.value, c.effect.replace("\n", "; "), c.remark] for c in claims
    ]
    write_rows(folder / CLAIMS, header, rows)
    write_methods(folder / METHODS, studies)
    (folder / RUN).write_text(json.dumps(vars(facts), indent=2, default=list) + "\n", "utf-8")
    (folder / SUMMARY).write_text(summary(claims, studies), encoding="utf-8")
    body = [
        *_introduction(facts, studies),
        *_claims(claims),
        *_figures(figures),
        *_methods(studies),
        *_how(facts),
    ]
    html = page.page("The paper's evaluation, reproduced", body)
    unfinished = folder / (PAGE + ".part")
    unfinished.write_text(html, encoding="utf-8")
    unfinished.replace(folder / PAGE)
    return claims


def figure_file(name: str) -> str:
    """Name of a figure's files: ``figure-03``."""
    return f"figure-{int(name):02}" if name.isdecimal() else f"figure-{name}"


def _write_figure(folder: Path, name: str, figure: FigurePart, results: StudyResults) -> Path:
    panels = panels_of(figure, results)
    file = figure_file(name)
    svg = draw(panels, folder, file)[-1]
    write_panels(folder / f"{file}.csv", [panel for panel in panels if not panel.timed])
    timed = [panel for panel in panels if panel.timed]
    if timed:
        write_panels(folder / f"{file}-times.csv", timed)
    return svg


def _introduction(facts: Facts, studies: Mapping[str, StudyResults]) -> list[str]:
    seeds = f"{len(facts.seeds)} seeds" if len(facts.seeds) > 1 else "1 seed"
    complete = [results for results in studies.values() if results.complete]
    games = {
        str(runs.first["equilibrium"]) for results in complete for runs in results.runs.values()
    }
    made = [
        "<h1>The paper's evaluation, reproduced</h1>",
        page.paragraph(
            "TinyMA-IEI-PPO and the methods that the paper compares it with learn to play the "
            "migration game: roadside units (RSUs) price bandwidth, vehicles (AVs) buy it. The "
            "exact Stackelberg equilibrium of every game is known, so that each claim of the "
            "paper's evaluation can be tested against it."
        ),
        page.paragraph(
            f"{facts.runs} training runs, {seeds} of every method, {len(games)} different games. "
            "Within a study all methods played equally many rounds.",
            "soft",
        ),
        *_headline(studies),
    ]
    if facts.smoke:
        made.append(
            page.paragraph(
                "This is a smoke run: runs far too short to learn anything, to see that all parts "
                "work. Its numbers and verdicts mean nothing.",
                "warning",
            )
        )
    return made


def _headline(studies: Mapping[str, StudyResults]) -> list[str]:
    """The shortest answer there is: how close the methods of the base case come."""
    base = studies.get("base")
    if base is None or not base.complete or OURS not in base.study.methods:
        return []
    gaps = {name: estimate([base.at(name).final_gap]) for name in base.study.methods}
    best = min(gaps, key=lambda name: gaps[name].value)
    sparsity = np.mean([np.mean(r["final"]["sparsity"]) for r in base.at(OURS).results])
    text = (
        f"In the base case (Figs. 3 to 5), {base.labels[OURS]} ends with every player's utility "
        f"within {percent(gaps[OURS])} of the equilibrium, with {sparsity:.0%} of its neurons "
        "removed. "
    )
    if best == OURS:
        second = min((name for name in gaps if name != OURS), key=lambda name: gaps[name].value)
        text += f"That is closest of all; next is {base.labels[second]}, {percent(gaps[second])}."
    else:
        text += f"Closest is {base.labels[best]}, {percent(gaps[best])}."
    return [page.paragraph(text)]


def _claims(claims: Sequence[Claim]) -> list[str]:
    if not claims:
        return [page.paragraph("No study of the claims is complete.", "soft")]
    counts = Counter(claim.verdict for claim in claims)
    rows = [
        [
            f"Fig. {escape(claim.figure)}",
            f"<b>{page.words(claim.text)}</b>",
            page.badge(claim.verdict.value),
            page.words(claim.effect),
            page.words(claim.remark),
        ]
        for claim in claims
    ]
    return [
        page.heading("Claims of the paper"),
        page.tiles((verdict.value, str(counts[verdict])) for verdict in Verdict),
        page.paragraph(
            "Intervals in brackets hold with 95 % (stratified bootstrap over runs). Better or "
            "worse means: the interval of the difference excludes zero.",
            "soft",
        ),
        page.cards(["Figure", "Claim", "Verdict", "Measured", "Remark"], rows),
    ]


def _figures(figures: Sequence[tuple[str, FigurePart, Path]]) -> list[str]:
    if not figures:
        return []
    made = [
        page.picture(
            file,
            f"Fig. {name}: {figure.title}" if name.isdecimal() else figure.title,
            _CAPTIONS[figure.kind],
        )
        for name, figure, file in figures
    ]
    return [page.heading("Figures"), f'<div class="figures">{"".join(made)}</div>']


def _methods(studies: Mapping[str, StudyResults]) -> list[str]:
    made: list[str] = []
    for name, results in compared(studies):
        made.append(page.heading(f"Methods compared: {name}"))
        made.append(page.numbers(COLUMNS, method_rows(results)))
    return [*made, page.paragraph(NOTE, "soft")] if made else []


def _how(facts: Facts) -> list[str]:
    def minutes(seconds: float) -> str:
        return f"{seconds / 60:.1f} minutes"

    entries: list[tuple[str, Any]] = [
        ("Command", facts.command),
        ("Seeds", ", ".join(map(str, facts.seeds))),
        ("Runs", f"{facts.runs}, of them {facts.reused} kept from before"),
        ("Rounds of each run", ", ".join(f"{k}: {n:,}" for k, n in facts.steps.items())),
        (
            "Time",
            f"{minutes(facts.wall_seconds)} for this call; all runs together took "
            f"{minutes(facts.processor_seconds)} of processor time",
        ),
        ("Tuning", facts.tuning),
        ("Versions", ", ".join(f"{name} {version}" for name, version in facts.versions.items())),
        ("Code", f"digest {facts.code[:16]}"),
        (
            "Reward of the system",
            "sum of all players' utilities (Eqs. 9 and 10) per round, the paper's episode reward",
        ),
        (
            "Largest utility gap",
            "largest deviation of any player's utility from the exact equilibrium, relative to it. "
            "Payments cancel in the reward of the system; this gap sees them.",
        ),
        (
            "Exploitability",
            "the most that any player could gain by another price or demand, relative to what it "
            "earns; zero in an equilibrium",
        ),
    ]
    return [page.heading("How this was made"), page.definitions(entries)]

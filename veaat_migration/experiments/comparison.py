"""The methods of a study side by side, and everything in Markdown for other documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from veaat_migration.experiments.claims import (
    OURS,
    THRESHOLD,
    Claim,
    chance,
    percent,
    settled_text,
)
from veaat_migration.experiments.results import StudyResults
from veaat_migration.experiments.statistics import estimate
from veaat_migration.experiments.tables import number, write_rows

COLUMNS = (
    "Method",
    "Reward of the system",
    "mean ± std",
    "Largest utility gap",
    "Exploitability",
    f"Within {THRESHOLD:.0%} from",
    "Closer than TinyMA",
)
NOTE = (
    "Interquartile means with 95 % intervals, play without exploration after training. The last "
    "column is the probability that a run of the method ends closer to the equilibrium than one of "
    "TinyMA-IEI-PPO."
)


def compared(studies: Mapping[str, StudyResults]) -> list[tuple[str, StudyResults]]:
    """Studies of one game, whose methods a table compares."""
    return [
        (name, results)
        for name, results in studies.items()
        if results.complete and results.places == (None,)
    ]


def method_rows(results: StudyResults) -> list[list[str]]:
    """A row of :data:`COLUMNS` for each method of a study of one game."""
    rows = []
    for method in results.study.methods:
        runs = results.at(method)
        reward = estimate([runs.final_reward])
        spread = runs.final_reward.std(ddof=1) if len(runs.results) > 1 else 0.0
        known = method != OURS and (OURS, None) in results.runs
        rows.append(
            [
                results.labels[method],
                f"{reward.value:.2f} [{reward.low:.2f}, {reward.high:.2f}]",
                f"{runs.final_reward.mean():.2f} ± {spread:.2f}",
                percent(estimate([runs.final_gap])),
                percent(estimate([runs.exploitability])),
                settled_text(runs),
                chance(runs.final_gap, results.at(OURS).final_gap) if known else "-",
            ]
        )
    exact = results.at(results.study.methods[0]).best_reward
    return [*rows, ["Equilibrium", f"{exact:.2f}", "-", "0 %", "0 %", "-", "-"]]


def write_methods(path: Path, studies: Mapping[str, StudyResults]) -> None:
    """All final numbers of all runs."""
    header = ["study", "place", "method", "seed", "reward", "equilibrium_reward", "av_reward",
              "rsu_reward", "largest_gap", "exploitability", "settled_rounds",
              "sparsity"]  # fmt: skip
    rows = []
    for name, results in studies.items():
        for (method, place), runs in results.runs.items():
            settled = runs.settled(THRESHOLD)
            for k, result in enumerate(runs.results):
                values = [
                    runs.final_reward[k], runs.best_reward, runs.av_reward[k], runs.rsu_reward[k],
                    runs.final_gap[k], runs.exploitability[k], settled[k],
                    float(np.mean(result["final"]["sparsity"])),
                ]  # fmt: skip
                where = "" if place is None else str(place)
                rows.append([name, where, method, str(result["seed"]), *map(number, values)])
    write_rows(path, header, rows)


def summary(claims: Sequence[Claim], studies: Mapping[str, StudyResults]) -> str:
    """Claims and methods as tables in Markdown, for other documents."""
    rows = [[c.figure, c.text, c.verdict.value, c.effect, c.remark] for c in claims]
    parts = [_markdown(("Fig.", "Claim", "Verdict", "Measured", "Remark"), rows)]
    for name, results in compared(studies):
        parts.append(f"Methods compared: {name}")
        parts.append(_markdown(COLUMNS, method_rows(results)))
    return "\n\n".join(parts) + "\n"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("\n", "<br>").replace("|", "/") for cell in line) + " |"
        for line in lines
    )

"""A whole reproduction: from the declaration to the report."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import scipy
import torch
import yaml

from veaat_migration.experiments.cells import Cell, Planner, code_version, environment_steps
from veaat_migration.experiments.claims import Claim
from veaat_migration.experiments.declaration import Declaration, load_declaration
from veaat_migration.experiments.engine import Outcome, run_cells
from veaat_migration.experiments.errors import ExperimentError
from veaat_migration.experiments.executors import Executor
from veaat_migration.experiments.report import Facts, write_report
from veaat_migration.experiments.results import StudyResults, gather
from veaat_migration.experiments.store import Store
from veaat_migration.experiments.tuned import Tuned, load_tuned

CELLS, CONFIGURATION = "cells", "configuration.yaml"


@dataclass(frozen=True)
class Wish:
    """What is asked for."""

    file: Path
    """Declaration."""
    figures: tuple[str, ...] = ()
    """Names; all of them if empty."""
    smoke: bool = False
    seeds: int | None = None
    """None: as many as the declaration says."""
    fresh: bool = False
    command: str = "veaat reproduce"


@dataclass(frozen=True)
class Reproduced:
    """What came of it."""

    outcome: Outcome
    claims: list[Claim]
    wall_seconds: float


def reproduce(wish: Wish, folder: Path, executor: Executor, stream: TextIO) -> Reproduced:
    """Run what is not known yet, and write everything into ``folder``.

    The report shows all that is known there, not only what was wished for now.

    Raises:
        VeaatError: a file is unusable, or a result cannot be kept.
    """
    began = time.monotonic()
    declared = load_declaration(wish.file)
    if wish.smoke:
        declared = declared.small()
    tuned = load_tuned(wish.file, declared)
    planner = Planner(declared, wish.file.parent, tuned.changes)
    seeds = range(1, (wish.seeds or declared.seeds) + 1)
    cells = {name: planner.cells(study, seeds) for name, study in declared.studies.items()}
    wanted = [cell for name in _studies(declared, wish.figures) for cell in cells[name]]
    store = Store(folder / CELLS)
    if wish.fresh:
        store.clear()
    (folder / CONFIGURATION).write_text(_configuration(declared, planner, tuned), "utf-8")
    outcome = run_cells(wanted, store, executor, stream)
    if outcome.interrupted:
        return Reproduced(outcome, [], time.monotonic() - began)
    known = _known(cells, outcome, store)
    labels = declared.labels()
    studies = {name: gather(declared.studies[name], labels, cells[name], known) for name in cells}
    facts = Facts(
        command=wish.command,
        smoke=wish.smoke,
        seeds=list(seeds),
        runs=len(known),
        processor_seconds=sum(r["times"]["processor_seconds"] for r in known.values()),
        wall_seconds=time.monotonic() - began,
        reused=outcome.reused,
        versions=versions(),
        code=code_version(),
        tuning=tuned.text,
        steps=_steps(studies),
    )
    claims = write_report(folder, declared, studies, facts)
    return Reproduced(outcome, claims, facts.wall_seconds)


def find_figures(declared: Declaration, names: Sequence[str]) -> tuple[str, ...]:
    """Names of figures as the declaration has them.

    Raises:
        ExperimentError: there is no such figure.
    """
    for name in names:
        if name not in declared.figures:
            known = ", ".join(declared.figures)
            raise ExperimentError(f"--figure {name}: there is no such figure (there are: {known})")
    return tuple(names)


def versions() -> dict[str, str]:
    """Of what decides numbers."""
    return {
        "Python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }


def _studies(declared: Declaration, figures: Sequence[str]) -> list[str]:
    names = find_figures(declared, figures) or tuple(declared.figures)
    return list(dict.fromkeys(declared.figures[name].study for name in names))


def _known(
    cells: dict[str, list[Cell]], outcome: Outcome, store: Store
) -> dict[str, dict[str, Any]]:
    """Results of this call, and what earlier ones left of other studies."""
    known = dict(outcome.results)
    for cell in (cell for study in cells.values() for cell in study):
        if cell.key not in known:
            result = store.find(cell.key)
            if result is not None:
                known[cell.key] = result
    return known


def _steps(studies: dict[str, StudyResults]) -> dict[str, int]:
    return {
        name: int(next(iter(results.runs.values())).first["steps"])
        for name, results in studies.items()
        if results.runs
    }


def _configuration(declared: Declaration, planner: Planner, tuned: Tuned) -> str:
    """Everything that was run, with all defaults spelled out."""
    content = declared.model_dump(mode="json", by_alias=True)
    content["tuned"] = {"file": tuned.text, "changes": tuned.changes}
    content["training"] = {}
    for name, study in declared.studies.items():
        configs = {m: planner.config(m, study.train, study.share) for m in study.methods}
        content["training"][name] = {
            method: {
                "rounds_in_all": environment_steps(config),
                **config.model_dump(mode="json", exclude={"name", "description", "game"}),
            }
            for method, config in configs.items()
        }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)

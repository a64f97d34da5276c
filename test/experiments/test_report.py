"""Figures, tables and the page: complete, self-contained, and the same every time."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veaat_migration.experiments.declaration import Declaration
from veaat_migration.experiments.panels import panels_of
from veaat_migration.experiments.report import Facts, figure_file, write_report
from veaat_migration.experiments.results import StudyResults

Make = Callable[[dict[str, float]], dict[str, StudyResults]]


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {
        "command": "veaat <reproduce> & co", "smoke": False, "seeds": [1, 2], "runs": 3,
        "processor_seconds": 60.0, "wall_seconds": 30.0, "reused": 0, "versions": {"torch": "2"},
        "code": "c" * 64, "tuning": "none", "steps": {"base": 1},
    }  # fmt: skip
    return Facts(**{**values, **changes})


@pytest.fixture(scope="module")
def few(paper: Declaration) -> Declaration:
    """One figure of most kinds: drawing takes most of the time."""
    figures = {name: paper.figures[name] for name in ("3", "6", "sparsity")}
    return paper.model_copy(update={"figures": figures})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, few: Declaration, studies_with: Make) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, few, studies_with({"tiny_ma_iei_ppo": 0.01}), facts())
    return folder


@pytest.mark.slow
def test_every_figure_has_pictures_and_a_table(
    tmp_path: Path, paper: Declaration, studies_with: Make
) -> None:
    write_report(tmp_path, paper, studies_with({}), facts())
    for name in paper.figures:
        for suffix in ("png", "svg", "csv"):
            assert (tmp_path / "figures" / f"{figure_file(name)}.{suffix}").stat().st_size > 100


def test_the_page_needs_nothing_else(written: Path, few: Declaration) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/svg+xml;base64,") == len(few.figures)
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "url(" not in page
    assert "veaat &lt;reproduce&gt; &amp; co" in page
    assert "smoke run" not in page
    for title in (figure.title for figure in few.figures.values()):
        assert title in page


def test_a_smoke_run_says_so(tmp_path: Path, few: Declaration, studies_with: Make) -> None:
    base = {"base": studies_with({})["base"]}
    write_report(tmp_path, few, base, facts(smoke=True))
    assert "This is a smoke run" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert {file.name for file in (tmp_path / "figures").glob("*.csv")} == {"figure-03.csv"}


def test_the_same_results_give_the_same_bytes(
    tmp_path: Path, written: Path, few: Declaration, studies_with: Make
) -> None:
    write_report(tmp_path, few, studies_with({"tiny_ma_iei_ppo": 0.01}), facts())
    files = [f.relative_to(written) for f in written.rglob("*") if f.is_file()]
    assert len(files) == 15
    for file in files:
        assert (tmp_path / file).read_bytes() == (written / file).read_bytes(), file


def test_tables_hold_every_run_and_the_equilibrium(written: Path) -> None:
    with (written / "figures" / "figure-06.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ours = [r for r in rows if r["panel"] == "av_reward" and r["line"] == "TinyMA-IEI-PPO"]
    assert [row["x"] for row in ours] == ["3", "6", "9"]
    for row in ours:
        runs = [float(row[f"run_{k}"]) for k in range(1, 6)]
        assert float(row["mean"]) == pytest.approx(np.mean(runs))
        assert float(row["std"]) == pytest.approx(np.std(runs, ddof=1), rel=1e-4)
        assert float(row["iqm"]) == pytest.approx(np.mean(sorted(runs)[1:4]))
        assert float(row["low"]) <= float(row["iqm"]) <= float(row["high"])
    exact = [r for r in rows if r["line"] == "equilibrium"]
    assert {row["x"]: float(row["iqm"]) for row in exact} == pytest.approx(
        {"3": 24.0, "6": 19.0, "9": 20.0 + 30.0 / 9 - 6.0}
    )


def test_the_summary_is_made_of_tables(written: Path) -> None:
    lines = (written / "summary.md").read_text(encoding="utf-8").splitlines()
    tables = [line for line in lines if line.startswith("|")]
    claims = [line for line in tables if line.count("|") == 6]
    with (written / "claims.csv").open(newline="", encoding="utf-8") as file:
        assert len(claims) == len(list(csv.DictReader(file))) + 2
    assert len([line for line in tables if line.count("|") == 8]) == 2 * (6 + 3)


def test_times_have_tables_of_their_own(written: Path) -> None:
    folder = written / "figures"
    assert "decision_time" in (folder / "figure-sparsity-times.csv").read_text()
    assert "decision_time" not in (folder / "figure-sparsity.csv").read_text()


def test_all_final_numbers_are_listed(written: Path) -> None:
    with (written / "methods.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 * (6 + 3 * 6 + 3 * 6 + 6 + 5)
    mappo = next(row for row in rows if row["method"] == "mappo")
    assert float(mappo["largest_gap"]) == pytest.approx(0.1, rel=0.11)


def test_panels_draw_what_is_asked_for(paper: Declaration, studies_with: Make) -> None:
    studies = studies_with({})
    for figure in paper.figures.values():
        results = studies[figure.study]
        panels = panels_of(figure, results)
        for panel in panels:
            for series in panel.series:
                assert series.runs.shape == (5, len(series.x))
                assert np.isfinite(series.runs).all()
        methods = figure.methods or results.study.methods
        if figure.kind in ("learning", "sizes"):
            assert [s.label for s in panels[0].series] == [results.labels[m] for m in methods]

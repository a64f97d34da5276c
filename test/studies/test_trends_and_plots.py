"""Trends in words, and figures of every kind of study."""

from pathlib import Path
from typing import Any

import pytest

from veaat_migration.studies.evaluate import METRICS, Record
from veaat_migration.studies.plot import write_figure
from veaat_migration.studies.results import Results, write_csv
from veaat_migration.studies.study import Axis, Figure, Study, Variant
from veaat_migration.studies.trends import describe, trends


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1, 2, 3], "rises from 1 to 3, at every step"),
        ([3, 3, 1], "falls from 3 to 1, never back"),
        ([1, 3, 2, 4], "rises from 1 to 4, but falls at 2"),
        ([5, 5 + 1e-9, 5], "constant, 5"),
        ([4, 5, 3, 3.5, 2], "falls from 4 to 2, but rises at 1, 3"),
        ([0, 0], "constant, 0"),
    ],
)
def test_trends_in_words(values: list[float], words: str) -> None:
    assert describe(list(enumerate(values))) == words


def record(value: float, status: str = "certified") -> Record:
    return Record(status, n_avs=1, n_rsus=1, metrics=dict.fromkeys(METRICS, value))


def results(*records: Record, **study: Any) -> Results:
    made = Study("test", {}, **study)
    return Results(made, dict(enumerate(records, start=1)))


STATES = ["certified", "certified_not_unique", "infeasible_followers", "unchecked", "cycling",
          "not_converged", "timed_out", "failed", "invalid"]  # fmt: skip


def test_every_state_is_drawn(tmp_path: Path) -> None:
    records = [record(k, s) if k < 6 else Record(s, "why") for k, s in enumerate(STATES)]
    path = tmp_path / "a.png"
    assert write_figure(path, results(*records, axes=(Axis("price_max", tuple(range(9))),)))
    assert path.stat().st_size > 10_000


@pytest.mark.parametrize(
    "study",
    [
        {"axes": (Axis("a", (1, 2)), Axis("b", tuple(range(12))))},
        {"axes": (Axis("externality", ("additive", "multiplicative")),)},
        {"axes": (Axis("x", (1, 10)),), "figure": Figure(("welfare",), log=frozenset("xy"))},
        {"axes": (Axis("x", (0, 10)),), "figure": Figure(("welfare",), log=frozenset("xy"))},
        {"axes": (Axis("x", (5,)),), "variants": (Variant("v", ()), Variant("w", ()))},
        {"axes": (Axis("x", (None, 5)),)},
        {"axes": (Axis("x", (1, 2)), Axis("y", (3, 4))), "figure": Figure(x="y", title="T")},
    ],
)
def test_each_kind_of_study_is_drawn_and_tabulated(tmp_path: Path, study: dict[str, Any]) -> None:
    records = [record(float(k)) for k in range(len(Study("test", {}, **study).points()))]
    made = results(*records, **study)
    assert write_figure(tmp_path / "a.svg", made)
    write_csv(tmp_path / "a.csv", made)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == len(records) + 1


def test_lines_are_named_by_everything_but_the_horizontal_axis() -> None:
    made = results(
        *(record(float(k)) for k in range(8)),
        axes=(Axis("x", (1, 2)), Axis("y", (3, 4)), Axis("z", (5,))),
        variants=(Variant("v", ()), Variant("w", ())),
    )
    assert made.x == "x"
    assert [line.name for line in made.lines()] == [
        "v, y = 3", "v, y = 4", "w, y = 3", "w, y = 4"
    ]  # fmt: skip
    assert [value for value, _ in made.lines()[0].points] == [1, 2]


def test_without_answers_there_is_nothing_to_draw_or_say(tmp_path: Path) -> None:
    made = results(Record("failed"), Record("invalid"), axes=(Axis("x", (1, 2)),))
    assert not write_figure(tmp_path / "a.png", made)
    assert not (tmp_path / "a.png").exists()
    assert trends(made) == []

"""Runs are kept at once, found again, and never repeated."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from veaat_migration.experiments.cells import Cell
from veaat_migration.experiments.engine import run_cells
from veaat_migration.experiments.errors import ExperimentError
from veaat_migration.experiments.store import Store


def cell(number: int, work: float = 1.0) -> Cell:
    return Cell(f"{number:032}", "mappo", None, number, {}, {}, {}, 1, work)


CELLS = [cell(k) for k in range(6)]


class Recorder:
    """Answers at once, fails where it is told to, and is interrupted after a while."""

    def __init__(self, fails: Sequence[int] = (), interrupted_after: int = 99) -> None:
        self.ran: list[int] = []
        self._fails, self._left = fails, interrupted_after

    def run(
        self, cells: Sequence[Cell], tick: Callable[[], None]
    ) -> Iterator[tuple[Cell, dict[str, Any]]]:
        for each in cells:
            if self._left == 0:
                raise KeyboardInterrupt
            self._left -= 1
            tick()
            self.ran.append(each.seed)
            bad = {"error": "broken"}
            good = {"evaluations": [], "seed": each.seed, "times": {"processor_seconds": 2.0}}
            yield each, bad if each.seed in self._fails else good


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    first, second = Recorder(interrupted_after=2), Recorder()
    outcome = run_cells(CELLS, Store(tmp_path), first, io.StringIO())
    assert outcome.interrupted
    assert len(outcome.results) == 2
    outcome = run_cells(CELLS, Store(tmp_path), second, io.StringIO())
    assert not outcome.interrupted
    assert outcome.reused == 2
    assert len(outcome.results) == 6
    assert outcome.processor_seconds == 12.0
    assert sorted(first.ran + second.ran) == list(range(6))
    third = Recorder()
    assert run_cells(CELLS, Store(tmp_path), third, io.StringIO()).reused == 6
    assert third.ran == []


def test_a_shared_run_is_run_once(tmp_path: Path) -> None:
    executor = Recorder()
    run_cells([*CELLS, *CELLS], Store(tmp_path), executor, io.StringIO())
    assert sorted(executor.ran) == list(range(6))


def test_the_longest_come_first(tmp_path: Path) -> None:
    executor = Recorder()
    run_cells([cell(1, 1.0), cell(2, 3.0), cell(3, 2.0)], Store(tmp_path), executor, io.StringIO())
    assert executor.ran == [2, 3, 1]


def test_a_failed_run_costs_itself_only_and_is_tried_again(tmp_path: Path) -> None:
    outcome = run_cells(CELLS, Store(tmp_path), Recorder(fails=[3]), io.StringIO())
    assert [(c.seed, reason) for c, reason in outcome.failed] == [(3, "broken")]
    assert len(outcome.results) == 5
    executor = Recorder()
    run_cells(CELLS, Store(tmp_path), executor, io.StringIO())
    assert executor.ran == [3]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"error": "x"}', '{"a": 1}'])
def test_damaged_results_are_not_believed(tmp_path: Path, content: str) -> None:
    store = Store(tmp_path)
    store.keep("a" * 64, {"evaluations": []})
    (file,) = tmp_path.glob("*.json")
    assert store.find("a" * 64) == {"evaluations": []}
    file.write_text(content)
    assert store.find("a" * 64) is None


def test_clearing_forgets_everything(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep("a", {"evaluations": []})
    store.clear()
    assert store.find("a") is None


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExperimentError, match="choose another --output"):
        Store(tmp_path / "file" / "cells")


def test_unfinished_files_do_not_count(tmp_path: Path) -> None:
    (tmp_path / ("b" * 32 + ".part")).write_text(json.dumps({"evaluations": []}))
    assert Store(tmp_path).find("b" * 64) is None

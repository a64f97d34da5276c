"""Points that take too long, processes that die: each costs its own point only."""

import multiprocessing
import os
import signal

import pytest

from veaat_migration.studies import pool
from veaat_migration.studies.pool import evaluate_all
from veaat_migration.studies.study import Axis, Study

GAME = {"delta": [20, 25], "E": [1, 1], "q": [1, 1.2], "c": [2, 2.5], "p_max": 30, "b_max": 10}
STUDY = Study("test", GAME, axes=(Axis("p_max", (10, 20, 30, 1)),))


def test_points_come_with_their_records_and_faults() -> None:
    results = {p.number: r for p, r in evaluate_all(STUDY, STUDY.points(), 2)}
    assert [results[k].status for k in (1, 2, 3, 4)] == [*["certified"] * 3, "invalid"]
    assert results[4].reason == "p_max: must be > every unit cost (2.5), got 1"
    assert len(results[1].lists["av_utility"]) == 2
    assert results[1].metrics["welfare"] == pytest.approx(
        sum(results[1].lists["av_utility"]) + sum(results[1].lists["rsu_utility"])
    )


def test_a_process_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_PATIENCE", -2 * STUDY.time_limit + 4.0)
    stopped: set[int | None] = set()

    def stop_the_first() -> None:
        for child in multiprocessing.active_children():
            if not stopped and child.pid is not None:
                stopped.add(child.pid)
                os.kill(child.pid, signal.SIGSTOP)

    results = [record for _, record in evaluate_all(STUDY, STUDY.points(), 1, stop_the_first)]
    assert not multiprocessing.active_children()
    assert sorted(record.status for record in results) == [
        "certified", "certified", "invalid", "timed_out"
    ]  # fmt: skip
    assert "stopped after 4 s" in {record.reason for record in results}

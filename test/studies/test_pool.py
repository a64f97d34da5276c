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


def disturb(number: signal.Signals) -> dict[int, str]:
    """Solve the study; the first process gets a signal as soon as it is there."""
    hit: set[int | None] = set()

    def tick() -> None:
        for child in multiprocessing.active_children():
            if not hit and child.pid is not None:
                hit.add(child.pid)
                os.kill(child.pid, number)

    results = evaluate_all(STUDY, STUDY.points(), 1, tick)
    found = {}
    for point, record in results:
        found[point.number] = record.status
    assert not multiprocessing.active_children()
    return found


def test_points_come_with_their_records_and_faults() -> None:
    results = {p.number: r for p, r in evaluate_all(STUDY, STUDY.points(), 2)}
    assert [results[k].status for k in (1, 2, 3, 4)] == [*["certified"] * 3, "invalid"]
    assert results[4].reason == "p_max: must be > every unit cost (2.5), got 1"
    assert len(results[1].lists["av_utility"]) == 2
    assert results[1].metrics["welfare"] == pytest.approx(
        sum(results[1].lists["av_utility"]) + sum(results[1].lists["rsu_utility"])
    )


def test_a_process_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_PATIENCE", -2 * STUDY.time_limit + 3.0)
    assert disturb(signal.SIGSTOP) == {1: "timed_out", 2: "certified", 3: "certified", 4: "invalid"}


def test_processes_that_cannot_start_end_the_study() -> None:
    with pytest.raises(pool.StudyError, match="did not start: signal 9"):
        disturb(signal.SIGKILL)


def test_a_process_that_dies_at_work_costs_its_point() -> None:
    worker = pool._Worker(STUDY)
    try:
        first = STUDY.points()[0]
        worker.start(first)
        while worker.result(60.0) is None:
            pool.wait([worker.connection])
        worker.start(first)
        worker._process.kill()
        worker._process.join()
        record = None
        while record is None:
            record = worker.result(60.0)
    finally:
        worker.stop()
    assert record.status in ("failed", "certified")  # it may have been faster than the signal
    if record.status == "failed":
        assert record.reason.startswith("the solving process died: signal 9")


def test_children_use_one_thread_and_the_environment_is_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with pool._undisturbed():
        assert {os.environ[name] for name in pool._ONE_THREAD} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ

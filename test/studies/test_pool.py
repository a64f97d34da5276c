"""Points that take too long, processes that die: each costs its own point only."""

import multiprocessing
import os
import signal
from collections.abc import Iterator

import pytest

from veaat_migration import parallel
from veaat_migration.parallel import undisturbed
from veaat_migration.studies import pool
from veaat_migration.studies.evaluate import Record
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


@pytest.fixture
def worker() -> Iterator[pool._Worker]:
    made = pool._Worker(STUDY)
    yield made
    made.stop()


def result(worker: pool._Worker) -> Record:
    while True:
        record = worker.result(60.0)
        if record is not None:
            return record
        pool.wait([worker.connection], timeout=1.0)


def test_a_process_that_cannot_start_ends_the_study(worker: pool._Worker) -> None:
    worker._process.kill()
    worker._process.join()
    worker.start(STUDY.points()[0])
    with pytest.raises(pool.StudyError, match="did not start: signal 9"):
        result(worker)


def test_a_process_that_dies_at_work_costs_its_point(worker: pool._Worker) -> None:
    point = STUDY.points()[0]
    worker.start(point)
    assert result(worker).status == "certified"
    worker._process.kill()
    worker._process.join()
    worker.start(point)
    assert worker.point is point
    record = result(worker)
    assert record.status == "failed"
    assert record.reason == "the solving process died: signal 9; out of memory?"
    assert worker.dead


def test_children_use_one_thread_and_the_environment_is_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with undisturbed():
        assert {os.environ[name] for name in parallel.ONE_THREAD} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ

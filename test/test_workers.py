"""Tasks in processes: results, processes that die, hang or cannot start."""

import math
import os
import time
from collections.abc import Iterator

import pytest

from veaat_migration import parallel
from veaat_migration.parallel import undisturbed
from veaat_migration.workers import Fate, Lost, Worker, WorkersError, work_all


def test_every_task_comes_back_with_its_result() -> None:
    tasks = [float(k) for k in range(7)]
    results = dict(work_all(math.sqrt, tasks, 2, time_limit=60.0))
    assert results == {task: math.sqrt(task) for task in tasks}


def test_a_task_that_takes_too_long_is_lost_and_the_others_are_not() -> None:
    results = dict(work_all(time.sleep, [600.0, 0.0, 0.01], 1, time_limit=2.0))
    assert results == {600.0: Lost(Fate.TIMED_OUT, "stopped after 2 s"), 0.0: None, 0.01: None}


def test_a_task_that_kills_its_process_is_lost() -> None:
    ((task, result),) = work_all(os._exit, [7], 2, time_limit=60.0)
    assert task == 7
    assert isinstance(result, Lost)
    assert result.fate is Fate.DIED
    assert result.reason == "the working process died: exit status 7; out of memory?"


@pytest.fixture
def worker() -> Iterator[Worker[float, float]]:
    made: Worker[float, float] = Worker(math.sqrt)
    yield made
    made.stop()


def wait_for(worker: Worker[float, float]) -> tuple[float, float | Lost]:
    while True:
        done = worker.result(60.0)
        if done is not None:
            return done
        time.sleep(0.01)


def test_a_process_that_cannot_start_is_an_error(worker: Worker[float, float]) -> None:
    worker.process.kill()
    worker.process.join()
    worker.start(4.0)
    with pytest.raises(WorkersError, match="did not start: signal 9"):
        wait_for(worker)


def test_a_process_that_dies_at_work_costs_its_task_only(worker: Worker[float, float]) -> None:
    worker.start(4.0)
    assert wait_for(worker) == (4.0, 2.0)
    worker.process.kill()
    worker.process.join()
    worker.start(9.0)
    assert worker.busy
    task, result = wait_for(worker)
    assert task == 9.0
    assert isinstance(result, Lost)
    assert result.reason == "the working process died: signal 9; out of memory?"
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

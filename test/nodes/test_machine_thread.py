"""A state machine in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from veaat_migration.nodes.machine_thread import MachineThread

SOON = 30.0


class Clock:
    """A machine that rings once."""

    def __init__(self, rings_at: float | None = None) -> None:
        self.next_wakeup = rings_at

    def on_timer(self, now: float) -> list[Any]:
        assert self.next_wakeup is not None
        assert now >= self.next_wakeup
        self.next_wakeup = None
        return ["rung"]


class Bench:
    """A thread whose outputs are kept."""

    def __init__(self, machine: Clock) -> None:
        self.sent: list[Any] = []
        self.failures: list[str] = []
        self.changed = threading.Event()
        self.thread = MachineThread(machine, self.take, self.fail)

    def take(self, outputs: Any) -> None:
        self.sent.extend(outputs)
        self.changed.set()

    def fail(self, trace: str) -> None:
        self.failures.append(trace)
        self.changed.set()

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + SOON
        while not condition():
            assert time.monotonic() < deadline
            self.changed.wait(0.05)
            self.changed.clear()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench(Clock())
    yield bench
    bench.thread.stop(SOON)


def test_jobs_are_done_one_after_the_other_in_their_order(bench: Bench):
    def slow(_now: float) -> list[str]:
        time.sleep(0.02)
        return ["slow"]

    bench.thread.post(slow)
    for n in range(5):
        bench.thread.post(lambda _now, n=n: [n])
    bench.thread.start()
    bench.until(lambda: len(bench.sent) == 6)
    assert bench.sent == ["slow", 0, 1, 2, 3, 4]


def test_whoever_posts_does_not_wait(bench: Bench):
    release = threading.Event()
    bench.thread.start()
    bench.thread.post(lambda _now: [release.wait(SOON)])
    begin = time.monotonic()
    for _ in range(100):
        bench.thread.post(lambda _now: ["late"])
    assert time.monotonic() - begin < 5.0
    assert bench.sent == []
    release.set()
    bench.until(lambda: len(bench.sent) == 101)


def test_an_alarm_rings_without_a_job():
    bench = Bench(Clock(time.monotonic() + 0.05))
    bench.thread.start()
    bench.until(lambda: bench.sent == ["rung"])
    bench.thread.stop(SOON)


def test_after_a_failure_nothing_is_done_or_said(bench: Bench):
    def broken(_now: float) -> list[Any]:
        raise OSError("no space left on device")

    bench.thread.post(lambda _now: ["before"])
    bench.thread.post(broken)
    bench.thread.post(lambda _now: ["after"])
    bench.thread.start()
    bench.until(lambda: bench.failures)
    bench.thread.stop(SOON)
    assert bench.sent == ["before"]
    assert "no space left on device" in bench.failures[0]


def test_what_was_posted_is_done_before_the_end():
    bench = Bench(Clock())
    bench.thread.start()
    for n in range(20):
        bench.thread.post(lambda _now, n=n: [n])
    bench.thread.stop(SOON)
    assert bench.sent == list(range(20))

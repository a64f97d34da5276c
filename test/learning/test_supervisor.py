"""What is done about a training process: no clock, no process, no ROS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.learning.supervisor import (
    Activity,
    BusyError,
    Kill,
    Launch,
    Supervisor,
    Tell,
)
from veaat_migration.learning.worker_messages import (
    PAUSE,
    RESUME,
    STOP,
    Phase,
    ReleaseOrder,
    TrainingOrder,
    WorkerReport,
)

ORDER = TrainingOrder(Path("base.yaml"), Path("run"), ReleaseOrder(Path("run/releases")))


def training(iteration: int) -> WorkerReport:
    return WorkerReport(Phase.TRAINING, iteration=iteration, iterations=100)


def started(order: TrainingOrder = ORDER) -> Supervisor:
    supervisor = Supervisor()
    assert supervisor.start(order) == (Launch(order),)
    return supervisor


def ended(supervisor: Supervisor, phase: str, message: str = "") -> None:
    supervisor.on_report(replace(supervisor.report, phase=phase, message=message))
    assert not supervisor.on_death("ended with exit status 0", 10.0)


def test_a_run_is_finished():
    supervisor = started()
    supervisor.on_report(WorkerReport(Phase.STARTING, "loading PyTorch"))
    assert "loading PyTorch" in supervisor.describe()
    supervisor.on_report(training(50))
    assert supervisor.activity is Activity.TRAINING
    assert supervisor.describe() == "training, iteration 50 of 100"
    supervisor.on_report(replace(training(100), phase=Phase.FINISHED))
    assert supervisor.running  # until the process has gone
    with pytest.raises(BusyError, match="busy"):
        supervisor.start(ORDER)

    assert not supervisor.on_death("ended with exit status 0", 1.0)

    assert supervisor.activity is Activity.FINISHED
    assert supervisor.report.iteration == 100
    assert not supervisor.running
    assert supervisor.next_wakeup is None
    assert supervisor.start(ORDER) == (Launch(ORDER),)
    assert supervisor.report.iteration == 0


def test_it_pauses_and_goes_on():
    supervisor = started()
    supervisor.on_report(training(1))
    assert supervisor.pause() == (Tell(PAUSE),)
    assert supervisor.activity is Activity.TRAINING  # the iteration that is under way
    assert supervisor.pause() == ()
    supervisor.on_report(replace(training(2), phase=Phase.PAUSED))
    assert supervisor.activity is Activity.PAUSED

    assert supervisor.resume() == (Tell(RESUME),)

    assert supervisor.activity is Activity.TRAINING
    supervisor.on_report(replace(training(2), phase=Phase.PAUSED))  # was still on its way
    assert supervisor.activity is Activity.TRAINING
    assert supervisor.resume() == ()


def test_it_stops_and_kills_what_does_not():
    supervisor = started()
    supervisor.on_report(training(2))
    assert supervisor.stop(now=5.0) == (Tell(STOP),)
    assert supervisor.activity is Activity.STOPPING
    assert supervisor.stop(now=6.0) == ()
    supervisor.on_report(training(3))
    assert supervisor.activity is Activity.STOPPING
    assert supervisor.next_wakeup == 35.0
    assert supervisor.on_timer(34.9) == ()
    assert supervisor.on_timer(35.0) == (Kill(),)

    assert supervisor.on_death("was killed by SIGKILL", 35.1) == ()

    assert supervisor.activity is Activity.STOPPED
    assert supervisor.report.iteration == 3


def test_what_has_not_begun_is_not_waited_for():
    supervisor = started()
    assert supervisor.stop(now=5.0) == (Kill(),)
    supervisor.on_death("was killed by SIGKILL", 5.1)
    assert supervisor.activity is Activity.STOPPED
    assert supervisor.next_wakeup is None


def test_a_run_may_be_finished_before_it_hears_that_it_should_stop():
    supervisor = started()
    supervisor.stop(now=0.0)
    ended(supervisor, Phase.FINISHED)
    assert supervisor.activity is Activity.FINISHED


def test_a_reason_that_a_new_try_does_not_mend_ends_the_run():
    supervisor = started()
    supervisor.on_report(training(7))
    supervisor.on_report(WorkerReport(Phase.FAILED, message="base.yaml: no such file"))
    supervisor.on_death("ended with exit status 0", 1.0)
    assert supervisor.activity is Activity.FAILED
    assert supervisor.message == "base.yaml: no such file"
    assert supervisor.report.iteration == 7
    assert supervisor.next_wakeup is None


def test_a_process_that_dies_is_replaced_after_longer_and_longer_waits():
    supervisor = started()
    supervisor.on_report(training(10))
    now, waits = 100.0, []
    for _ in range(2):
        assert supervisor.on_death("was killed by SIGKILL", now) == ()
        assert supervisor.activity is Activity.TRAINING
        assert "killed by SIGKILL; trying again" in supervisor.message
        assert supervisor.next_wakeup is not None
        waits.append(supervisor.next_wakeup - now)
        now = supervisor.next_wakeup
        assert supervisor.on_timer(now - 0.01) == ()
        assert supervisor.on_timer(now) == (Launch(ORDER),)
    assert waits == [1.0, 2.0]

    supervisor.on_death("was killed by SIGKILL", now)

    assert supervisor.activity is Activity.FAILED
    assert supervisor.message.endswith("gave up after 3 tries")
    assert supervisor.deaths == 3


def test_progress_gives_new_tries():
    supervisor, now = started(), 0.0
    for iteration in range(1, 30):
        supervisor.on_report(training(iteration))
        supervisor.on_death("was killed by SIGSEGV", now)
        assert supervisor.next_wakeup == now + 1.0
        now += 1.0
        assert supervisor.on_timer(now) == (Launch(ORDER),)
    # What counts is how far it ever got: 29, 28, 28 is no progress.
    for _ in range(2):
        supervisor.on_report(training(28))
        supervisor.on_death("was killed by SIGSEGV", now)
        now += 10.0
        supervisor.on_timer(now)
    supervisor.on_report(training(28))
    supervisor.on_death("was killed by SIGSEGV", now)
    assert supervisor.activity is Activity.FAILED


def test_a_crash_tells_why():
    supervisor = started()
    supervisor.on_report(training(4))
    supervisor.on_report(WorkerReport(Phase.CRASHED, message="RuntimeError: out of memory"))
    supervisor.on_death("ended with exit status 0", 0.0)
    assert supervisor.message.startswith("RuntimeError: out of memory; trying again")
    assert supervisor.report.iteration == 4


def test_a_run_begins_anew_only_once():
    fresh = replace(ORDER, fresh=True)
    supervisor = started(fresh)
    supervisor.on_report(WorkerReport(Phase.STARTING, "reading the configuration"))
    supervisor.on_death("was killed by SIGKILL", 0.0)
    assert supervisor.on_timer(10.0) == (Launch(fresh),)  # the old checkpoint is still there
    supervisor.on_report(training(1))
    supervisor.on_death("was killed by SIGKILL", 10.0)
    assert supervisor.on_timer(20.0) == (Launch(ORDER),)


def test_a_process_that_dies_while_paused_is_replaced_when_it_is_needed():
    supervisor = started()
    supervisor.on_report(training(1))
    supervisor.pause()
    supervisor.on_report(replace(training(1), phase=Phase.PAUSED))
    supervisor.on_death("was killed by SIGKILL", 0.0)
    assert supervisor.activity is Activity.PAUSED
    assert supervisor.next_wakeup is None
    assert supervisor.resume() == (Launch(ORDER),)


def test_a_pause_while_waiting_to_try_again_calls_it_off():
    supervisor = started()
    supervisor.on_death("was killed by SIGKILL", 0.0)
    assert supervisor.pause() == ()
    assert supervisor.activity is Activity.PAUSED
    assert supervisor.on_timer(99.0) == ()
    assert supervisor.stop(100.0) == ()
    assert supervisor.activity is Activity.STOPPED


def test_nothing_happens_where_nothing_runs():
    supervisor = Supervisor()
    assert supervisor.describe() == "nothing to train"
    for outputs in (
        supervisor.pause(),
        supervisor.resume(),
        supervisor.stop(0.0),
        supervisor.on_death("ended", 0.0),
        supervisor.on_report(training(1)),
        supervisor.on_timer(1e9),
    ):
        assert outputs == ()
    assert supervisor.activity is Activity.IDLE


EVENTS = ("start", "pause", "resume", "stop", "time", "report", "paused", "end", "crash", "death")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(EVENTS), max_size=60))
def test_there_is_never_more_than_one_process(events: list[str]):
    supervisor, alive, now, iteration = Supervisor(), False, 0.0, 0
    for event in events:
        commands: object = ()
        if event == "start":
            busy = supervisor.running or alive
            try:
                commands = supervisor.start(ORDER)
                assert not busy
            except BusyError:
                assert busy
        elif event == "time":
            now = max(supervisor.next_wakeup or now, now)
            commands = supervisor.on_timer(now)
        elif event == "report" and alive:
            iteration += 1
            commands = supervisor.on_report(training(iteration))
        elif event == "paused" and alive:
            commands = supervisor.on_report(replace(training(iteration), phase=Phase.PAUSED))
        elif event in ("end", "crash") and alive:
            phase = Phase.FINISHED if event == "end" else Phase.CRASHED
            commands = supervisor.on_report(replace(training(iteration), phase=phase))
        elif event == "death" and alive:
            commands, alive = supervisor.on_death("was killed", now), False
        elif event == "stop":
            commands = supervisor.stop(now)
        elif event == "pause":
            commands = supervisor.pause()
        elif event == "resume":
            commands = supervisor.resume()
        for command in commands:  # type: ignore[attr-defined]
            if isinstance(command, Launch):
                assert not alive
                alive = True
            else:
                assert alive
        if not supervisor.running:
            assert supervisor.next_wakeup is None
            assert not alive

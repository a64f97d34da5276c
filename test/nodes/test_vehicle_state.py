"""What an AV makes of tasks and positions that other programs tell it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from veaat_migration.game.profiles import FollowerDelay, FollowerProfile
from veaat_migration.mobility.link import LinkModel
from veaat_migration.mobility.position_watch import PositionState
from veaat_migration.nodes.vehicle_state import OTHER_TASK, Task, VehicleState

NAN = math.nan
PROFILE = FollowerProfile(av_id=1, satisfaction=20.0, offset=1.2, bandwidth_max=10.0)
OWN = Task(20.0, 1.2, 5.0, 2.0)
LIMITED = replace(
    PROFILE,
    delay=FollowerDelay(
        data=5.0, max_delay=2.0, spectral_efficiency={1: 3.0, 2: 4.0}, base_delay={1: 0.1, 2: 0.2}
    ),
)
LINKS = LinkModel([1, 2], [[0.0, 0.0], [400.0, 0.0]], coverage_radius=300.0)


def state(profile: FollowerProfile = PROFILE, **options: object) -> VehicleState:
    return VehicleState(profile, OWN, **{"links": LINKS, "base_delay": {1: 0.5}, **options})  # type: ignore[arg-type]


def test_what_a_task_leaves_open_is_as_the_parameters_say():
    av = state()
    assert av.take_task(Task(21.0, NAN, NAN, 3.0))
    assert av.profile == replace(PROFILE, satisfaction=21.0)
    assert av.take_task(Task(NAN, NAN, NAN, NAN))
    assert av.profile == PROFILE


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Task(0.0, NAN, NAN, NAN), "satisfaction: must be > 0"),
        (Task(-1.0, NAN, NAN, NAN), "satisfaction"),
        (Task(math.inf, NAN, NAN, NAN), "satisfaction"),
        (Task(NAN, -10.0, NAN, NAN), "offset: must be > -10"),
        (Task(NAN, math.inf, NAN, NAN), "offset"),
        (Task(NAN, NAN, -1.0, NAN), "delay_data: must be >= 0"),
        (Task(NAN, NAN, NAN, 0.0), "delay_max: must be > 0"),
        (Task(NAN, NAN, NAN, -math.inf), "delay_max"),
    ],
)
def test_an_absurd_task_changes_nothing_and_is_counted(task: Task, message: str):
    av = state()
    av.take_task(Task(25.0, NAN, NAN, NAN))
    before = av.profile, av.changes
    assert not av.take_task(task)
    assert (av.profile, av.changes) == before
    assert (av.tasks_taken, av.tasks_refused) == (1, 1)
    assert message in av.last_task_error


def test_a_learned_policy_answers_only_the_task_that_it_was_trained_for():
    av = state(tolerance=0.01)
    for satisfaction, aside in ((20.1, ""), (20.5, OTHER_TASK), (20.0, "")):
        av.take_task(Task(satisfaction, NAN, NAN, NAN))
        assert av.aside == aside
    # Without a delay constraint delays do not shape the bid.
    av.take_task(Task(NAN, NAN, 50.0, NAN))
    assert av.aside == ""
    limited = state(LIMITED)
    limited.take_task(Task(NAN, NAN, 50.0, NAN))
    assert limited.aside == OTHER_TASK


def test_links_come_from_a_fresh_position_within_coverage():
    av = state()
    assert av.delay is None
    assert av.unknown(0.0) == "odometry: no position was received yet"
    assert av.take_position((10.0, 0.0), 1.0, 0.0, 1.0) is PositionState.FRESH
    assert av.delay is not None
    assert set(av.delay.spectral_efficiency) == {1}
    assert av.delay.base_delay == {1: 0.5}
    near = av.delay.spectral_efficiency[1]
    av.take_position((40.0, 0.0), 2.0, 1.0, 2.0)
    assert av.delay.spectral_efficiency[1] < near
    assert av.profile.delay is None, "the game has no delay constraint"
    assert av.unknown(1.5) == ""


def test_small_moves_change_nothing():
    av = state()
    av.take_position((10.0, 0.0), 1.0, 0.0, 1.0)
    before = av.changes
    av.take_position((10.4, 0.0), 1.1, 0.1, 1.1)
    assert av.changes == before


def test_a_stale_position_counts_no_more():
    av = state()
    av.take_position((10.0, 0.0), 1.0, 0.0, 1.0)
    av.look(0.9)
    assert av.delay is not None
    av.look(1.1)
    assert av.delay is None
    assert "stale" in av.unknown(1.1)
    av.take_position((10.0, 0.0), 3.0, 2.0, 3.0)
    assert av.delay is not None


def test_a_delay_constraint_follows_the_position_and_falls_back_to_the_parameters():
    av = state(LIMITED)
    assert av.profile == LIMITED
    av.take_position((390.0, 0.0), 1.0, 0.0, 1.0)
    assert av.profile.delay is not None
    assert set(av.profile.delay.spectral_efficiency) == {2}
    assert av.profile.delay.base_delay == {1: 0.1, 2: 0.2}
    av.look(5.0)
    assert av.profile.delay == LIMITED.delay


@pytest.mark.parametrize("bad", [(NAN, 0.0), (0.0, math.inf)])
def test_a_position_that_is_not_finite_is_left_out(bad: tuple[float, float]):
    av = state()
    av.take_position((10.0, 0.0), 1.0, 0.0, 1.0)
    delay = av.delay
    assert av.take_position(bad, 1.1, 0.1, 1.1) is PositionState.NOT_FINITE
    assert av.delay == delay


def test_time_that_jumps_back_begins_anew():
    av = state()
    av.take_position((10.0, 0.0), 100.0, 0.0, 100.0)
    verdict = av.take_position((200.0, 0.0), 3.0, 0.1, 3.0)
    assert verdict is PositionState.JUMPED_BACK
    assert av.delay is not None
    assert set(av.delay.spectral_efficiency) == {1, 2}

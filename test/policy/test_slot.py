"""The slot in which learned policies are put, replaced and bypassed while a player plays."""

from __future__ import annotations

import numpy as np
import pytest
from artifacts import make_artifact

from veaat_migration.policy.interface import FollowerObservation, LeaderObservation, report_of
from veaat_migration.policy.learned import PolicyMismatchError, Reason
from veaat_migration.policy.reception import Reception
from veaat_migration.policy.slot import NO_POLICY, FollowerSlot, LeaderSlot
from veaat_migration.policy.verdict import Accepted

PLAIN = np.array([1.0, 2.0])


class Fixed:
    name = "fixed"

    def __init__(self, answer: object = PLAIN) -> None:
        self.answer = answer

    def act(self, _observation: object) -> object:
        return self.answer


def accepted(role: str = "follower", agent_id: int = 1, **options: object) -> Accepted:
    artifact = make_artifact(role, agent_id, **options)
    taken = Reception(role, agent_id).take(artifact.to_bytes())
    assert isinstance(taken, Accepted)
    return taken


def seen(number: int) -> FollowerObservation:
    return FollowerObservation(
        round=number,
        rsu_ids=(1, 2),
        prices=np.array([4.0, 5.0]),
        qualities=np.array([1.0, 1.2]),
        other_av_ids=(2, 3),
        other_demand=np.array([[5.0, 4.0], [6.0, 5.0]]),
    )


def play(slot: FollowerSlot, first: int, last: int) -> np.ndarray:
    for number in range(first, last + 1):
        answer = slot.act(seen(number))
    return answer


def test_without_a_policy_the_fallback_answers_and_is_counted():
    slot = FollowerSlot(Fixed())
    assert play(slot, 1, 3) is PLAIN
    report = report_of(slot)
    assert (report.version, report.sha256, report.decisions) == (0, "", 0)
    assert report.fallbacks == {NO_POLICY: 3}
    assert slot.reason == NO_POLICY


def test_a_policy_answers_once_it_knows_the_history():
    slot, policy = FollowerSlot(Fixed()), accepted(policy_version=5)
    slot.load(policy)
    answer = play(slot, 1, 6)
    assert answer is not PLAIN
    report = slot.report()
    assert (report.version, report.sha256) == (5, policy.sha256)
    assert (report.decisions, report.fallbacks) == (2, {Reason.HISTORY.value: 4})
    assert slot.reason == ""


def test_another_policy_goes_on_with_the_same_history():
    slot = FollowerSlot(Fixed())
    slot.load(accepted(policy_version=5))
    before = play(slot, 1, 6)
    slot.load(accepted(policy_version=6, seed=1))
    after = play(slot, 7, 7)
    assert not np.allclose(before, after)
    assert slot.report().version == 6
    assert slot.report().decisions == 3, "no round was left to the fallback"


def test_a_policy_that_is_set_aside_does_not_answer():
    slot = FollowerSlot(Fixed())
    slot.set_aside("another task")
    slot.load(accepted())
    assert play(slot, 1, 6) is PLAIN
    assert slot.report().fallbacks == {"another task": 6}
    slot.set_aside("")
    play(slot, 7, 12)
    assert slot.report().decisions > 0


def test_another_fallback_serves_from_the_next_decision_on():
    other = np.array([7.0, 8.0])
    slot = FollowerSlot(Fixed())
    slot.load(accepted())
    assert play(slot, 1, 1) is PLAIN
    slot.set_fallback(Fixed(other))
    assert play(slot, 2, 2) is other


def test_the_policy_of_another_agent_changes_nothing():
    slot = FollowerSlot(Fixed())
    slot.load(accepted(policy_version=5))
    with pytest.raises(PolicyMismatchError):
        slot.load(accepted(agent_id=2, policy_version=9))
    assert slot.report().version == 5


def test_a_rehearsal_leaves_no_trace():
    one, other = FollowerSlot(Fixed()), FollowerSlot(Fixed())
    for slot in (one, other):
        slot.load(accepted())
    one.rehearse()
    for number in range(1, 9):
        one.rehearse()
        assert np.array_equal(one.act(seen(number)), other.act(seen(number)))
        one.rehearse()
    assert one.report() == other.report()


def test_a_leader_has_a_slot_too():
    slot = LeaderSlot(Fixed(9.0))
    demand = np.full((3, 2), 4.0)
    slot.load(accepted("leader"))
    prices = [
        slot.act(
            LeaderObservation(
                round=number,
                rsu_ids=(1, 2),
                prices=np.array([4.0, 5.0]),
                qualities=np.ones(2),
                av_ids=(1, 2, 3),
                demand=demand,
            )
        )
        for number in range(2, 9)
    ]
    assert prices[:3] == [9.0] * 3
    assert 2.0 <= prices[-1] <= 30.0
    assert slot.report().decisions == 4

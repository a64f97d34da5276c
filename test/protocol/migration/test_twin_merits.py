"""What migrations do to reputations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.game.experience import Reputation
from veaat_migration.game.instance import InstanceError
from veaat_migration.protocol.migration.codes import ErrorCode
from veaat_migration.protocol.migration.feedback import Outcome
from veaat_migration.protocol.migration.merits import Merits, culprit

from .scene import Scene

LAW = Reputation(newcomer=1.0, highest=3.0, half_migrations=10.0, failure_share=0.2)


def outcome(error: ErrorCode = ErrorCode.NONE, *, moved: bool | None = None) -> Outcome:
    moved = error is ErrorCode.NONE if moved is None else moved
    return Outcome(5, 1, 2, error, "", moved, 1.0)


@pytest.mark.parametrize(
    ("error", "guilty"),
    [
        (ErrorCode.NONE, 0),
        (ErrorCode.NO_RSU_IN_RANGE, 0),
        (ErrorCode.DEADLINE_INFEASIBLE, 0),
        (ErrorCode.TARGET_REFUSED, 0),
        (ErrorCode.TRANSFER_BROKEN, 2),
        (ErrorCode.TARGET_DIED, 2),
        (ErrorCode.SOURCE_DIED, 1),
        (ErrorCode.SUPERSEDED, 0),
        (ErrorCode.CANCELED, 0),
    ],
)
def test_who_is_to_blame(error: ErrorCode, guilty: int) -> None:
    assert culprit(outcome(error)) == guilty
    assert culprit(outcome(error, moved=True)) == 0


def test_good_migrations_raise_the_target_and_failures_lower_the_guilty() -> None:
    merits = Merits(LAW)
    for _ in range(10):
        merits.note(outcome())
    assert merits.reputation(2) == pytest.approx(2.0)
    assert merits.reputation(1) == 1.0
    merits.note(outcome(), good=False)
    merits.note(outcome(ErrorCode.CANCELED, moved=True))
    assert merits.merits[2] == 10.0
    merits.note(outcome(ErrorCode.TARGET_DIED))
    assert merits.merits[2] == pytest.approx(8.0)


def test_in_the_long_run_the_share_of_failures_counts() -> None:
    merits = Merits(LAW)
    for k in range(5000):
        merits.note(outcome(ErrorCode.TARGET_DIED if k % 10 == 0 else ErrorCode.NONE))
    # Between two failures n grows by 9, a failure takes a fifth: n = 45 before, 36 after it.
    assert merits.merits[2] == pytest.approx(45.0)


@given(st.lists(st.booleans(), max_size=200))
def test_reputation_stays_within_its_bounds_whatever_happens(history: list[bool]) -> None:
    merit = 0.0
    for failed in history:
        after = LAW.merit(merit, failed=failed)
        assert (after <= merit) if failed else (after > merit)
        merit = after
        assert LAW.newcomer <= LAW.after(merit) < LAW.highest


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(InstanceError, match=r"reputation\.failure_share: must"):
        Reputation(failure_share=share)


def test_real_outcomes_are_counted() -> None:
    scene = Scene()
    merits = Merits(LAW)
    merits.note(scene.move(1))
    merits.note(scene.move(2))
    scene.begin(3)
    scene.wait(0.3)
    scene.kill(scene.rsu(3))
    scene.wait(10.0)
    merits.merits[3] = 5.0
    merits.note(scene.outcomes()[-1])
    assert merits.merits == {1: 1.0, 2: 1.0, 3: 4.0}

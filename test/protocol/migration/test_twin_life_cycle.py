"""A migration from request to connection, and each way in which it can fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from veaat_migration.protocol.config import ProtocolConfigError
from veaat_migration.protocol.migration.codes import CopyKind, ErrorCode, Phase
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.messages import Proposal
from veaat_migration.protocol.migration.simulation.world import Faults, Server
from veaat_migration.protocol.migration.twin import LIVE_MAX, Twin, TwinError

from .scene import CONFIG, IMAGE_SIZE, Scene


def test_a_twin_goes_from_its_av_to_an_rsu_and_on_to_the_next() -> None:
    scene = Scene()
    assert scene.move(1).moved
    assert scene.settle()
    assert scene.actors() == [1]

    outcome = scene.move(2)

    assert (outcome.error, outcome.source_id, outcome.target_id) == (ErrorCode.NONE, 1, 2)
    assert scene.settle()
    assert scene.actors() == [2]
    assert scene.held(1).kind is CopyKind.BACKUP
    assert not scene.audit.violations


def test_feedback_goes_through_all_phases_in_order_and_ends_with_all_bytes() -> None:
    scene = Scene(server=Server(arrival_rate=9.0, service_rate=10.0), seed=3)
    scene.move(1)
    before = len(scene.feedback())
    scene.move(2)

    shown = scene.feedback()[before:]

    phases = [item.phase for item in shown]
    assert phases == sorted(phases)
    assert set(phases) == set(Phase) - {Phase.IDLE}
    done = [item.bytes_done for item in shown if item.phase is Phase.TRANSFERRING]
    assert done == sorted(done)
    assert max(done) > 0
    assert shown[-1].bytes_done == IMAGE_SIZE
    positions = [item.position for item in shown if item.phase is Phase.QUEUED]
    assert positions[0] >= 1
    assert positions == sorted(positions, reverse=True)


def test_the_connected_rsu_announces_a_request_to_all_others() -> None:
    scene = Scene()
    scene.move(1)
    scene.request()
    scene.wait(0.1)
    assert scene.rsu(2).machine.announcements[1].source_id == 1
    assert scene.rsu(3).machine.announcements[1].source_id == 1
    assert 1 not in scene.rsu(1).machine.announcements


def test_the_source_serves_during_the_transfer_and_the_service_stops_for_one_handover() -> None:
    latency = 0.01
    scene = Scene(faults=Faults(latency=(latency, latency)))
    scene.move(1)
    scene.settle()
    scene.begin(2)
    begun = scene.world.now
    assert scene.wait_for(lambda: scene.phase() is Phase.REINSTANTIATING)
    assert scene.actors() == [1]
    assert scene.wait_for(lambda: scene.actors() == [])
    stopped = scene.world.now
    assert scene.wait_for(lambda: scene.actors() == [2])
    # Last state, claim, verdict: three messages, of a migration of more than a second.
    assert scene.world.now - stopped == pytest.approx(3 * latency, abs=1e-6)
    assert stopped - begun > 1.0


def test_what_changed_during_the_transfer_arrives_as_well() -> None:
    scene = Scene()
    scene.move(1)
    scene.settle()
    scene.begin(2)
    versions = scene.rsu(1).machine.live(1)[0]
    scene.wait_for(lambda: scene.actors() == [2])
    assert scene.rsu(2).machine.live(1)[0] > versions + 40
    assert not scene.audit.violations


@pytest.mark.parametrize(
    ("choice", "error"),
    [
        ((0, 20.0, 10.0, {}), ErrorCode.NO_RSU_IN_RANGE),
        ((2, 0.0, 10.0, {}), ErrorCode.DEADLINE_INFEASIBLE),
        ((2, 20.0, 0.0, {}), ErrorCode.DEADLINE_INFEASIBLE),
        (
            (2, 20.0, 10.0, {"expected_delay": 3.0, "tolerated_delay": 2.0}),
            ErrorCode.DEADLINE_INFEASIBLE,
        ),
        ((1, 20.0, 10.0, {}), ErrorCode.TARGET_REFUSED),
    ],
)
def test_a_choice_that_cannot_be_ends_the_migration(choice, error) -> None:
    scene = Scene()
    scene.move(1)
    scene.request()
    scene.wait(0.1)
    target, bandwidth, efficiency, more = choice
    scene.world.step(
        scene.av(), lambda av, now: av.choose(target, bandwidth, efficiency, now, **more)
    )
    assert scene.errors()[-1] is error
    assert scene.settle()
    assert scene.actors() == [1]


def test_a_target_may_refuse_with_a_reason() -> None:
    scene = Scene()
    scene.move(1)
    full = replace(CONFIG, size_max=100)
    scene.rsu(2).machine._receiving._config = full
    outcome = scene.move(2)
    assert outcome.error is ErrorCode.TARGET_REFUSED
    assert "larger than 100 bytes" in outcome.reason
    scene.wait(1.0)
    assert scene.actors() == [1]
    assert not scene.rsu(2).machine.custody.coming


def test_the_node_decides_whom_a_target_admits() -> None:
    scene = Scene()
    scene.move(1)
    seen: list[Proposal] = []
    scene.rsu(2).machine._receiving._admit = lambda proposal: seen.append(proposal) or "no room"
    outcome = scene.move(2)
    assert (outcome.error, outcome.reason) == (ErrorCode.TARGET_REFUSED, "no room")
    assert seen[0].cycles == 10.0


def test_a_target_that_dies_for_good_ends_the_migration_and_the_source_goes_on() -> None:
    scene = Scene()
    scene.move(1)
    scene.begin(2)
    scene.wait(0.3)
    scene.kill(scene.rsu(2))
    assert scene.wait_for(lambda: ErrorCode.TARGET_DIED in scene.errors(), limit=10.0)
    assert scene.settle()
    assert scene.actors() == [1]
    assert not scene.outcomes()[-1].moved


def test_a_source_that_dies_during_the_transfer_ends_the_migration() -> None:
    scene = Scene()
    scene.move(1)
    scene.begin(2)
    scene.wait(0.3)
    scene.kill(scene.rsu(1))
    assert scene.wait_for(lambda: ErrorCode.SOURCE_DIED in scene.errors(), limit=10.0)
    scene.start(scene.rsu(1))
    assert scene.settle()
    assert scene.actors() == [1]
    assert scene.recoveries() == 0


def test_cancel_stops_the_transfer_and_cleans_up_the_target() -> None:
    scene = Scene()
    scene.move(1)
    scene.begin(2)
    scene.wait(0.5)
    assert scene.rsu(2).machine.custody.coming
    scene.cancel()
    assert scene.errors()[-1] is ErrorCode.CANCELED
    scene.wait(0.5)
    assert not scene.rsu(2).machine.custody.coming
    assert scene.rsu(2).disk.images() == []
    assert scene.actors() == [1]
    assert scene.move(3).moved


def test_cancel_of_a_frozen_source_makes_it_serve_again() -> None:
    scene = Scene()
    scene.move(1)
    scene.begin(2)
    scene.cut(("rsu", 2))
    scene.heal()
    scene.wait_for(lambda: scene.phase() is Phase.REINSTANTIATING)
    # The last state does not arrive: the source is frozen and waits.
    scene.wait_for(lambda: scene.held(1).kind is CopyKind.FROZEN)
    scene.cut(("rsu", 2))
    scene.wait(0.3)
    assert scene.actors() == []
    scene.cancel()
    scene.wait(0.3)
    assert scene.actors() == [1]
    scene.heal()
    scene.wait(5.0)
    assert scene.actors() == [1]
    assert not scene.rsu(2).machine.custody.coming
    assert not scene.audit.violations


def test_cancel_is_too_late_once_the_av_has_granted() -> None:
    scene = Scene(faults=Faults(latency=(0.01, 0.01)))
    scene.move(1)
    scene.begin(2)
    assert scene.wait_for(lambda: scene.world.vehicle(1).owner_id == 2)
    assert scene.actors() == []
    scene.cancel()
    assert scene.outcomes()[-1].error is ErrorCode.CANCELED
    assert scene.outcomes()[-1].moved
    assert scene.settle()
    assert scene.actors() == [2]


@pytest.mark.parametrize("after", [0.05, 0.5, 1.0, 1.2, 1.25, 1.253, 1.2535, 1.26, 1.3])
@pytest.mark.parametrize("target", [2, 3])
def test_a_later_request_takes_the_place_of_the_first(after: float, target: int) -> None:
    scene = Scene()
    scene.move(1)
    scene.begin(2)
    scene.wait(after)
    scene.request()
    scene.wait_for(lambda: scene.phase() >= Phase.NEGOTIATING)
    scene.choose(target)
    assert scene.wait_for(lambda: scene.phase() is Phase.IDLE)
    assert scene.settle()
    assert scene.actors() == [scene.world.vehicle(1).owner_id]
    assert scene.actors() in ([2], [target])
    assert not scene.audit.violations
    assert scene.audit.fallbacks == 0


def test_two_avs_do_not_disturb_each_other() -> None:
    scene = Scene(n_avs=2)
    scene.move(1, av=1)
    scene.move(1, av=2)
    scene.begin(2, av=1)
    scene.begin(3, av=2)
    assert scene.wait_for(lambda: scene.actors(1) == [2] and scene.actors(2) == [3])
    assert scene.audit.intact(1)
    assert scene.audit.intact(2)


def test_a_twin_that_comes_back_is_not_sent_again_if_that_is_wanted() -> None:
    for reuse, least in ((False, 1.0), (True, 0.0)):
        scene = Scene(config=replace(CONFIG, reuse_images=reuse))
        scene.move(1)
        scene.move(2)
        outcome = scene.move(1)
        assert outcome.moved
        assert least < outcome.seconds < least + 0.5
        assert scene.settle()


def test_choose_says_what_is_wrong_with_it() -> None:
    scene = Scene()
    vehicle = scene.world.vehicle(1)
    with pytest.raises(TwinError, match="request one first"):
        vehicle.choose(1, 1.0, 1.0, 0.0)
    scene.request()
    with pytest.raises(TwinError, match="bandwidth"):
        scene.choose_bad = vehicle.choose(1, float("nan"), 1.0, 0.0)
    scene.choose(1)
    with pytest.raises(TwinError, match="keeps its target"):
        scene.choose(2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: MigrationConfig(lease=0.0),
        lambda: MigrationConfig(clock_drift=1.0),
        lambda: MigrationConfig(recovery_timeout=1.0),
        lambda: MigrationConfig(chunk_size=0),
        lambda: Twin(b""),
        lambda: Twin(b"x", bytes(LIVE_MAX + 1)),
        lambda: Twin(b"x", data=-1.0),
    ],
)
def test_settings_out_of_range_are_refused(make) -> None:
    with pytest.raises((ProtocolConfigError, TwinError), match="must"):
        make()

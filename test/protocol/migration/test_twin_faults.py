"""One fault at a time, at every moment of a migration: exactly one owner comes out of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from veaat_migration.protocol.migration.arbiter import Standing
from veaat_migration.protocol.migration.codes import CopyKind, Phase
from veaat_migration.protocol.migration.simulation.world import Faults

from .scene import CONFIG, Scene

LATENCY = 0.01
# Moments of a migration from RSU 1 to RSU 2: negotiating, transferring, re-instantiating, and
# each hop of the handover (ready, frozen, prepared, granted, owner, connected).
MOMENTS = {
    "negotiating": lambda s: s.phase() is Phase.NEGOTIATING,
    "transferring": lambda s: bool(s.feedback()) and s.feedback()[-1].bytes_done >= 3000,
    "queued": lambda s: kind(s, 2, "coming") is CopyKind.COMPLETE,
    "re-instantiating": lambda s: s.phase() is Phase.REINSTANTIATING,
    "frozen": lambda s: kind(s, 1, "held") is CopyKind.FROZEN,
    "prepared": lambda s: kind(s, 2, "coming") is CopyKind.PREPARED,
    "granted": lambda s: s.world.vehicle(1).owner_id == 2,
    "owner": lambda s: kind(s, 2, "held") is CopyKind.OWNER,
    "connected": lambda s: s.phase() is Phase.IDLE,
}


def kind(scene: Scene, rsu: int, slot: str) -> CopyKind:
    """What an RSU holds, or gets."""
    copy = getattr(scene.rsu(rsu).machine.custody, slot).get(1)
    return CopyKind.NONE if copy is None else copy.kind


def scene_at(moment: str, **settings: object) -> Scene:
    """A migration from RSU 1 to RSU 2, stopped at a moment."""
    scene = Scene(faults=Faults(latency=(LATENCY, LATENCY)), **settings)
    assert scene.move(1).moved
    assert scene.settle()
    scene.request()
    if moment == "negotiating":
        assert scene.wait_for(lambda: MOMENTS[moment](scene))
        return scene
    assert scene.wait_for(lambda: scene.phase() is Phase.NEGOTIATING)
    scene.choose(2)
    assert scene.wait_for(lambda: MOMENTS[moment](scene))
    return scene


def found(scene: Scene) -> bool:
    """Wait until the AV knows where its twin is."""
    arbiter = scene.world.vehicle(1).arbiter
    return scene.wait_for(lambda: arbiter.standing is not Standing.SEARCHING, limit=20.0)


PARTIES = {"source": ("rsu", 1), "target": ("rsu", 2), "av": ("av", 1)}


def site_of(scene: Scene, party: str):
    role, number = PARTIES[party]
    return scene.rsu(number) if role == "rsu" else scene.av(number)


@pytest.mark.parametrize("down", [0.05, 1.0, 6.0])
@pytest.mark.parametrize("party", PARTIES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_that_dies_and_comes_back_with_its_disk_loses_nothing(
    moment: str, party: str, down: float
) -> None:
    scene = scene_at(moment)
    scene.kill(site_of(scene, party))
    scene.wait(down)
    scene.start(site_of(scene, party))

    assert scene.settle(limit=20.0)
    assert scene.audit.violations == []
    assert scene.audit.fallbacks == 0
    # Life goes on.
    assert scene.wait_for(lambda: scene.phase() in (Phase.IDLE, Phase.NEGOTIATING), limit=20.0)
    assert scene.move(3).moved
    assert scene.settle()


@pytest.mark.parametrize("party", PARTIES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_that_loses_its_disk_costs_no_twin(moment: str, party: str) -> None:
    scene = scene_at(moment)
    scene.kill(site_of(scene, party), wipe=True)
    scene.wait(0.5)
    scene.start(site_of(scene, party))

    found(scene)
    settled = scene.settle(limit=40.0)
    assert scene.audit.violations == []
    if not settled:
        # Only the first RSU's copy existed, and it is gone: the twin is at home in its AV.
        assert party == "source"
        assert scene.world.vehicle(1).owner_id == 0
        assert scene.recoveries() == 1
    assert scene.move(3).moved
    assert scene.settle()
    assert scene.audit.violations == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_all_processes_die_at_once_and_come_back(moment: str) -> None:
    scene = scene_at(moment)
    for party in PARTIES:
        scene.kill(site_of(scene, party))
    scene.wait(1.0)
    scene.world.start_all()
    assert scene.settle(limit=20.0)
    assert scene.audit.violations == []
    assert scene.audit.fallbacks == 0


@pytest.mark.parametrize("party", PARTIES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_party_that_is_cut_off_for_a_while_does_not_act_on_its_own(
    moment: str, party: str
) -> None:
    scene = scene_at(moment, drift=0.005)
    scene.cut(PARTIES[party])
    scene.wait(CONFIG.lease + 0.1)
    if PARTIES[party][0] == "rsu":
        assert PARTIES[party][1] not in scene.actors()
    scene.wait(3.0)
    scene.heal()
    assert scene.settle(limit=20.0)
    assert scene.audit.violations == []
    assert scene.audit.fallbacks == 0


def test_an_owner_out_of_reach_stops_before_the_av_turns_to_the_backup() -> None:
    scene = Scene(drift=0.005)
    scene.move(1)
    scene.move(2)
    scene.settle()
    scene.cut(("rsu", 2))
    scene.wait(CONFIG.lease + 0.1)
    assert scene.actors() == []
    assert scene.wait_for(lambda: scene.actors() == [1], limit=15.0)
    assert scene.recoveries() == 1
    scene.heal()
    scene.wait(5.0)
    assert scene.actors() == [1]
    assert scene.held(2).kind is CopyKind.BACKUP
    assert scene.audit.violations == []
    assert scene.audit.fallbacks == 1


def test_without_recovery_the_twin_waits_for_its_owner() -> None:
    scene = Scene(config=replace(CONFIG, recovery_timeout=float("inf")))
    scene.move(1)
    scene.move(2)
    scene.settle()
    scene.kill(scene.rsu(2))
    scene.wait(120.0)
    assert scene.actors() == []
    scene.start(scene.rsu(2))
    assert scene.settle()
    assert scene.actors() == [2]
    assert scene.audit.fallbacks == 0


def test_a_source_that_dies_for_good_after_the_target_has_the_bytes_does_not_take_the_twin_along():
    scene = scene_at("re-instantiating")
    scene.kill(scene.rsu(1))
    assert scene.wait_for(lambda: scene.actors() == [2], limit=20.0)
    assert scene.recoveries() == 1
    assert scene.audit.violations == []
    scene.wait(0.1)
    # What the source has changed since the start of the transfer is lost, and this is said.
    assert scene.audit.fallbacks == 1
    scene.start(scene.rsu(1))
    scene.wait(5.0)
    assert scene.actors() == [2]
    assert scene.held(1).kind is CopyKind.BACKUP


def test_the_av_and_the_owner_lose_their_disks_and_the_backup_serves() -> None:
    scene = Scene()
    scene.move(1)
    scene.move(2)
    scene.settle()
    for site in (scene.rsu(2), scene.av()):
        scene.kill(site, wipe=True)
    scene.world.start_all()
    assert scene.settle(limit=40.0)
    assert scene.actors() == [1]
    assert scene.audit.violations == []


def test_an_av_that_lost_its_disk_refuses_requests_until_it_has_found_its_twin() -> None:
    scene = Scene()
    scene.move(1)
    scene.settle()
    scene.kill(scene.av(), wipe=True)
    scene.start(scene.av())
    scene.request()
    assert "looks for its twin" in scene.outcomes()[-1].reason
    assert found(scene)
    assert scene.settle()
    assert scene.move(2).moved


def test_a_backup_whose_bytes_have_rotted_is_not_used() -> None:
    scene = Scene()
    scene.move(1)
    scene.move(2)
    scene.settle()
    images = scene.rsu(1).disk._images
    for content in images.values():
        content[17] ^= 1
    scene.kill(scene.rsu(2), wipe=True)
    scene.start(scene.rsu(2))
    scene.wait(60.0)
    assert scene.audit.violations == []
    assert scene.actors() == []
    assert scene.world.vehicle(1).owner_id == 0
    assert scene.move(3).moved
    assert scene.settle()


def test_an_image_that_rots_at_the_source_ends_the_migration_and_names_the_reason() -> None:
    scene = Scene()
    scene.move(1)
    scene.settle()
    for content in scene.rsu(1).disk._images.values():
        content[17] ^= 1
    outcome = scene.move(2)
    assert "damaged" in outcome.reason
    assert not outcome.moved
    assert scene.actors() == [1]


def test_a_rsu_that_comes_back_rebuilds_its_twin_before_it_acts() -> None:
    scene = Scene()
    scene.move(1)
    scene.settle()
    scene.kill(scene.rsu(1))
    scene.start(scene.rsu(1))
    back = scene.world.now
    assert scene.wait_for(lambda: scene.actors() == [1])
    assert scene.world.now - back == pytest.approx(10.0 / 40.0, abs=0.02)

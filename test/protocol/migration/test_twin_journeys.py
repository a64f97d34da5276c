"""AVs that come and go while a world runs, transfers that an AV breaks off, RSUs that refuse."""

from __future__ import annotations

import math

from veaat_migration.protocol.migration.codes import ErrorCode
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.feedback import Outcome, Report
from veaat_migration.protocol.migration.messages import Address
from veaat_migration.protocol.migration.simulation.world import Server, World
from veaat_migration.protocol.migration.twin import Twin

CONFIG = MigrationConfig(chunk_size=100, recovery_timeout=math.inf)


def world_with_twin() -> tuple[World, list[Outcome]]:
    """An AV that appeared late has its twin at RSU 1."""
    world = World({}, {1: Server(), 2: Server()}, config=CONFIG)
    outcomes: list[Outcome] = []

    def note(_: int, report: Report) -> None:
        if isinstance(report, Outcome):
            outcomes.append(report)

    world.on_report.append(note)
    world.start_all()
    world.run(5.0)
    world.add_av(7, Twin(bytes(800), data=100.0, cycles=4.0))
    move(world, 1)
    world.run(20.0)
    assert world.vehicle(7).owner_id == 1
    return world, outcomes


def move(world: World, target: int) -> None:
    """Ask, and choose at once."""
    site = world.avs[7]
    world.step(site, lambda machine, now: machine.request(now))
    world.step(site, lambda machine, now: machine.choose(target, 10.0, 10.0, now))


def test_a_transfer_that_is_broken_off_leaves_the_twin_where_it_was() -> None:
    world, outcomes = world_with_twin()
    move(world, 2)
    world.run(20.5)
    world.step(
        world.avs[7],
        lambda machine, now: machine.give_up(ErrorCode.TRANSFER_BROKEN, "out of reach", now),
    )
    world.run(40.0)

    assert (outcomes[-1].error, outcomes[-1].reason) == (ErrorCode.TRANSFER_BROKEN, "out of reach")
    assert not outcomes[-1].moved
    hosts = world.hosts()
    assert hosts[1].acts(7, world.now)
    assert not list(hosts[2].custody.of(7))


def test_an_av_that_ends_its_journey_is_forgotten_by_the_living_and_the_dead() -> None:
    world, _ = world_with_twin()
    move(world, 2)
    world.run(40.0)
    world.kill(world.rsus[1])  # it has the backup
    world.remove_av(7)
    world.start_all()
    before = world.delivered
    world.run(100.0)

    for host in world.hosts().values():
        assert not host.custody.held
        assert not host.custody.coming
    assert not world.rsus[1].disk.images()
    assert not world.rsus[2].disk.images()
    assert world.delivered == before, "nobody asks for it any more"


def test_who_is_muted_is_not_heard_until_later() -> None:
    world, _ = world_with_twin()
    world.faults.muted.add(Address("av", 7))
    world.run(30.0)
    assert not world.hosts()[1].acts(7, world.now), "its lease is over"
    world.faults.muted.clear()
    world.run(35.0)
    assert world.hosts()[1].acts(7, world.now)


def test_an_rsu_refuses_with_its_reason() -> None:
    world, outcomes = world_with_twin()
    world.kill(world.rsus[2])
    world.admit = lambda rsu_id, proposal: f"RSU {rsu_id} is full" if proposal.source_id else ""
    world.start_all()
    move(world, 2)
    world.run(30.0)

    assert (outcomes[-1].error, outcomes[-1].reason) == (
        ErrorCode.TARGET_REFUSED,
        "RSU 2 is full",
    )

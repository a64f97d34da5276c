"""A fleet past a few RSUs: what is asked, bought, moved, and what may go wrong."""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.fleet.books import LEFT_COVERAGE
from veaat_migration.fleet.errors import FleetError
from veaat_migration.fleet.metrics import METRICS, summary
from veaat_migration.fleet.plant import Plant
from veaat_migration.fleet.policies import NAMES, make_policy
from veaat_migration.fleet.population import City, draw_av, draw_rsus
from veaat_migration.fleet.settings import Settings
from veaat_migration.fleet.simulation import Simulation
from veaat_migration.mobility.driving import drive
from veaat_migration.mobility.roads import grid_town
from veaat_migration.mobility.traffic import Snapshot, Vehicle
from veaat_migration.protocol.migration.codes import Phase

PATIENT = replace(draw_av(1, "car 0")[0], max_delay=1e6)
UNLEARNED = [name for name in NAMES if name != "learned"]


def test_a_vehicle_takes_its_twin_along(road, two_cells, calm, simulate) -> None:
    record = simulate(road(), two_cells, settings=calm).run()

    first = record.migrations[0]
    assert (first.source, first.target, first.outcome) == (0, 1, "NONE")
    assert record.deployments == 1
    assert record.violations == ()
    assert record.checked_steps > 80
    # Asked 10 s before it would leave 300 m at 20 m/s, at the next tick.
    assert first.requested == pytest.approx(5.0, abs=1.0)
    assert first.downtime <= 0.5


def test_delays_are_those_of_the_model(road, two_cells, calm, simulate) -> None:
    one = simulate(road(), two_cells, settings=calm).run().migrations[0]

    av, _ = draw_av(1, "car 0")
    rsu = two_cells.rsus[1]
    assert one.expected_transfer == pytest.approx(av.data / (one.bandwidth * one.efficiency))
    # The protocol's messages take 1 ms each.
    assert one.transfer == pytest.approx(one.expected_transfer, abs=0.01)
    assert one.compute == pytest.approx(av.cycles / rsu.server.compute, abs=0.01)
    assert one.total == pytest.approx(one.transfer + one.queue + one.compute)
    assert one.expected_queue == pytest.approx(rsu.wait)


def test_a_single_rsu_asks_the_monopoly_price(road, two_cells, calm, simulate) -> None:
    one = simulate(road(), two_cells, settings=calm).run().migrations[0]

    av, _ = draw_av(1, "car 0")
    rsu = two_cells.rsus[1]
    price = math.sqrt(rsu.cost * av.satisfaction / av.offset)
    assert one.alternatives == 1
    assert one.price == pytest.approx(price, rel=1e-3)
    assert one.bandwidth == pytest.approx(av.satisfaction / price - av.offset, rel=2e-3)


def test_a_link_that_follows_the_vehicle_gets_faster_on_the_way(
    road, two_cells, calm, simulate
) -> None:
    held = simulate(road(), two_cells, settings=calm).run().migrations[0]
    follows = replace(calm, follow_link=True)
    moving = simulate(road(), two_cells, settings=follows).run().migrations[0]

    assert moving.expected_transfer == held.expected_transfer
    assert moving.transfer < 0.99 * held.transfer


def test_without_another_rsu_a_twin_stays(road, calm, simulate) -> None:
    alone = City(draw_rsus(1, [(0.0, 0.0)], 300.0))
    record = simulate(road(seconds=30), alone, settings=calm).run()

    assert {m.outcome for m in record.migrations} == {"NO_RSU_IN_RANGE"}
    assert summary(record)["in_range"] == 0
    assert math.isnan(summary(record)["success"])
    # Out of every coverage nobody could serve: that is no time unserved.
    assert summary(record)["unserved"] == 0.0


def test_a_full_target_refuses(road, two_cells, calm, simulate, changed) -> None:
    full = changed(two_cells, capacity=0.1)
    patient = replace(full, kinds=(PATIENT,))
    record = simulate(road(vehicles=2), patient, settings=calm).run()

    ends = [m for m in record.migrations if m.target >= 0]
    assert {m.outcome for m in ends} == {"TARGET_REFUSED"}
    assert "MHz are free" in ends[0].reason
    assert [m.price for m in ends] == pytest.approx([60.0] * len(ends)), "it asks the most first"
    assert record.reputation == (1.0, 1.0)


def test_what_is_taken_raises_the_price(road, two_cells, calm, simulate, changed) -> None:
    alone = simulate(road(), two_cells, settings=calm).run().migrations[0]
    scarce = changed(two_cells, capacity=0.8 * alone.bandwidth)
    one = simulate(road(), scarce, settings=calm).run().migrations[0]

    assert one.outcome == "NONE"
    assert one.price > 1.05 * alone.price
    assert one.bandwidth == pytest.approx(0.8 * alone.bandwidth, rel=1e-3)
    assert one.bandwidth <= 0.8 * alone.bandwidth


def test_who_was_refused_asks_another(road, calm, simulate) -> None:
    """Two RSUs at the same place: the better one has no room."""
    city = City(draw_rsus(1, [(0.0, 0.0), (500.0, 0.0), (500.0, 0.0)], 300.0))
    good, poor = (replace(rsu, quality=q) for rsu, q in zip(city.rsus[1:], (0.9, 0.5), strict=True))
    rsus = (city.rsus[0], replace(good, capacity=0.1), poor)
    city = replace(city, rsus=rsus, kinds=(PATIENT,))
    asked = {}
    for avoid in (calm.avoid, 0.0):
        settings = replace(calm, avoid=avoid)
        record = simulate(road(), city, policy="nearest", settings=settings).run()
        asked[avoid] = [(m.target, m.outcome) for m in record.migrations]

    assert asked[0.0][:2] == [(1, "TARGET_REFUSED")] * 2
    assert asked[calm.avoid][:2] == [(1, "TARGET_REFUSED"), (2, "NONE")]


def test_bandwidth_is_free_again_after_a_transfer(road, two_cells, calm, simulate, changed) -> None:
    one = simulate(road(), two_cells, settings=calm).run().migrations[0]
    enough = changed(two_cells, capacity=1.5 * one.bandwidth)
    record = simulate(road(vehicles=3, seconds=90, gap=300.0), enough, settings=calm).run()

    assert Counter(m.outcome for m in record.migrations if m.target == 1)["NONE"] == 3


def test_a_deadline_that_no_offer_meets_ends_it(road, two_cells, calm, simulate) -> None:
    av, _ = draw_av(1, "car 0")
    hasty = replace(two_cells, kinds=(replace(av, max_delay=0.5),))
    record = simulate(road(seconds=20), hasty, settings=calm).run()

    assert {m.outcome for m in record.migrations} == {"DEADLINE_INFEASIBLE"}
    assert summary(record)["missed"] == 1.0


def test_a_vehicle_that_leaves_the_targets_coverage_breaks_the_transfer(
    calm, two_cells, simulate
) -> None:
    av, _ = draw_av(1, "turner")
    heavy = replace(two_cells, kinds=(replace(av, data=4000.0, max_delay=1e6),))

    def turn():
        """Into the second cell, then north out of both."""
        for t in range(60):
            x, y = (20.0 * t, 0.0) if t <= 20 else (400.0, 20.0 * (t - 20))
            yield Snapshot(float(t), (Vehicle("turner", x, y, 20.0, 90.0 if t <= 20 else 0.0),))

    record = simulate(turn(), heavy, settings=calm).run()
    broken = [m for m in record.migrations if m.outcome == "TRANSFER_BROKEN"]

    assert broken
    assert broken[0].reason == LEFT_COVERAGE
    assert record.reputation == (1.0, 1.0), "nobody's fault"


def test_a_target_that_dies_fails_the_migration_and_loses_reputation(
    road, two_cells, calm, simulate
) -> None:
    simulation = simulate(road(), two_cells, settings=calm)
    simulation.merits.merits[2] = 10.0
    world = simulation._plant.world
    world.at(6.0, world.kill, world.rsus[2])
    record = simulation.run()

    assert record.migrations[0].outcome == "TARGET_DIED"
    assert simulation.merits.merits[2] == pytest.approx(9.0)
    assert record.violations == ()


def test_completed_migrations_raise_the_reputation(road, two_cells, calm, simulate) -> None:
    record = simulate(road(vehicles=5), two_cells, settings=calm).run()

    assert record.reputation[1] > 1.05


def town(seconds: float = 30.0, vehicles: int = 40):
    draw = np.random.default_rng(3)
    return drive(grid_town(4, 3, 200.0, draw), vehicles, seconds, draw)


PLACES = [(150.0, 150.0), (450.0, 150.0), (650.0, 450.0), (200.0, 500.0)]


@pytest.mark.parametrize("policy", UNLEARNED)
def test_the_same_seed_gives_the_same_run(policy, simulate) -> None:
    def once(seed: int):
        record = simulate(town(), City(draw_rsus(seed, PLACES, 250.0)), policy, seed).run()
        return json.dumps(summary(record)), [
            (m.vehicle, m.outcome, m.price, m.total) for m in record.migrations
        ]

    first, again, other = once(1), once(1), once(2)

    assert str(first) == str(again)
    assert str(first) != str(other)
    assert {m.name for m in METRICS} <= json.loads(first[0]).keys()


def test_every_policy_meets_the_same_fleet() -> None:
    assert draw_av(1, "a") == draw_av(1, "a")
    assert draw_av(1, "a") != draw_av(1, "b")
    assert draw_av(2, "a") != draw_av(1, "a")


@pytest.mark.parametrize("seed", [1, 2])
def test_loss_and_deaths_neither_lose_nor_double_a_twin(seed: int, simulate) -> None:
    storm = Settings(loss=0.05, rsu_life=10.0, rsu_down=(0.5, 4.0))
    city = City(draw_rsus(seed, PLACES, 250.0))
    record = simulate(town(60.0), city, "nearest", seed, settings=storm).run()

    assert record.kills > 5
    assert sum(m.moved for m in record.migrations) > 5
    assert record.violations == ()


def test_the_audit_sees_a_state_that_never_was(road, two_cells, calm, simulate) -> None:
    simulation = simulate(road(seconds=20), two_cells, settings=calm)
    world = simulation._plant.world

    def tamper() -> None:
        world.hosts()[1].update(1, struct.pack("<Q", 12345), world.now)

    world.at(12.2, tamper)
    assert any("version" in text for text in simulation.run().violations)


def test_the_audit_sees_a_lost_twin(road, two_cells, calm, simulate) -> None:
    simulation = simulate(road(seconds=8), two_cells, settings=calm)
    world = simulation._plant.world
    world.at(7.9, lambda: world.hosts()[1].retire(1))

    assert simulation.run().violations


def test_who_is_out_of_coverage_is_not_heard(two_cells, calm) -> None:
    plant = Plant(two_cells, calm, 1, on_report=lambda *_: None, admit=lambda *_: "")
    plant.appear(1, draw_av(1, "a")[1])
    plant.hear([1], [False])
    plant.order(1, lambda machine, now: machine.request(now))
    plant.order(1, lambda machine, now: machine.choose(1, 10.0, 10.0, now))
    plant.world.run(30.0)
    assert plant.vehicle(1).owner_id == 0
    plant.hear([1], [True])
    plant.order(1, lambda machine, now: machine.request(now))
    plant.order(1, lambda machine, now: machine.choose(1, 10.0, 10.0, now))
    plant.world.run(60.0)
    assert plant.vehicle(1).owner_id == 1


def test_who_ends_its_journey_is_forgotten(road, two_cells, calm, simulate) -> None:
    def until(end: float):
        for snapshot in road(vehicles=2, seconds=20):
            yield Snapshot(snapshot.time, snapshot.vehicles[: 1 if snapshot.time >= end else 2])

    simulation = simulate(until(7.0), two_cells, settings=calm)
    simulation.run()

    held = [av for h in simulation._plant.world.hosts().values() for av in h.custody.held]
    assert set(held) == {1}


@settings(max_examples=15, deadline=None)
@given(
    step=st.sampled_from([0.1, 0.5, 1.0, 2.0, 5.0]),
    gap=st.floats(1.0, 40.0),
    names=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4, unique=True),
    known=st.booleans(),
    start=st.floats(-1e3, 1e5),
)
def test_any_traffic_is_driven(step, gap, names, known, start) -> None:
    """Steps from 0.1 s to 5 s, holes in time, odd names, unknown speeds."""
    speed = 15.0 if known else math.nan
    times = [start + k * step for k in range(8)]
    times += [times[-1] + gap + k * step for k in range(8)]
    snapshots = [
        Snapshot(t, tuple(Vehicle(n, 15.0 * (t - start), 30.0 * k, speed, 90.0)
                          for k, n in enumerate(names)))
        for t in times
    ]  # fmt: skip
    city = City(draw_rsus(1, [(0.0, 0.0), (300.0, 0.0)], 200.0))
    record = Simulation(snapshots, city, make_policy("best_response", 2, 1)).run()

    assert record.riders == len(names)
    assert record.violations == ()
    summary(record)


def test_settings_are_checked() -> None:
    for wrong in (
        {"step": 0.0}, {"loss": 1.0}, {"rsu_life": 0.0}, {"rsu_down": (3.0, 1.0)},
        {"negotiation": 0.5}, {"tick": math.inf}, {"social": -1.0},
    ):  # fmt: skip
        with pytest.raises(FleetError, match=next(iter(wrong))):
            Settings(**wrong)


def test_an_unknown_policy_is_named() -> None:
    with pytest.raises(FleetError, match="'best'"):
        make_policy("best", 1, 1)


def test_phases_come_in_order(road, two_cells, calm, simulate) -> None:
    one = simulate(road(), two_cells, settings=calm).run().migrations[0]
    order = [Phase.REQUESTED, Phase.NEGOTIATING, Phase.TRANSFERRING, Phase.REINSTANTIATING,
             Phase.CONNECTED]  # fmt: skip

    times = [one.reached[phase] for phase in order]
    assert times == sorted(times)

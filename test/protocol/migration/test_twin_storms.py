"""Random storms: whatever happens, one owner at a time, and no twin is lost or damaged."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from veaat_migration.protocol.migration.simulation.audit import Audit
from veaat_migration.protocol.migration.simulation.storm import Storm, Weather
from veaat_migration.protocol.migration.simulation.traffic import Habits, Traffic
from veaat_migration.protocol.migration.simulation.world import Faults, Server, World

from .scene import CONFIG, Scene, twin

HABITS = Habits(cancel=0.1, overlap=0.1)


def weather_the_storm(
    faults: Faults, weather: Weather, *, seed: int, seconds: float, n_avs: int = 3
) -> tuple[World, Audit, Traffic]:
    """Migrations in bad weather, then time to recover in good weather."""
    world = World(
        {i: twin(i) for i in range(1, n_avs + 1)},
        {j: Server() for j in range(1, 5)},
        config=CONFIG,
        faults=replace(faults, cut=set()),
        clock_drift=0.005,
        seed=seed,
    )
    audit = Audit(world)
    traffic = Traffic(world, HABITS)
    storm = Storm(world, weather, audit)
    world.start_all()
    world.run(seconds)
    storm.end()
    world.faults = Faults(latency=(0.001, 0.01))
    traffic.limit = 0
    world.run(world.now + 30.0)
    return world, audit, traffic


faults = st.builds(
    Faults,
    loss=st.sampled_from([0.0, 0.05, 0.3]),
    duplication=st.sampled_from([0.0, 0.05, 0.5]),
    latency=st.sampled_from([(0.001, 0.01), (0.0, 0.2), (0.0, 1.0)]),
)
lives = st.sampled_from([3.0, 10.0, math.inf])


@settings(max_examples=12, deadline=None)
@given(faults, lives, lives, st.sampled_from([0.0, 0.01]), st.integers(0, 2**32))
def test_with_their_disks_no_twin_is_lost_doubled_or_set_back(
    faults, rsu_life, av_life, torn, seed
) -> None:
    weather = Weather(rsu_life=rsu_life, av_life=av_life, torn=torn)
    world, audit, _ = weather_the_storm(faults, weather, seed=seed, seconds=12.0)
    assert audit.violations == []
    for av_id in world.avs:
        if world.vehicle(av_id).owner_id:
            assert audit.intact(av_id)
    # An RSU may be silent for longer than recovery_timeout only when it dies again and again.
    if rsu_life > 5.0 and faults.loss < 0.2:
        assert audit.fallbacks == 0


@settings(max_examples=12, deadline=None)
@given(faults, lives, lives, st.sampled_from([0.2, 1.0]), st.integers(0, 2**32))
def test_lost_disks_cost_at_most_the_newest_changes(faults, rsu_life, av_life, wipe, seed) -> None:
    weather = Weather(rsu_life=rsu_life, av_life=av_life, rsu_wipe=wipe, av_wipe=wipe)
    world, audit, _ = weather_the_storm(faults, weather, seed=seed, seconds=12.0)
    assert audit.violations == []
    for av_id in world.avs:
        # At home, the AV has the twin as it was first, and can deploy it again.
        assert audit.intact(av_id) or world.vehicle(av_id).owner_id == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_many_migrations_with_losses_and_kills(seed: int) -> None:
    """The short form of ``benchmarks/migrations.py``, which does ten thousand."""
    faults = Faults(loss=0.05, duplication=0.05, latency=(0.001, 0.2))
    world, audit, traffic = weather_the_storm(faults, Weather(), seed=seed, seconds=40.0, n_avs=6)
    assert traffic.moved > 40
    assert world.kills > 5
    assert audit.violations == []
    assert audit.fallbacks == 0
    assert all(audit.intact(av_id) for av_id in world.avs)


def test_the_same_seed_gives_the_same_run() -> None:
    faults = Faults(loss=0.1, duplication=0.1, latency=(0.0, 0.2))
    runs = [weather_the_storm(faults, Weather(), seed=5, seconds=20.0) for _ in range(2)]
    first, second = ((w.delivered, w.kills, a.acts, t.outcomes) for w, a, t in runs)
    assert first == second


class Interleavings(RuleBasedStateMachine):
    """Users, deaths, lost disks and cut links in any order, with one AV and three RSUs."""

    rsus = st.integers(1, 3)

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene(faults=Faults(latency=(0.0, 0.05)), drift=0.005)

    def vehicle(self):
        return self.scene.world.vehicle(1)

    @precondition(lambda self: self.vehicle() is not None)
    @rule()
    def request(self) -> None:
        self.scene.request()

    @precondition(lambda self: self.vehicle() is not None and self.vehicle().feedback is not None)
    @rule(rsu=rsus)
    def choose(self, rsu: int) -> None:
        if self.vehicle().feedback.target_id in (0, rsu):
            self.scene.choose(rsu)

    @precondition(lambda self: self.vehicle() is not None)
    @rule()
    def cancel(self) -> None:
        self.scene.cancel()

    @rule(seconds=st.sampled_from([0.01, 0.05, 0.2, 1.0, 1.3, 3.0, 12.0]))
    def wait(self, seconds: float) -> None:
        self.scene.wait(seconds)

    @rule(rsu=rsus)
    def migrate(self, rsu: int) -> None:
        """Most of the way through a migration, so that other rules hit its end."""
        if self.vehicle() is None:
            return
        self.scene.request()
        self.scene.wait(0.2)
        shown = self.vehicle().feedback
        if shown is not None and shown.target_id == 0:
            self.scene.choose(rsu)
        self.scene.wait(1.25)

    @rule(rsu=rsus, wipe=st.booleans())
    def kill_rsu(self, rsu: int, wipe: bool) -> None:
        self.scene.kill(self.scene.rsu(rsu), wipe=wipe)

    @rule(rsu=rsus)
    def start_rsu(self, rsu: int) -> None:
        self.scene.start(self.scene.rsu(rsu))

    @rule(wipe=st.booleans())
    def kill_av(self, wipe: bool) -> None:
        self.scene.kill(self.scene.av(), wipe=wipe)

    @rule()
    def start_av(self) -> None:
        self.scene.start(self.scene.av())

    @rule(rsu=rsus)
    def cut_off(self, rsu: int) -> None:
        self.scene.cut(("rsu", rsu))

    @rule()
    def heal(self) -> None:
        self.scene.heal()

    @rule(loss=st.sampled_from([0.0, 0.2]), duplication=st.sampled_from([0.0, 0.3]))
    def network(self, loss: float, duplication: float) -> None:
        self.scene.world.faults.loss = loss
        self.scene.world.faults.duplication = duplication

    @invariant()
    def one_owner_and_true_states(self) -> None:
        assert self.scene.audit.violations == []
        assert len(self.scene.actors()) <= 1

    def teardown(self) -> None:
        scene = self.scene
        scene.heal()
        scene.world.faults.loss = 0.0
        scene.world.start_all()
        scene.wait(60.0)
        assert scene.audit.violations == []
        assert scene.audit.intact(1) or scene.world.vehicle(1).owner_id == 0
        assert scene.move(1 + scene.world.vehicle(1).owner_id % 3).moved
        assert scene.settle()
        assert scene.audit.violations == []


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

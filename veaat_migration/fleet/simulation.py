"""A fleet in a city: who asks for a migration, the game, what becomes of it.

Every ``step`` vehicles move, coverage changes, twins are served; every ``tick`` the AVs that are
about to leave the coverage of their twin's RSU ask for a migration and play one game, whose deal
their machines then carry out (``plant.py``).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from veaat_migration.fleet.bandwidth import Bandwidth
from veaat_migration.fleet.books import LEFT_COVERAGE, LEFT_MAP, Meters, Migration
from veaat_migration.fleet.game_round import Asking, play_round
from veaat_migration.fleet.plant import Plant
from veaat_migration.fleet.policies import Policy
from veaat_migration.fleet.population import City, draw_av
from veaat_migration.fleet.riders import Observer, Record, Rider
from veaat_migration.fleet.settings import Settings
from veaat_migration.game.experience import Reputation
from veaat_migration.mobility.fleet import Fleet, FleetView
from veaat_migration.mobility.traffic import Snapshot
from veaat_migration.protocol.migration.codes import ErrorCode, Phase
from veaat_migration.protocol.migration.feedback import Feedback, Outcome, Report
from veaat_migration.protocol.migration.merits import Merits
from veaat_migration.protocol.migration.messages import Proposal
from veaat_migration.protocol.migration.pilot import BLAMED

BoolArray = npt.NDArray[np.bool_]


class Simulation:
    """One run. The same traffic, city, settings, policy and seed give the same record."""

    def __init__(
        self,
        snapshots: Iterable[Snapshot],
        city: City,
        policy: Policy,
        *,
        settings: Settings | None = None,
        seed: int = 1,
        observer: Observer | None = None,
    ) -> None:
        """Read the first snapshot.

        Args:
            snapshots: traffic, in order of time.
            city: RSUs and the kinds of AVs.
            policy: of all players.
            settings: None: the usual ones.
            seed: of everything random but the policy's own draws.
            observer: is shown what happens.

        Raises:
            TraceError: the traffic is empty or damaged.
        """
        self.settings = settings or Settings()
        self.city, self.policy, self._seed = city, policy, seed
        self._observer = observer
        rsus = city.rsus
        self._fleet = Fleet(
            snapshots,
            [(rsu.x, rsu.y) for rsu in rsus],
            [rsu.radius for rsu in rsus],
            seed=seed,
            fading=self.settings.fading,
            coherence=self.settings.coherence,
            hysteresis=self.settings.hysteresis,
            handover_margin=self.settings.handover_margin,
        )
        self._plant = Plant(city, self.settings, seed, on_report=self._note, admit=self._admission)
        self.meters = Meters(len(rsus), self.settings.step)
        self.merits = Merits(Reputation())
        self.riders: dict[int, Rider] = {}
        self.migrations: list[Migration] = []
        self._numbers: dict[str, int] = {}
        self._count = self._deployments = self._games = 0
        self._largest = (0, 0)
        self._bandwidth = Bandwidth(rsus)
        self._asking: list[int] = []
        self._start = self._fleet.replay.start

    @property
    def now(self) -> float:
        """Time of the trace [s]."""
        return self._start + self._plant.world.now

    def run(self) -> Record:
        """Drive to the end of the traffic."""
        settings, world = self.settings, self._plant.world
        per_tick = max(1, round(settings.tick / settings.step))
        k = 0
        while True:
            time = self._start + k * settings.step
            view = self._fleet.at(time)
            if view is None:
                break
            world.run(time - self._start)
            self._look(view)
            if k % per_tick == 0:
                self._ask(view)
            k += 1
        return self._record()

    def _record(self) -> Record:
        self._plant.check_all()
        for rider in self.riders.values():
            if rider.migration is not None:
                self.migrations.append(rider.migration)
        world = self._plant.world
        return Record(
            city=self.city,
            migrations=self.migrations,
            meters=self.meters,
            deployments=self._deployments,
            riders=self._count,
            reputation=tuple(self.merits.reputation(j) for j in range(1, len(self.city.rsus) + 1)),
            start=self._start,
            end=self.now,
            violations=tuple(self._plant.violations),
            checked_steps=self._plant.acts,
            kills=world.kills,
            messages=world.delivered,
            games=self._games,
            largest_game=self._largest,
        )

    # Every step -------------------------------------------------------------------------------

    def _look(self, view: FleetView) -> None:
        """Who came and went, who hears whom, who is served; what is under way."""
        ids = self._rows(view)
        covered = view.coverage.covered
        heard: BoolArray = np.any(covered, axis=1)
        self._plant.hear(ids, map(bool, heard))
        self._meter(view, ids, heard)
        for row, av_id in enumerate(ids):
            rider = self.riders[av_id]
            if rider.migration is not None:
                self._follow(view, row, av_id, rider)
            elif not rider.deployed and not rider.deploying and heard[row]:
                self._deploy(view, row, av_id, rider)
        if self._observer is not None:
            self._observer.look(view)

    def _rows(self, view: FleetView) -> list[int]:
        """AV ids of the view's rows; who is gone is forgotten."""
        present = set(view.scene.ids)
        for name in [name for name in self._numbers if name not in present]:
            av_id = self._numbers.pop(name)
            rider = self.riders.pop(av_id)
            if rider.migration is not None:
                self._end(rider, LEFT_MAP, "", moved=False)
            self._plant.disappear(av_id)
        ids = []
        for name in view.scene.ids:
            av_id = self._numbers.get(name, 0)
            if av_id == 0:
                self._count += 1
                av_id = self._numbers[name] = self._count
                av, twin = draw_av(self._seed, name, self.city.kinds)
                self.riders[av_id] = Rider(name, av)
                self._plant.appear(av_id, twin)
            ids.append(av_id)
        return ids

    def _meter(self, view: FleetView, ids: list[int], heard: BoolArray) -> None:
        acting = self._plant.serve()
        now = self.now
        ages, hosted = [], np.zeros(len(self.city.rsus))
        for row, av_id in enumerate(ids):
            rider = self.riders[av_id]
            rsu = acting.get(av_id)
            if rsu is not None:
                hosted[rsu - 1] += 1.0
                if view.coverage.covered[row, rsu - 1]:
                    rider.seen_served, rider.missed = now, 0
            if rider.deployed and heard[row]:
                ages.append(now - rider.seen_served)
                rider.missed += rider.seen_served < now
        self.meters.look(len(ids), len(ages), np.array(ages), hosted, self._bandwidth.used)

    def _follow(self, view: FleetView, row: int, av_id: int, rider: Rider) -> None:
        """The link of a transfer changes with every look, and may be lost."""
        migration = rider.migration
        if migration is None or migration.target < 0 or Phase.QUEUED in migration.reached:
            return
        target = migration.target
        if view.coverage.covered[row, target]:
            rider.inside = True
        elif rider.inside or self.now > rider.arriving:
            broken = ErrorCode.TRANSFER_BROKEN
            self._plant.order(
                av_id, lambda machine, now: machine.give_up(broken, LEFT_COVERAGE, now)
            )
            return
        if self.settings.follow_link:
            efficiency = float(view.efficiency[row, target])
            bandwidth = migration.bandwidth
            self._plant.order(
                av_id,
                lambda machine, now: machine.choose(target + 1, bandwidth, efficiency, now),
            )

    def _deploy(self, view: FleetView, row: int, av_id: int, rider: Rider) -> None:
        """Bring a twin to the RSU that serves its vehicle first."""
        rsu = int(view.coverage.connected[row]) + 1
        if rsu not in self._plant.alive():
            return
        bandwidth = self.settings.deployment_bandwidth
        efficiency = float(view.efficiency[row, rsu - 1])
        rider.deploying = True
        self._plant.order(av_id, lambda machine, now: machine.request(now))
        self._plant.order(
            av_id, lambda machine, now: machine.choose(rsu, bandwidth, efficiency, now)
        )

    # Every tick -------------------------------------------------------------------------------

    def _ask(self, view: FleetView) -> None:
        """AVs about to leave their twin's RSU ask; the game follows after the negotiation."""
        rows: dict[int, int] = {}
        exits, heard = view.exit_time, np.any(view.coverage.covered, axis=1)
        for row, name in enumerate(view.scene.ids):
            av_id = self._numbers[name]
            rider = self.riders[av_id]
            rows[av_id] = row
            if not rider.deployed or rider.migration is not None or self.now < rider.may_ask:
                continue
            owner = self._plant.vehicle(av_id).owner_id - 1
            if heard[row] and owner >= 0 and exits[row, owner] <= self.settings.horizon:
                rider.migration = Migration(rider.name, self.now, owner)
                self._plant.order(av_id, lambda machine, now: machine.request(now))
                if rider.migration is not None:
                    self._asking.append(av_id)
        if self._asking:
            world = self._plant.world
            world.at(world.now + self.settings.negotiation, self._play, view, rows)

    def _play(self, view: FleetView, rows: dict[int, int]) -> None:
        """The game of all who have asked and whose RSU has answered."""
        ready, waiting = [], []
        for av_id in self._asking:
            rider = self.riders.get(av_id)
            if rider is None or rider.migration is None:
                continue
            shown = self._plant.vehicle(av_id).feedback
            if av_id not in rows or shown is None or shown.phase < Phase.NEGOTIATING:
                waiting.append(av_id)  # a message was lost: with the next game
            else:
                avoided = frozenset(j for j, until in rider.avoided.items() if until > self.now)
                ready.append(Asking(av_id, rows[av_id], rider.av, rider.migration, avoided))
        self._asking = waiting
        if not ready:
            return
        round_ = play_round(
            view,
            ready,
            self.city,
            self.policy,
            self.settings,
            self.merits,
            self._plant.alive(),
            self._bandwidth.free,
        )
        if round_.prices:
            self._games += 1
            self._largest = max(self._largest, (round_.players, len(round_.prices)))
        if self._observer is not None:
            self._observer.priced(self.now, round_.prices.keys(), round_.prices.values())
        for asking in ready:
            self._carry_out(asking, view)

    def _carry_out(self, asking: Asking, view: FleetView) -> None:
        """Let an AV's machine do what its game came to."""
        migration, rider = asking.migration, self.riders[asking.av_id]
        migration.bought = self.now
        target = migration.target
        rider.inside = False
        if target >= 0:
            entry = float(view.entry_time[asking.row, target])
            rider.arriving = self.now + min(entry, self.settings.lead) + self.settings.lead
        self._plant.order(
            asking.av_id,
            lambda machine, now: machine.choose(
                target + 1,
                migration.bandwidth if target >= 0 else 0.0,
                migration.efficiency if target >= 0 else 0.0,
                now,
                expected_delay=migration.expected if target >= 0 else 0.0,
                tolerated_delay=asking.av.max_delay,
            ),
        )

    # What machines say ------------------------------------------------------------------------

    def _admission(self, rsu_id: int, proposal: Proposal) -> str:
        """Why an RSU refuses a twin: its bandwidth is taken."""
        rider = self.riders.get(proposal.av_id)
        if rider is None or rider.migration is None or proposal.source_id == 0:
            return ""
        return self._bandwidth.take(rider, rsu_id - 1, rider.migration.bandwidth)

    def _note(self, av_id: int, report: Report) -> None:
        rider = self.riders.get(av_id)
        if rider is None:
            return
        if isinstance(report, Feedback):
            self._note_phase(av_id, rider, report)
        elif isinstance(report, Outcome):
            self._note_end(rider, report)

    def _note_phase(self, av_id: int, rider: Rider, report: Feedback) -> None:
        migration = rider.migration
        if migration is not None:
            migration.reached.setdefault(report.phase, self.now)
            if report.phase >= Phase.QUEUED:
                self._bandwidth.release(rider)
        if self._observer is not None and report.phase < Phase.CONNECTED:
            owner = self._plant.vehicle(av_id).owner_id - 1
            self._observer.phase(self.now, rider.name, report.phase, owner, report.target_id - 1)

    def _note_end(self, rider: Rider, outcome: Outcome) -> None:
        if rider.migration is None:
            rider.deploying = False
            if outcome.moved:
                rider.deployed = True
                rider.seen_served, rider.missed = self.now, 0
                self._deployments += 1
                if self._observer is not None:
                    owner = outcome.target_id - 1
                    self._observer.phase(self.now, rider.name, Phase.CONNECTED, owner, -1)
            return
        migration = rider.migration
        self._end(rider, outcome.error.name, outcome.reason, moved=outcome.moved)
        if outcome.error in BLAMED and outcome.target_id:
            rider.avoided[outcome.target_id - 1] = self.now + self.settings.avoid
        if outcome.reason != LEFT_COVERAGE:  # nobody's fault
            self.merits.note(outcome, good=not migration.late)
        if self._observer is not None:
            owner = (outcome.target_id if outcome.moved else outcome.source_id) - 1
            phase = Phase.CONNECTED if outcome.moved else Phase.IDLE
            self._observer.phase(self.now, rider.name, phase, owner, -1)

    def _end(self, rider: Rider, outcome: str, reason: str, *, moved: bool) -> None:
        """Close the books of a migration."""
        migration = rider.migration
        assert migration is not None
        migration.finish(outcome, reason, moved=moved, now=self.now)
        migration.downtime = rider.missed * self.settings.step
        rider.migration = None
        failed = outcome != ErrorCode.NONE.name
        rider.may_ask = self.now + (self.settings.retry if failed else 0.0)
        self._bandwidth.release(rider)
        self.migrations.append(migration)
        if self._observer is not None:
            self._observer.ended(self.now, migration)

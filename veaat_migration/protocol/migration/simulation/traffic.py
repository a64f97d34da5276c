"""AVs that migrate again and again, and what each migration took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from veaat_migration.protocol.migration.codes import Phase
from veaat_migration.protocol.migration.feedback import Feedback, Outcome, Report
from veaat_migration.protocol.migration.simulation.world import World
from veaat_migration.protocol.migration.vehicle import Output, TwinVehicle


@dataclass(frozen=True, slots=True)
class Timing:
    """Delay of one completed migration by part [s], as its AV saw it, beside the model's."""

    av_id: int
    target_id: int
    bandwidth: float
    """[MHz]"""
    transfer: float
    queue: float
    compute: float
    total: float
    """From the purchase of bandwidth to the connection with the target."""


@dataclass(frozen=True)
class Habits:
    """What AVs do."""

    pause: float = 1.0
    """Mean time between a migration and the next request, exponential [s]."""
    negotiation: float = 0.1
    """Time that the game takes [s]."""
    bandwidth: tuple[float, float] = (20.0, 60.0)
    """Range of what is bought, uniform [MHz]."""
    efficiency: float = 12.2
    """[bit/s/Hz]"""
    cancel: float = 0.0
    """Share of migrations that are canceled at some time."""
    overlap: float = 0.0
    """Share of migrations during which another is requested."""


class Traffic:
    """Drives all AVs of a world, and keeps the books."""

    def __init__(self, world: World, habits: Habits | None = None) -> None:
        """Begin; every AV deploys its twin soon."""
        self.world = world
        self.habits = habits or Habits()
        self.moved = 0
        """Migrations after which the target owned the twin, deployments included."""
        self.timings: list[Timing] = []
        """Of migrations between RSUs."""
        self.outcomes: Counter[str] = Counter()
        self.limit: int | None = None
        """Migrations to begin; None: no end."""
        self._begun = 0
        self._bought: dict[int, tuple[float, float]] = {}
        self._reached: dict[int, dict[Phase, float]] = {}
        self._source: dict[int, int] = {}
        world.on_report.append(self._note)
        for av_id in world.avs:
            self._later(self.habits.pause, self._ask, av_id)

    def _later(self, mean: float, action: Callable[[int], None], av_id: int) -> None:
        self.world.at(self.world.now + self.world.random.expovariate(1.0 / mean), action, av_id)

    def _ask(self, av_id: int) -> None:
        """Request a migration, now or when the AV lives and is free."""
        vehicle = self.world.vehicle(av_id)
        if self.limit is not None and self._begun >= self.limit:
            return
        if vehicle is None or vehicle.feedback is not None:
            self._later(self.habits.pause, self._ask, av_id)
            return
        self._begun += 1
        self._source[av_id] = vehicle.owner_id
        self._step(av_id, lambda machine, now: machine.request(now))
        self.world.at(self.world.now + self.habits.negotiation, self._choose, av_id)
        draw = self.world.random.random
        if draw() < self.habits.cancel:
            self._later(self.habits.pause, self._cancel, av_id)
        if draw() < self.habits.overlap:
            self._later(self.habits.pause, self._again, av_id)
        self._later(self.habits.pause, self._ask, av_id)

    def _again(self, av_id: int) -> None:
        """Request while another migration is under way."""
        self._step(av_id, lambda machine, now: machine.request(now))
        self.world.at(self.world.now + self.habits.negotiation, self._choose, av_id)

    def _cancel(self, av_id: int) -> None:
        self._step(av_id, lambda machine, now: machine.cancel(now))

    def _choose(self, av_id: int) -> None:
        """Play the part of the game: some other RSU, some bandwidth."""
        vehicle = self.world.vehicle(av_id)
        shown = None if vehicle is None else vehicle.feedback
        if vehicle is None or shown is None or shown.target_id:
            return
        if shown.phase < Phase.NEGOTIATING:
            self.world.at(self.world.now + self.habits.negotiation, self._choose, av_id)
            return
        others = [j for j in self.world.rsus if j != vehicle.owner_id]
        target = self.world.random.choice(others)
        bandwidth = self.world.random.uniform(*self.habits.bandwidth)
        self._bought[av_id] = (self.world.now, bandwidth)
        self._reached[av_id] = {}
        self._step(
            av_id,
            lambda machine, now: machine.choose(target, bandwidth, self.habits.efficiency, now),
        )

    def _step(self, av_id: int, act: Callable[[TwinVehicle, float], list[Output]]) -> None:
        self.world.step(self.world.avs[av_id], act)

    def _note(self, av_id: int, report: Report) -> None:
        if isinstance(report, Feedback):
            self._reached.setdefault(av_id, {}).setdefault(report.phase, self.world.now)
        elif isinstance(report, Outcome):
            self.outcomes[report.error.name] += 1
            self.moved += report.moved
            if report.error == 0 and report.source_id != 0:
                self._time(av_id, report.target_id)

    def _time(self, av_id: int, target_id: int) -> None:
        reached = self._reached[av_id]
        bought, bandwidth = self._bought[av_id]
        built = reached.get(Phase.REINSTANTIATING)
        arrived = reached.get(Phase.QUEUED, built)
        if arrived is None or built is None:
            return  # messages were lost: the AV saw the end only
        self.timings.append(
            Timing(
                av_id,
                target_id,
                bandwidth,
                arrived - bought,
                built - arrived,
                self.world.now - built,
                self.world.now - bought,
            )
        )

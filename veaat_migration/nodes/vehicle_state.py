"""What an AV knows besides the game: its twin's task, where it is, and how good its links are.

Pure: no ROS and no clock. Tasks and positions come from other programs of the vehicle, so all of
them are looked at before they count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from veaat_migration.game.profiles import FollowerDelay, FollowerProfile
from veaat_migration.mobility.link import LinkModel
from veaat_migration.mobility.position_watch import TAKEN, PositionState, PositionWatch
from veaat_migration.protocol.reading import LARGEST

OTHER_TASK = "the task differs from the one that the policy was trained for"
SOME_RSUS = "the twin may go to some RSUs only"
NOTICEABLE_MOVE = 1.0
"""A move by less than this does not change the links of the best response [m]."""


class TaskError(ValueError):
    """A task without meaning; the message says what is wrong."""


@dataclass(frozen=True)
class Task:
    """What may change of an AV's private data while it plays. NaN: as before."""

    satisfaction: float
    """delta_i [money]"""
    offset: float
    """E_i [MHz]"""
    delay_data: float
    """D_i [Mbit]"""
    delay_max: float
    """T_i^max [s]"""
    rsu_ids: frozenset[int] | None = None
    """RSUs that the twin may go to; None: all."""

    def over(self, own: Task) -> Task:
        """This task, with what it leaves open taken from ``own``."""
        satisfaction, offset, delay_data, delay_max = (
            mine if math.isnan(given) else given
            for given, mine in zip(self._values(), own._values(), strict=True)
        )
        return Task(satisfaction, offset, delay_data, delay_max, self.rsu_ids)

    def check(self, bandwidth_max: float) -> None:
        """Check that a game can be played with it.

        Raises:
            TaskError: it cannot.
        """
        for name, value, low in (
            ("satisfaction", self.satisfaction, 0.0),
            ("delay_max", self.delay_max, 0.0),
        ):
            if not (math.isnan(value) or low < value <= LARGEST):
                raise TaskError(f"{name}: must be > 0 and at most {LARGEST:g}, got {value:g}")
        if not (math.isnan(self.delay_data) or 0.0 <= self.delay_data <= LARGEST):
            raise TaskError(f"delay_data: must be >= 0 Mbit, got {self.delay_data:g}")
        if not (math.isnan(self.offset) or -bandwidth_max < self.offset <= LARGEST):
            raise TaskError(f"offset: must be > {-bandwidth_max:g} MHz, got {self.offset:g}")

    def differs(self, other: Task, tolerance: float, *, with_delay: bool) -> bool:
        """Whether a number is further from ``other``'s than a share of ``tolerance``."""
        count = 4 if with_delay else 2
        pairs = list(zip(self._values(), other._values(), strict=True))[:count]
        return any(
            not math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-12)
            and not (math.isnan(a) and math.isnan(b))
            for a, b in pairs
        )

    def _values(self) -> tuple[float, float, float, float]:
        return self.satisfaction, self.offset, self.delay_data, self.delay_max


class VehicleState:
    """The AV's profile and links as they are now."""

    def __init__(
        self,
        profile: FollowerProfile,
        task: Task,
        *,
        links: LinkModel | None = None,
        base_delay: Mapping[int, float] | None = None,
        watch: PositionWatch | None = None,
        tolerance: float = 0.01,
    ) -> None:
        """Begin with what the parameters say.

        Args:
            profile: the AV's private data. With a delay in it the delay constraint holds.
            task: what of it may change.
            links: where the RSUs stand; None: positions are not used.
            base_delay: T0_ij of the RSUs of ``links`` [s]; absent: 0.
            watch: looks at positions.
            tolerance: relative difference of a task that a learned policy still answers.
        """
        self.links = links
        self.watch = PositionWatch() if watch is None else watch
        self.tasks_taken = 0
        self.tasks_refused = 0
        self.last_task_error = ""
        self.changes = 0
        """Grows whenever profile or delay may have changed."""
        self._given = profile
        self._own_task = self._task = task
        self._tolerance = tolerance
        self._base_delay = dict(base_delay or {})
        self._at: tuple[float, ...] | None = None
        self._efficiency: dict[int, float] = {}
        self._fresh = False
        self.profile = profile
        """The AV's private data as they are now."""
        self.delay: FollowerDelay | None = profile.delay
        """What is known of links, task and deadline, whether the constraint holds or not."""
        self._update()

    @property
    def aside(self) -> str:
        """Why a learned policy must not answer; empty: it may."""
        if self.rsu_ids is not None:
            return SOME_RSUS
        with_delay = self._given.delay is not None
        if self._task.differs(self._own_task, self._tolerance, with_delay=with_delay):
            return OTHER_TASK
        return ""

    @property
    def rsu_ids(self) -> frozenset[int] | None:
        """RSUs that the twin may go to; None: all."""
        return self._task.rsu_ids

    def take_task(self, task: Task) -> bool:
        """Use another task from the next decision on; False and nothing changed: it is absurd."""
        merged = task.over(self._own_task)
        try:
            merged.check(self._given.bandwidth_max)
        except TaskError as error:
            self.tasks_refused += 1
            self.last_task_error = str(error)
            return False
        self.tasks_taken += 1
        if merged != self._task:
            self._task = merged
            self._update()
        return True

    def take_position(
        self, position: Sequence[float], stamp: float, now: float, clock: float
    ) -> PositionState:
        """Take a sample of odometry, see :meth:`PositionWatch.observe`."""
        verdict = self.watch.observe(position, stamp, now, clock)
        if verdict in TAKEN:
            self._move()
        return verdict

    def look(self, now: float) -> None:
        """Notice that the position has become stale [s of the clock of positions' arrival]."""
        if self._fresh and self.watch.state(now) is not PositionState.FRESH:
            self._fresh = False
            self._at = None
            self._efficiency = {}
            self._update()

    def unknown(self, now: float) -> str:
        """Why delays are not known from the position; empty: they are, or are not wanted."""
        if self.links is None:
            return ""
        state = self.watch.state(now)
        return "" if state is PositionState.FRESH else f"odometry: {state.value}"

    def _move(self) -> None:
        position = self.watch.position
        assert position is not None
        self._fresh = True
        if self.links is None:
            return
        if self._at is not None and math.dist(position[:2], self._at[:2]) < NOTICEABLE_MOVE:
            return
        self._at = position
        self._efficiency = self.links.at(position).usable()
        self._update()

    def _update(self) -> None:
        """Put profile and delay together from the parameters, the task and the links."""
        task, given = self._task, self._given
        self.delay = self._known_delay(task)
        constraint = None if given.delay is None else self.delay
        self.profile = replace(
            given, satisfaction=task.satisfaction, offset=task.offset, delay=constraint
        )
        self.changes += 1

    def _known_delay(self, task: Task) -> FollowerDelay | None:
        """What is known of delays: from the position while it is fresh, else as given."""
        if math.isnan(task.delay_data) or math.isnan(task.delay_max):
            return None
        given = self._given.delay
        base = dict(self._base_delay) | ({} if given is None else dict(given.base_delay))
        if self._fresh and self.links is not None:
            efficiency: Mapping[int, float] = self._efficiency
        elif given is not None:
            efficiency = given.spectral_efficiency
        else:
            return None
        return FollowerDelay(
            data=task.delay_data,
            max_delay=task.delay_max,
            spectral_efficiency=efficiency,
            base_delay=base,
        )

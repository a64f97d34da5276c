"""When an AV's twin migrates, and where to: by itself, or because somebody asks.

Drives :class:`TwinVehicle` with what the AV sees (:class:`Sight`), what the game decides
(:class:`Decision`) and what people want (:class:`Wish`). No I/O, no clock; times in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from veaat_migration.protocol.config import ProtocolConfigError
from veaat_migration.protocol.migration.arbiter import Standing
from veaat_migration.protocol.migration.codes import ErrorCode, Phase
from veaat_migration.protocol.migration.feedback import Feedback, Outcome, OwnerChanged
from veaat_migration.protocol.migration.messages import Envelope
from veaat_migration.protocol.migration.timetable import Delays, Timetable
from veaat_migration.protocol.migration.vehicle import TwinVehicle


@dataclass(frozen=True)
class PilotConfig:
    """When to ask, and how long to wait for a decision. Times in seconds."""

    automatic: bool = True
    """Ask without being told to: at home, or when the AV leaves the coverage of the owner."""
    settle_rounds: int = 8
    """Rounds of the game that must pass after the AV has begun to ask for offers."""
    negotiation_timeout: float = 5.0
    """Longest time that the game may take to find a target."""
    retry_period: float = 3.0
    """Time after a failed migration before the AV asks again by itself."""
    avoid_period: float = 15.0
    """Time for which a target that refused, died or lost bytes is not asked by itself."""
    pace_change: float = 0.05
    """Relative change of the link's efficiency at which the transfer's pace is set anew."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ProtocolConfigError: a setting is out of range.
        """
        for name in ("negotiation_timeout", "retry_period", "avoid_period", "pace_change"):
            value = getattr(self, name)
            if not 0.0 < value < math.inf:
                raise ProtocolConfigError(f"{name}: must be > 0 and finite, got {value!r}")
        if self.settle_rounds < 0:
            raise ProtocolConfigError(f"settle_rounds: must be >= 0, got {self.settle_rounds}")


@dataclass(frozen=True, slots=True)
class Sight:
    """What the AV sees of the RSUs around it."""

    owner_id: int = 0
    """Owner of the twin when it looked: the next two are about this one."""
    leaving: bool = False
    """It is out of the owner's coverage, or soon will be."""
    candidates: tuple[int, ...] = ()
    """RSUs on its way that the twin may move to."""
    covered: frozenset[int] = frozenset()
    efficiency: Mapping[int, float] = field(default_factory=dict)
    """s_ij [bit/s/Hz]."""
    blind: bool = False
    """It does not know where it is: that it sees no coverage means nothing."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the game has decided in one round."""

    session: int
    round: int
    target_id: int
    """0: none, and ``reason`` says why."""
    bandwidth: float = 0.0
    """[MHz]"""
    price: float = math.nan
    """p_j at the target [money/MHz]; NaN: not known."""
    expected_delay: float = math.nan
    """T_ij [s]; NaN: not known."""
    tolerated_delay: float = math.inf
    """T_i^max [s]"""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """A migration that somebody asks for."""

    target_id: int = 0
    """0: the game decides."""
    bandwidth: float = 0.0
    """[MHz]; 0: the game decides."""
    tolerated_delay: float = math.inf
    """[s]"""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a migration was begun with."""

    decision: Decision
    efficiency: float
    """s_ij when it was made [bit/s/Hz]."""
    played: bool
    """Bought in the game, not ordered by somebody."""


@dataclass(frozen=True, slots=True)
class MigrationEnd:
    """One migration, from its request to its end."""

    outcome: Outcome
    asked: bool
    """By a wish, not by the AV itself."""
    choice: Choice | None
    delays: Delays


PilotOutput = Envelope | Feedback | OwnerChanged | MigrationEnd
BLAMED = (ErrorCode.TARGET_REFUSED, ErrorCode.TARGET_DIED, ErrorCode.TRANSFER_BROKEN)


class Pilot:
    """Asks for migrations of one AV's twin and chooses as the game decides."""

    def __init__(
        self, vehicle: TwinVehicle, config: PilotConfig, *, default_efficiency: float
    ) -> None:
        """Begin without a migration.

        Args:
            vehicle: the AV's machine.
            config: settings.
            default_efficiency: s_ij of RSUs whose link is not known [bit/s/Hz].
        """
        self.vehicle = vehicle
        self.sight = Sight()
        self._config = config
        self._default_efficiency = default_efficiency
        self._wish: Wish | None = None
        self._timetable = Timetable(0.0)
        self._choice: Choice | None = None
        self._asked_at = 0.0
        self._first_round: tuple[int, int] | None = None
        self._last_reason = ""
        self._entered = False
        """Whether the AV has been in the coverage of the target."""
        self._next_try = -math.inf
        self._avoid: dict[int, float] = {}

    # What others say --------------------------------------------------------------------------

    def ask(self, wish: Wish, now: float) -> list[PilotOutput]:
        """Migrate because somebody wants it; a migration under way is superseded."""
        return self._request(wish, now)

    def cancel(self, now: float) -> list[PilotOutput]:
        """Call the migration off that is under way."""
        return self._pass_on(self.vehicle.cancel(now), now)

    def see(self, sight: Sight, now: float) -> list[PilotOutput]:
        """Take a new look around."""
        self.sight = sight
        if (choice := self._choice) is not None:
            self._entered |= choice.decision.target_id in sight.covered
        return self._go_on(now)

    def decide(self, decision: Decision, now: float) -> list[PilotOutput]:
        """Take what the game has decided in a round."""
        if not self.negotiating or not 0.0 <= decision.bandwidth < math.inf:
            return []
        here = (decision.session, decision.round)
        if self._first_round is None or self._first_round[0] != decision.session:
            self._first_round = here
        if decision.round < self._first_round[1] + self._config.settle_rounds:
            return []
        if decision.target_id not in self.candidates:
            self._last_reason = decision.reason
            return []
        return self._choose(decision, now, played=True)

    def on_message(self, message: Any, now: float) -> list[PilotOutput]:
        """Take a message of an RSU. Never raises, whatever it is."""
        return [*self._pass_on(self.vehicle.on_message(message, now), now), *self._go_on(now)]

    def on_timer(self, now: float) -> list[PilotOutput]:
        """Do what is due; harmless when called early, late or often."""
        return [*self._pass_on(self.vehicle.on_timer(now), now), *self._go_on(now)]

    # What is ---------------------------------------------------------------------------------

    @property
    def next_wakeup(self) -> float:
        """Time at which :meth:`on_timer` must be called."""
        return self.vehicle.next_wakeup

    @property
    def negotiating(self) -> bool:
        """Whether the game is asked for a target now."""
        feedback = self.vehicle.feedback
        return (
            feedback is not None
            and feedback.phase >= Phase.NEGOTIATING
            and self.vehicle.choice is None
        )

    @property
    def candidates(self) -> tuple[int, ...]:
        """RSUs that the twin may move to in the migration that is wanted, ascending."""
        if self._wish is not None and self._wish.target_id:
            return (self._wish.target_id,)
        return tuple(j for j in self.sight.candidates if j not in self._avoid)

    @property
    def buys_from(self) -> tuple[int, ...]:
        """RSUs whose bandwidth the AV wants to buy now; empty: none."""
        return self.candidates if self.negotiating else ()

    # What happens ----------------------------------------------------------------------------

    def _request(self, wish: Wish | None, now: float) -> list[PilotOutput]:
        # What supersedes must not be mistaken for what it supersedes.
        outputs: list[PilotOutput] = []
        if self.vehicle.feedback is not None:
            reason = "a later request took its place"
            ended = self.vehicle.give_up(ErrorCode.SUPERSEDED, reason, now)
            outputs += self._pass_on(ended, now)
        self._wish = wish
        self._timetable = Timetable(now)
        self._choice, self._first_round, self._last_reason = None, None, ""
        self._entered = False
        self._asked_at = now
        return [*outputs, *self._pass_on(self.vehicle.request(now), now), *self._go_on(now)]

    def _go_on(self, now: float) -> list[PilotOutput]:
        """Whatever is next: ask, give up asking, keep the pace."""
        vehicle = self.vehicle
        self._avoid = {j: until for j, until in self._avoid.items() if until > now}
        if vehicle.feedback is None:
            return self._request(None, now) if self._must_ask(now) else []
        if self.negotiating:
            return self._negotiate(now)
        if self._choice is not None and vehicle.feedback.phase <= Phase.TRANSFERRING:
            return self._keep_pace(self._choice, now)
        return []

    def _must_ask(self, now: float) -> bool:
        vehicle, sight = self.vehicle, self.sight
        return (
            self._config.automatic
            and now >= self._next_try
            and vehicle.arbiter.standing is Standing.SETTLED
            and sight.owner_id == vehicle.owner_id
            and (sight.leaving or vehicle.owner_id == 0)
            and bool(self.candidates)
        )

    def _negotiate(self, now: float) -> list[PilotOutput]:
        wish, config = self._wish, self._config
        if wish is not None and wish.target_id and wish.bandwidth > 0.0:
            ordered = Decision(
                0, 0, wish.target_id, wish.bandwidth, tolerated_delay=wish.tolerated_delay
            )
            return self._choose(ordered, now, played=False)
        if not self.candidates:
            return self._give_up(ErrorCode.NO_RSU_IN_RANGE, "no RSU on the way", now)
        if now - self._asked_at > config.negotiation_timeout:
            if self._first_round is None:
                reason = f"the game decided nothing within {config.negotiation_timeout:g} s"
            else:
                reason = self._last_reason or "the game found no target"
            return self._give_up(ErrorCode.DEADLINE_INFEASIBLE, reason, now)
        return []

    def _choose(self, decision: Decision, now: float, *, played: bool) -> list[PilotOutput]:
        target = decision.target_id
        efficiency = self._efficiency(target)
        tolerated = decision.tolerated_delay
        if self._wish is not None:
            tolerated = min(tolerated, self._wish.tolerated_delay)
        self._choice = Choice(decision, efficiency, played)
        self._entered = target in self.sight.covered
        self._timetable.decided(now)
        expected = decision.expected_delay
        outputs = self.vehicle.choose(
            target,
            decision.bandwidth,
            efficiency,
            now,
            expected_delay=0.0 if math.isnan(expected) else expected,
            tolerated_delay=tolerated,
        )
        return self._pass_on(outputs, now)

    def _keep_pace(self, choice: Choice, now: float) -> list[PilotOutput]:
        """Transfer as fast as the link is now, and not at all out of the target's coverage."""
        target = choice.decision.target_id
        if self.sight.blind:
            return []
        if self._entered and target not in self.sight.covered:
            reason = f"the AV left the coverage of RSU {target}"
            return self._give_up(ErrorCode.TRANSFER_BROKEN, reason, now)
        chosen = self.vehicle.choice
        efficiency = self._efficiency(target)
        if chosen is None or math.isclose(
            efficiency, chosen[2], rel_tol=self._config.pace_change, abs_tol=1e-9
        ):
            return []
        return self._pass_on(self.vehicle.choose(target, chosen[1], efficiency, now), now)

    def _efficiency(self, rsu_id: int) -> float:
        return self.sight.efficiency.get(rsu_id, self._default_efficiency)

    def _give_up(self, error: ErrorCode, reason: str, now: float) -> list[PilotOutput]:
        return self._pass_on(self.vehicle.give_up(error, reason, now), now)

    def _pass_on(self, outputs: Iterable[Any], now: float) -> list[PilotOutput]:
        """Note what the vehicle's machine reports, and complete it."""
        passed: list[PilotOutput] = []
        for output in outputs:
            if isinstance(output, Feedback):
                self._timetable.reached(output.phase, now)
            elif isinstance(output, OwnerChanged) and not output.recovered:
                self._timetable.granted(now)
            elif isinstance(output, Outcome):
                passed.append(self._end(output, now))
                continue
            passed.append(output)
        return passed

    def _end(self, outcome: Outcome, now: float) -> MigrationEnd:
        end = MigrationEnd(
            outcome, self._wish is not None, self._choice, self._timetable.delays(now)
        )
        if not outcome.moved:
            self._next_try = now + self._config.retry_period
            if outcome.error in BLAMED and outcome.target_id:
                self._avoid[outcome.target_id] = now + self._config.avoid_period
        self._wish = self._choice = None
        return end

"""One life of an AV whose twin moves, as a state machine without I/O or a clock.

Rules: docs/twins.md. Every method takes ``now``, seconds of a clock that never runs backwards, and
returns messages to send and reports for the AV's user.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from veaat_migration.protocol.migration.arbiter import Arbiter, Standing
from veaat_migration.protocol.migration.codes import ErrorCode, Phase
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.feedback import Feedback, Outcome, OwnerChanged, Report
from veaat_migration.protocol.migration.home import Home
from veaat_migration.protocol.migration.journey import Journey
from veaat_migration.protocol.migration.messages import (
    Claim,
    Envelope,
    Order,
    Progress,
    Receipt,
    is_well_formed,
    to_rsu,
)
from veaat_migration.protocol.migration.store import OwnershipJournal
from veaat_migration.protocol.migration.twin import Twin, TwinError

Output = Envelope | Report


class TwinVehicle:
    """Requests migrations of one AV's twin and decides who owns it.

    Call :meth:`on_timer` at :attr:`next_wakeup`.
    """

    def __init__(
        self,
        av_id: int,
        config: MigrationConfig,
        journal: OwnershipJournal,
        *,
        session: int,
        now: float,
        twin: Twin | None = None,
    ) -> None:
        """Take up what the disk has.

        Args:
            av_id: from 1.
            config: the same for all machines.
            journal: the AV's disk; empty: the AV looks for its twin first.
            session: larger than that of any former life (start time in nanoseconds).
            now: clock [s].
            twin: as the AV itself can build it, to deploy it or when all copies are lost.
        """
        self.av_id = av_id
        self.arbiter = Arbiter(av_id, config, journal, session=session, now=now)
        self.rejected = 0
        """Messages that made no sense."""
        self._config = config
        self._home = Home(av_id, twin, config)
        self._journey: Journey | None = None
        self._wakeup = now

    # What the user wants ----------------------------------------------------------------------

    def request(self, now: float) -> list[Output]:
        """Ask the owner for a migration (Step 1); one that is under way is superseded."""
        outputs = self._end(now, ErrorCode.SUPERSEDED, "a later request took its place")
        arbiter = self.arbiter
        if arbiter.standing is Standing.SEARCHING:
            reason = "the AV has lost its records and still looks for its twin"
            number = arbiter.next_migration()
            return [*outputs, Outcome(number, 0, 0, ErrorCode.SOURCE_DIED, reason, False, 0.0)]
        owner = arbiter.ownership.owner_id
        order = Order(
            self.av_id,
            owner,
            arbiter.next_number(),
            arbiter.next_migration(),
            arbiter.ownership.epoch,
        )
        phase = Phase.REQUESTED if owner else Phase.NEGOTIATING
        feedback = Feedback(order.migration, phase)
        self._journey = Journey(order, owner, now, feedback, now, now)
        self._wakeup = min(self._wakeup, now + self._config.retransmit_period)
        return [*outputs, feedback, *self._send_order()]

    def choose(
        self,
        target_id: int,
        bandwidth: float,
        efficiency: float,
        now: float,
        *,
        expected_delay: float = 0.0,
        tolerated_delay: float = math.inf,
    ) -> list[Output]:
        """Say what the game decided (Steps 2 and 3); again: the channel or the purchase changed.

        Args:
            target_id: RSU to move to; 0: none is in range.
            bandwidth: b_ij, bought there [MHz].
            efficiency: s_ij [bit/s/Hz].
            now: clock [s].
            expected_delay: T_ij [s].
            tolerated_delay: T_i^max; a larger expected delay ends the migration [s].

        Raises:
            TwinError: no migration was requested, or a number is out of range.
        """
        journey = self._journey
        if journey is None:
            raise TwinError("choose: no journey is under way, request one first")
        if not (0 <= bandwidth < math.inf and 0 <= efficiency < math.inf):
            raise TwinError(
                f"bandwidth, efficiency: must be >= 0 and finite, got {bandwidth:g}, {efficiency:g}"
            )
        if self._has_moved(journey):
            return []
        if target_id == 0:
            return self._end(now, ErrorCode.NO_RSU_IN_RANGE, "no RSU is in range")
        if bandwidth * efficiency == 0.0:
            return self._end(now, ErrorCode.DEADLINE_INFEASIBLE, "no bandwidth was bought")
        if not expected_delay <= tolerated_delay:
            reason = f"expected delay {expected_delay:g} s, tolerated {tolerated_delay:g} s"
            return self._end(now, ErrorCode.DEADLINE_INFEASIBLE, reason)
        if journey.order.target_id not in (0, target_id):
            raise TwinError("target_id: a migration keeps its target, request another one")
        if target_id == journey.source_id:
            return self._end(now, ErrorCode.TARGET_REFUSED, "the twin is there already")
        journey.choose(target_id, bandwidth, efficiency, now)
        outputs = self._show(replace(journey.feedback, target_id=target_id))
        return [*outputs, *self._send_order(), *self._home_go_on(now)]

    def cancel(self, now: float) -> list[Output]:
        """Call the migration off; it is too late when the target owns the twin already."""
        return self._end(now, ErrorCode.CANCELED, "canceled")

    def give_up(self, error: ErrorCode, reason: str, now: float) -> list[Output]:
        """End the migration for a reason that only its user can see; as late as :meth:`cancel`."""
        return self._end(now, error, reason)

    # Input ------------------------------------------------------------------------------------

    def on_message(self, message: Any, now: float) -> list[Output]:
        """Take a message. Never raises, whatever it is."""
        if not is_well_formed(message) or message.av_id != self.av_id:
            self.rejected += 1
            return []
        if isinstance(message, Claim):
            return self._on_claim(message, now)
        if isinstance(message, Progress):
            return self._on_progress(message, now)
        if isinstance(message, Receipt) and message.source_id == 0:
            self._home.take(message, now)
            return self._home_go_on(now)
        self.rejected += 1
        return []

    def on_timer(self, now: float) -> list[Output]:
        """Do what is due; harmless when called early, late or often."""
        outputs: list[Output] = []
        if now >= self._wakeup:
            self._wakeup = now + self._config.retransmit_period
            outputs += self._watch(now)
            outputs += self._recover(now)
            if self.arbiter.must_poll(now):
                outputs += self.arbiter.poll()
                if self.arbiter.ownership.owner_id:
                    outputs += self.arbiter.poll(self.arbiter.ownership.owner_id)
            outputs += self._send_order()
        return [*outputs, *self._home_go_on(now)]

    @property
    def next_wakeup(self) -> float:
        """Time at which :meth:`on_timer` must be called."""
        return min(self._wakeup, self._home.next_time)

    @property
    def owner_id(self) -> int:
        """RSU that owns the twin; 0: it is at home, or the AV looks for it."""
        return self.arbiter.ownership.owner_id

    @property
    def source_id(self) -> int:
        """RSU that the migration leaves; 0: there is none, or from home."""
        return 0 if self._journey is None else self._journey.source_id

    @property
    def choice(self) -> tuple[int, float, float] | None:
        """Target, bandwidth [MHz] and efficiency [bit/s/Hz] of the migration; None: not chosen."""
        journey = self._journey
        if journey is None or journey.order.target_id == 0:
            return None
        order = journey.order
        return order.target_id, order.bandwidth, order.efficiency

    @property
    def feedback(self) -> Feedback | None:
        """Where the migration stands; None: there is none."""
        return None if self._journey is None else self._journey.feedback

    # What happens -----------------------------------------------------------------------------

    def _on_claim(self, claim: Claim, now: float) -> list[Output]:
        outputs: list[Output] = []
        journey, arbiter = self._journey, self.arbiter
        arbiter.hear(claim, now)
        if journey is not None:
            journey.hear(claim, now)
            if journey.may_be_granted(claim, arbiter.ownership, arbiter.closed):
                outputs += self._grant(claim, now)
        outputs += arbiter.answer(claim, now)
        if journey is not None and self._has_moved(journey) and arbiter.owns(claim):
            outputs += self._connect(journey, now)
        return outputs

    def _grant(self, claim: Claim, now: float) -> list[Output]:
        """Make the target the owner, and tell the owner and the backup before it at once."""
        arbiter = self.arbiter
        before = arbiter.ownership
        arbiter.grant(claim, now)
        self._home.stop()
        outputs: list[Output] = [OwnerChanged(arbiter.ownership.epoch, claim.rsu_id, False)]
        for rsu_id in {before.owner_id, before.backup_id} - {0, claim.rsu_id}:
            outputs += arbiter.poll(rsu_id)
        return outputs

    def _on_progress(self, progress: Progress, now: float) -> list[Output]:
        journey = self._journey
        if journey is None or progress.migration != journey.number:
            return []
        if progress.rsu_id not in (journey.source_id, journey.order.target_id):
            return []
        journey.hear(progress, now)
        if self._has_moved(journey):
            return []
        if progress.error is not ErrorCode.NONE:
            return self._end(now, progress.error, progress.reason)
        news = journey.news(progress)
        return [] if news is None else self._show(news)

    def _connect(self, journey: Journey, now: float) -> list[Output]:
        """The target owns the twin and has said so (Step 4)."""
        connected = replace(
            journey.feedback,
            phase=Phase.CONNECTED,
            bytes_done=journey.feedback.bytes_total,
            position=0,
        )
        outputs = self._show(connected)
        return [*outputs, *self._end(now, ErrorCode.NONE, "")]

    def _watch(self, now: float) -> list[Output]:
        """End a migration whose source or target is silent."""
        journey = self._journey
        if journey is None or self._has_moved(journey):
            return []
        silence = journey.silence(self._config, now)
        return [] if silence is None else self._end(now, *silence)

    def _recover(self, now: float) -> list[Output]:
        """Look after a twin whose owner is lost."""
        if not self.arbiter.recover(now):
            return []
        journey, owner = self._journey, self.arbiter.ownership
        outputs: list[Output] = [OwnerChanged(owner.epoch, owner.owner_id, True)]
        if journey is not None and not self._has_moved(journey):
            outputs += self._end(now, ErrorCode.SOURCE_DIED, "the twin was recovered elsewhere")
        return [*outputs, *self.arbiter.poll()]

    def _has_moved(self, journey: Journey) -> bool:
        return journey.has_moved(self.arbiter.ownership)

    def _end(self, now: float, error: ErrorCode, reason: str) -> list[Output]:
        """End the migration, if there is one; decided is decided."""
        journey, self._journey = self._journey, None
        if journey is None:
            return []
        moved = self._has_moved(journey)
        self.arbiter.close(journey.number)
        self._home.stop()
        outputs: list[Output] = [journey.outcome(error, reason, moved=moved, now=now)]
        target = journey.order.target_id
        if target != 0 and not moved and journey.source_id != 0:
            outputs += self.arbiter.poll(journey.source_id)
            outputs += self.arbiter.poll(target)
        return outputs

    def _show(self, feedback: Feedback) -> list[Output]:
        journey = self._journey
        if journey is None or feedback == journey.feedback:
            return []
        journey.feedback = feedback
        return [feedback]

    def _send_order(self) -> list[Output]:
        journey = self._journey
        if journey is None or journey.source_id == 0 or self._has_moved(journey):
            return []
        order = replace(journey.order, number=self.arbiter.next_number())
        return [to_rsu(journey.source_id, order)]

    def _home_go_on(self, now: float) -> list[Output]:
        """Send the twin from the AV itself, if that is where it is."""
        journey = self._journey
        if journey is None or journey.source_id != 0 or journey.order.target_id == 0:
            return []
        if self._has_moved(journey):
            return []
        outputs: list[Output] = [*self._home.go_on(journey.order, now)]
        error, reason = self._home.error
        if error is not ErrorCode.NONE:
            return [*outputs, *self._end(now, error, reason)]
        done, total = self._home.bytes
        shown = journey.feedback
        if shown.phase < Phase.TRANSFERRING or done > shown.bytes_done:
            phase = max(shown.phase, Phase.TRANSFERRING)
            outputs += self._show(replace(shown, phase=phase, bytes_done=done, bytes_total=total))
        return outputs

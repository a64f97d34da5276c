"""The node of an AV whose twin moves: decides who owns it, asks for migrations, measures.

Rules: docs/twins.md. All decisions are those of :class:`Pilot` and the machine that it drives.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from typing import Any

from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from rclpy.publisher import Publisher
from rclpy.qos import qos_profile_sensor_data

from veaat_migration import msg
from veaat_migration.action import MigrateTwin
from veaat_migration.mobility.position_watch import TAKEN, PositionState, PositionWatch
from veaat_migration.mobility.surroundings import View
from veaat_migration.nodes import process, qos
from veaat_migration.nodes.connections import publish_on, subscribe_to
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.migrate_action import MigrateAction
from veaat_migration.nodes.migration_parameters import TWIN_VEHICLE, config_of
from veaat_migration.nodes.odometry import read_odometry
from veaat_migration.nodes.parameters import declare
from veaat_migration.nodes.player import NAMESPACE
from veaat_migration.nodes.process import ManagedNode
from veaat_migration.nodes.service_topics import TelemetryTopics, actions_topic
from veaat_migration.nodes.specification import integer, number, text
from veaat_migration.nodes.twin_post import TwinPost
from veaat_migration.nodes.twin_setup import make_surroundings, make_twin, open_journal
from veaat_migration.nodes.vehicle_reports import feedback_message, report_message, status_message
from veaat_migration.nodes.wakeup import WakeupTimer
from veaat_migration.nodes.wire import WireError
from veaat_migration.protocol.migration.codes import ErrorCode
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.feedback import Feedback, OwnerChanged
from veaat_migration.protocol.migration.messages import Address, Envelope
from veaat_migration.protocol.migration.pilot import (
    Decision,
    MigrationEnd,
    Pilot,
    PilotConfig,
    Sight,
    Wish,
)
from veaat_migration.protocol.migration.vehicle import TwinVehicle as VehicleMachine
from veaat_migration.service.meter import ServiceMeter

FIRST_ACTION = 1.0
"""Longest wait for the first action of a new owner before its migration is reported [s]."""
TASK_PERIOD = 1.0
"""Time between two tasks for the player, which may have been restarted [s]."""


class TwinVehicle(ManagedNode):
    """One AV's side of its twin."""

    def __init__(self, name: str = "twin_vehicle", **node_options: Any) -> None:
        """Read the parameters of :data:`.migration_parameters.TWIN_VEHICLE`, take up the journal.

        Raises:
            VeaatError: a parameter is missing or has no meaning, or a file cannot be used.
        """
        node_options.setdefault("namespace", NAMESPACE)
        super().__init__(name, **node_options)
        self.values = values = declare(self, TWIN_VEHICLE)
        self.executor_name = text(values, "executor")
        self._av_id = integer(values, "av_id")
        self._twin = make_twin(values)
        self._surroundings = make_surroundings(values)
        now = time.monotonic()
        machine = VehicleMachine(
            self._av_id,
            config_of(MigrationConfig, values),
            open_journal(values),
            session=time.time_ns(),
            now=now,
            twin=self._twin,
        )
        self._pilot = Pilot(
            machine,
            config_of(PilotConfig, values),
            default_efficiency=number(values, "default_efficiency"),
        )
        self._meter = ServiceMeter(number(values, "service_timeout"))
        self._watch = PositionWatch(
            timeout=number(values, "odometry_timeout"), max_speed=number(values, "max_speed")
        )
        self._velocity = (math.nan, math.nan)
        self._view: View | None = None
        self._sequence = self._serving = 0
        self._held: tuple[MigrationEnd, float] | None = None
        """A migration whose new owner has not acted yet, and until when to wait for it."""
        self._migration = 0
        self._for_goal = self._goal_begins = False
        """Whether the migration shown, and the next one, is that of a goal."""
        self._requested = now
        self._task: tuple[int, ...] | None = None
        self._shown: tuple[Any, ...] = ()
        self._open_topics()
        self._wakeup.set(now)

    def _open_topics(self) -> None:
        values, av_id = self.values, self._av_id
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._stamp = Stamper(self)
        self._post = TwinPost(self, self._stamp, Address("av", av_id), self._on_message)
        session = self._pilot.vehicle.arbiter.session
        self._telemetry = TelemetryTopics(self, self._stamp, av_id, session)
        self._statuses = publish_on(self, msg.TwinStatus, "twin_status", qos.ANSWERS)
        self._reports = publish_on(self, msg.MigrationReport, "migration_reports", qos.ANSWERS)
        self._tasks = publish_on(self, msg.TwinTask, f"av_{av_id}/twin_task", qos.ANSWERS)
        subscribe_to(self, msg.TwinAction, actions_topic(av_id), qos.ANSWERS, self._on_action)
        subscribe_to(
            self, msg.MigrationDecision, "migration_decision", qos.ANSWERS, self._on_decision
        )
        subscribe_to(
            self, Odometry, f"av_{av_id}/odom", qos_profile_sensor_data, self._on_odometry, raw=True
        )
        self._action = MigrateAction(
            self, f"av_{av_id}/migrate_twin", self._refusal, self._on_goal, self._on_cancel
        )
        self._wakeup = WakeupTimer(self, self._on_wakeup)
        self.create_timer(number(values, "telemetry_period"), self._on_telemetry, clock=steady)
        self.create_timer(number(values, "status_period"), self._tell, clock=steady)
        self.create_timer(TASK_PERIOD, self._tell_task, clock=steady)

    def publishers_to_flush(self) -> Sequence[Publisher]:
        """What the record wants to have."""
        return (self._statuses, self._reports)

    # What is heard ----------------------------------------------------------------------------

    def _on_message(self, message: Any) -> None:
        now = time.monotonic()
        self._run(self._pilot.on_message(message, now), now)

    def _on_wakeup(self) -> None:
        now = time.monotonic()
        self._run(self._pilot.on_timer(now), now)

    def _on_odometry(self, data: bytes) -> None:
        now = time.monotonic()
        try:
            sample = read_odometry(data)
        except WireError:
            return
        clock = 1e-9 * self._stamp.nanoseconds()
        if self._watch.observe(sample.position, sample.stamp, now, clock) not in TAKEN:
            return
        self._velocity = sample.velocity
        if self._surroundings is None:
            return
        self._view = view = self._surroundings.look(sample.position, sample.velocity)
        owner, horizon = self._pilot.vehicle.owner_id, number(self.values, "horizon")
        sight = Sight(
            owner,
            leaving=view.leaves(owner, horizon),
            candidates=view.candidates(owner, horizon),
            covered=view.covered,
            efficiency=view.efficiency,
        )
        self._run(self._pilot.see(sight, now), now)

    def _on_decision(self, message: msg.MigrationDecision) -> None:
        if message.av_id != self._av_id:
            return
        now, target = time.monotonic(), message.target_rsu_id
        prices = dict(zip(message.rsu_ids, message.prices, strict=False))
        tolerated = message.expected_delay + message.delay_margin
        decision = Decision(
            message.session,
            message.round,
            target,
            message.bandwidth,
            prices.get(target, math.nan),
            message.expected_delay,
            math.inf if math.isnan(tolerated) else tolerated,
            message.reason,
        )
        self._run(self._pilot.decide(decision, now), now)

    def _on_action(self, message: msg.TwinAction) -> None:
        now, arbiter = time.monotonic(), self._pilot.vehicle.arbiter
        if message.av_id != self._av_id or message.session != arbiter.session:
            return
        if not self._meter.acted(message.sequence, now):
            return
        self._serving = message.rsu_id
        if self._held is not None and message.epoch >= arbiter.ownership.epoch:
            self._release(now)

    # The action -------------------------------------------------------------------------------

    def _refusal(self, goal: MigrateTwin.Goal) -> str:
        if goal.av_id not in (0, self._av_id):
            return f"av_id: this is AV {self._av_id}, not {goal.av_id}"
        for name in ("bandwidth", "tolerated_delay"):
            if not 0.0 <= getattr(goal, name) < math.inf:
                return f"{name}: must be >= 0 and finite, got {getattr(goal, name):g}"
        if goal.bandwidth > 0.0 and goal.target_rsu_id == 0:
            return "bandwidth: needs a target_rsu_id"
        return ""

    def _on_goal(self, goal: MigrateTwin.Goal) -> None:
        now = time.monotonic()
        self._release(now)
        self._goal_begins = True
        wish = Wish(goal.target_rsu_id, goal.bandwidth, goal.tolerated_delay or math.inf)
        self._run(self._pilot.ask(wish, now), now)

    def _on_cancel(self) -> None:
        now = time.monotonic()
        self._release(now)
        self._run(self._pilot.cancel(now), now)

    # What is said -----------------------------------------------------------------------------

    def _run(self, outputs: Sequence[Any], now: float) -> None:
        """Send messages, tell how the migration goes, and wait for what comes next."""
        for output in outputs:
            if isinstance(output, Envelope):
                self._post.send([output])
            elif isinstance(output, Feedback):
                self._on_feedback(output, now)
            elif isinstance(output, MigrationEnd):
                self._on_end(output, now)
            elif isinstance(output, OwnerChanged):
                what = "recovered at" if output.recovered else "goes to"
                where = f"RSU {output.owner_id}" if output.owner_id else "home"
                self.get_logger().info(f"epoch {output.epoch}: the twin {what} {where}")
        self._wakeup.set(self._pilot.next_wakeup)
        if self._pilot.buys_from != self._task:
            self._tell_task()
        feedback = self._pilot.vehicle.feedback
        phase = 0 if feedback is None else feedback.phase
        if self._shown != (phase, self._pilot.vehicle.arbiter.ownership):
            self._tell()

    def _on_feedback(self, feedback: Feedback, now: float) -> None:
        vehicle = self._pilot.vehicle
        if feedback.migration != self._migration:
            self._release(now)
            self._migration, self._requested = feedback.migration, now
            self._for_goal, self._goal_begins = self._goal_begins, False
            self._meter.watch(now)
        if feedback.target_id:
            # Who is found by now need not be looked for at the handover.
            self._post.connect(Address("rsu", feedback.target_id))
            self._telemetry.connect(feedback.target_id)
        if self._for_goal:
            seconds = now - self._requested
            self._action.feedback(feedback_message(feedback, vehicle.source_id, seconds))

    def _on_end(self, end: MigrationEnd, now: float) -> None:
        """Report a migration, one that moved the twin when the new owner has acted."""
        self._release(now)
        self._held = end, now + FIRST_ACTION
        fresh = not math.isnan(self._meter.age(now))
        if not (end.outcome.moved and end.outcome.error is ErrorCode.NONE and fresh):
            self._release(now)
            return
        # The new owner waits for something to answer.
        self._on_telemetry()

    def _release(self, now: float) -> None:
        if self._held is None:
            return
        (end, _), self._held = self._held, None
        report = report_message(end, self._pilot, self._twin, *self._meter.watched(now))
        self._stamp(report.header)
        self._reports.publish(report)
        if end.asked:
            self._action.finish(report)
        outcome = end.outcome
        how = outcome.error.name.lower() + (f": {outcome.reason}" if outcome.reason else "")
        self.get_logger().info(
            f"migration to RSU {report.target_rsu_id} "
            f"{'done' if outcome.error is ErrorCode.NONE else how} after {outcome.seconds:.2f} s"
        )

    def _on_telemetry(self) -> None:
        now = time.monotonic()
        if self._held is not None and now >= self._held[1]:
            self._release(now)
        position = self._watch.position
        if self._watch.state(now) is not PositionState.FRESH or position is None:
            if self._view is not None:
                self._view = None
                blind = Sight(self._pilot.vehicle.owner_id, blind=True)
                self._run(self._pilot.see(blind, now), now)
            return
        owner = self._pilot.vehicle.owner_id
        if owner == 0:
            return
        self._sequence += 1
        vx, vy = (0.0 if math.isnan(v) else v for v in self._velocity)
        self._meter.sent(self._sequence, now)
        here = (position[0], position[1])
        self._telemetry.publish(owner, self._sequence, here, (vx, vy))

    def _tell_task(self) -> None:
        """Tell the AV's player where the twin may go now: it bids for nothing else."""
        self._task = self._pilot.buys_from
        message = msg.TwinTask(
            satisfaction=math.nan,
            offset=math.nan,
            delay_data=math.nan,
            delay_max=math.nan,
            limited=True,
            rsu_ids=list(self._task),
        )
        self._stamp(message.header)
        self._tasks.publish(message)

    def _tell(self) -> None:
        now, vehicle = time.monotonic(), self._pilot.vehicle
        feedback = vehicle.feedback
        self._shown = (0 if feedback is None else feedback.phase, vehicle.arbiter.ownership)
        message = status_message(
            self._pilot, self._view, self._watch.position, self._meter, self._serving, now
        )
        self._stamp(message.header)
        self._statuses.publish(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow one AV until a signal; the exit status."""
    return process.run(lambda: [TwinVehicle()], arguments)


if __name__ == "__main__":
    sys.exit(main())

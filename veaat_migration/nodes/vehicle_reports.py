"""What an AV tells of its twin, as ROS messages; headers are left to the sender."""

from __future__ import annotations

import math

from veaat_migration import msg
from veaat_migration.action import MigrateTwin
from veaat_migration.mobility.surroundings import View
from veaat_migration.protocol.migration.feedback import Feedback
from veaat_migration.protocol.migration.pilot import MigrationEnd, Pilot
from veaat_migration.protocol.migration.twin import Twin
from veaat_migration.service.meter import ServiceMeter


def feedback_message(feedback: Feedback, source: int, seconds: float) -> MigrateTwin.Feedback:
    """Where a migration from ``source`` stands, ``seconds`` after its request."""
    return MigrateTwin.Feedback(
        migration=feedback.migration,
        phase=int(feedback.phase),
        source_rsu_id=source,
        target_rsu_id=feedback.target_id,
        bytes_done=feedback.bytes_done,
        bytes_total=feedback.bytes_total,
        queue_position=feedback.position,
        seconds=seconds,
    )


def report_message(
    end: MigrationEnd, pilot: Pilot, twin: Twin, age_max: float, downtime: float
) -> msg.MigrationReport:
    """How a migration ended, with the largest age and gap of the service during it [s]."""
    outcome, delays, choice = end.outcome, end.delays, end.choice
    vehicle = pilot.vehicle
    message = msg.MigrationReport(
        av_id=vehicle.av_id,
        session=vehicle.arbiter.session,
        migration=outcome.migration,
        error=int(outcome.error),
        message=outcome.reason,
        moved=outcome.moved,
        asked=end.asked,
        source_rsu_id=outcome.source_id,
        target_rsu_id=outcome.target_id,
        owner_rsu_id=vehicle.owner_id,
        epoch=vehicle.arbiter.ownership.epoch,
        data=twin.data,
        size=len(twin.image),
        price=math.nan,
        payment=math.nan,
        spectral_efficiency=math.nan,
        expected_delay=math.nan,
        tolerated_delay=math.inf,
        request_delay=delays.request,
        negotiation_delay=delays.negotiation,
        transfer_delay=delays.transfer,
        queueing_delay=delays.queueing,
        reinstantiation_delay=delays.reinstantiation,
        handover_delay=delays.handover,
        total_delay=delays.total,
        migration_delay=delays.model,
        downtime=downtime,
        age_max=age_max,
    )
    if choice is not None:
        decision = choice.decision
        message.target_rsu_id = decision.target_id
        message.bandwidth = decision.bandwidth
        message.spectral_efficiency = choice.efficiency
        message.expected_delay = decision.expected_delay
        message.tolerated_delay = decision.tolerated_delay
        if choice.played:
            message.price = decision.price
            message.payment = decision.price * decision.bandwidth
    return message


def status_message(
    pilot: Pilot,
    view: View | None,
    position: tuple[float, ...] | None,
    meter: ServiceMeter,
    serving: int,
    now: float,
) -> msg.TwinStatus:
    """Where the twin is, as the AV knows it."""
    vehicle = pilot.vehicle
    arbiter = vehicle.arbiter
    message = msg.TwinStatus(
        av_id=vehicle.av_id,
        session=arbiter.session,
        x=math.nan if position is None else float(position[0]),
        y=math.nan if position is None else float(position[1]),
        connected_rsu_id=0 if view is None else view.connected,
        time_to_exit=math.nan,
        owner_rsu_id=vehicle.owner_id,
        backup_rsu_id=arbiter.ownership.backup_id,
        epoch=arbiter.ownership.epoch,
        standing=arbiter.standing.value,
        lease=arbiter.lease_left(now),
        recoveries=arbiter.recoveries,
        candidate_rsu_ids=list(pilot.candidates),
        serving_rsu_id=serving,
        actions=meter.actions,
        age=meter.age(now),
        age_max=meter.take_peak(now),
        downtime=meter.total_downtime(now),
    )
    if view is not None and view.connected:
        message.time_to_exit = view.exit_time[view.connected]
    feedback = vehicle.feedback
    if feedback is not None:
        message.migration = feedback.migration
        message.phase = int(feedback.phase)
        message.source_rsu_id = vehicle.source_id
        message.target_rsu_id = feedback.target_id
        message.bytes_done = feedback.bytes_done
        message.bytes_total = feedback.bytes_total
        message.queue_position = feedback.position
    return message

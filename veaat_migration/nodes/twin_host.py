"""The node of an RSU that keeps twins: receives, serves, sends them. Rules: docs/twins.md."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.publisher import Publisher
from rclpy.qos import qos_profile_sensor_data

from veaat_migration import msg
from veaat_migration.game.experience import Reputation
from veaat_migration.nodes import process, qos
from veaat_migration.nodes.connections import publish_on, subscribe_to
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.host_status import host_status
from veaat_migration.nodes.machine_thread import MachineThread
from veaat_migration.nodes.migration_parameters import TWIN_HOST, config_of
from veaat_migration.nodes.parameters import declare
from veaat_migration.nodes.player import NAMESPACE
from veaat_migration.nodes.process import EXIT_FAILURE, ManagedNode
from veaat_migration.nodes.service_topics import ActionTopics, telemetry_topic
from veaat_migration.nodes.specification import integer, number, text
from veaat_migration.nodes.twin_post import TwinPost
from veaat_migration.protocol.migration.codes import ErrorCode
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.feedback import Outcome
from veaat_migration.protocol.migration.file_store import FileStore
from veaat_migration.protocol.migration.host import TwinHost as HostMachine
from veaat_migration.protocol.migration.messages import Address, Chunk, Proposal
from veaat_migration.protocol.migration.own_merit import OwnMerit
from veaat_migration.protocol.migration.room import Room
from veaat_migration.protocol.migration.workbench import Workbench
from veaat_migration.service.agent import Sensed
from veaat_migration.service.desk import ServiceDesk

PARTING = 2.0
"""Longest wait for a write that is under way when the process has to end [s]."""


class TwinHost(ManagedNode):
    """Keeps the twins at one RSU; its machine and its disk are in a thread of their own."""

    def __init__(self, name: str = "twin_host", **node_options: Any) -> None:
        """Read the parameters of :data:`.migration_parameters.TWIN_HOST`, take up the store.

        Raises:
            VeaatError: a parameter is missing or has no meaning, or the store cannot be used.
        """
        node_options.setdefault("namespace", NAMESPACE)
        super().__init__(name, **node_options)
        self.values = values = declare(self, TWIN_HOST)
        self.executor_name = text(values, "executor")
        self.rsu_id = integer(values, "rsu_id")
        self.session = time.time_ns()
        folder = Path(text(values, "store")).expanduser()
        store = FileStore(folder, sync=bool(values["sync_writes"]))
        self._stamp = Stamper(self)
        self.bench = Workbench(
            number(values, "arrival_rate"),
            number(values, "service_rate"),
            number(values, "compute"),
            np.random.default_rng([integer(values, "seed"), self.rsu_id, self.session]),
        )
        room = Room(integer(values, "storage"), integer(values, "max_twins"))
        self.host = HostMachine(
            self.rsu_id,
            config_of(MigrationConfig, values),
            store,
            self.bench,
            session=self.session,
            admit=room.refusal,
        )
        room.custody = self.host.custody
        self.desk = ServiceDesk(self.host)
        self.actions = 0
        quality = number(values, "quality")
        self.merit = OwnMerit(
            self.rsu_id,
            config_of(Reputation, values),
            folder / "merit.json",
            merit=number(values, "merit"),
            quality=1.0 if np.isnan(quality) else quality,
        )
        self.offers = not np.isnan(quality)
        """Whether this RSU tells its quality."""
        self._shape: tuple[Any, ...] = ()
        self._thread = MachineThread(self.host, self._send, self._on_failure)
        self._open_topics()
        self._thread.post(lambda now: self.host.start(now))
        self._thread.start()

    def _open_topics(self) -> None:
        me = Address("rsu", self.rsu_id)
        self._post = TwinPost(self, self._stamp, me, self._on_message, elsewhere=True)
        self._answers = ActionTopics(self, self._stamp, self.rsu_id)
        self._statuses = publish_on(self, msg.HostStatus, "host_status", qos.ANSWERS)
        self._qualities = publish_on(self, msg.ServiceQuality, "service_quality", qos.LATCHED)
        subscribe_to(
            self,
            msg.TwinTelemetry,
            telemetry_topic(self.rsu_id),
            qos_profile_sensor_data,
            self._on_telemetry,
        )
        subscribe_to(self, msg.MigrationReport, "migration_reports", qos.ANSWERS, self._on_report)
        self.create_timer(
            number(self.values, "status_period"),
            lambda: self._thread.post(self._tell),
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self._tell_quality()

    def publishers_to_flush(self) -> Sequence[Publisher]:
        """What the record wants to have."""
        return (self._statuses, self._qualities)

    def leave(self) -> None:
        """Stop; twins stay on the disk, and their AVs notice."""
        self._thread.stop(PARTING)

    # Callbacks of the executor ----------------------------------------------------------------

    def _on_message(self, message: Any) -> None:
        if isinstance(message, Chunk):
            self._thread.post(lambda now: self.host.on_message(message, now))
            return
        if isinstance(message, Proposal):
            # Whoever brings a twin will want to hear of it, and so will its AV.
            self._post.connect(Address("av", message.av_id))
            self._answers.connect(message.av_id)

        def job(now: float) -> Sequence[Any]:
            outputs = self.host.on_message(message, now)
            self._send(outputs)
            self._tell_change(now)
            return ()

        self._thread.post(job)

    def _on_telemetry(self, message: msg.TwinTelemetry) -> None:
        if message.rsu_id != self.rsu_id:
            return
        stamp = message.header.stamp
        sensed = Sensed(
            message.session,
            message.sequence,
            stamp.sec + 1e-9 * stamp.nanosec,
            message.x,
            message.y,
            message.vx,
            message.vy,
        )
        self._thread.post(lambda now: self._serve(message.av_id, sensed, now))

    def _on_report(self, report: msg.MigrationReport) -> None:
        self._thread.post(lambda _now: self._judge(report))

    # Jobs of the machine's thread -------------------------------------------------------------

    def _send(self, outputs: Sequence[Any]) -> None:
        if outputs:
            self._post.send(outputs)

    def _serve(self, av_id: int, sensed: Sensed, now: float) -> Sequence[Any]:
        served = self.desk.serve(av_id, sensed, now)
        if served is not None:
            self.actions += 1
            self._answers.publish(av_id, served)
        return ()

    def _judge(self, report: msg.MigrationReport) -> Sequence[Any]:
        """Let a migration count for or against this RSU."""
        try:
            error = ErrorCode(report.error)
        except ValueError:
            return ()
        outcome = Outcome(
            report.migration,
            report.source_rsu_id,
            report.target_rsu_id,
            error,
            report.message,
            report.moved,
            report.total_delay,
        )
        good = not report.migration_delay > report.tolerated_delay
        if self.merit.note(report.av_id, outcome, good=good):
            self._tell_quality()
        return ()

    def _tell_quality(self) -> None:
        if not self.offers:
            return
        now = self.merit.now
        message = msg.ServiceQuality(
            rsu_id=self.rsu_id,
            quality=now.quality,
            reputation=now.reputation,
            merit=now.merit,
        )
        self._stamp(message.header)
        self._qualities.publish(message)

    def _tell_change(self, now: float) -> None:
        """Publish the status at once if a twin has come or gone."""
        custody = self.host.custody
        shape = tuple(
            (copy.av_id, copy.kind, copy.epoch)
            for table in (custody.held, custody.coming)
            for copy in table.values()
        )
        if shape != self._shape:
            self._shape = shape
            self._tell(now)

    def _tell(self, now: float) -> Sequence[Any]:
        message = host_status(self, now)
        self._stamp(message.header)
        self._statuses.publish(message)
        return ()

    def _on_failure(self, trace: str) -> None:
        """A write failed, or there is a fault of ours: from now on the disk speaks for itself."""
        self.get_logger().fatal(f"the RSU's twins cannot be kept any longer:\n{trace}")
        self.exit_code = EXIT_FAILURE
        if self.executor is not None:
            self.executor.create_task(self.end)


def main(arguments: Sequence[str] | None = None) -> int:
    """Keep twins until a signal; the exit status."""
    return process.run(lambda: [TwinHost()], arguments)


if __name__ == "__main__":
    sys.exit(main())

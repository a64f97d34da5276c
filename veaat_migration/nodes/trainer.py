"""The node that trains: a process of its own learns, this one answers, reports and hands out.

Lifecycle: configure reads and checks the training configuration and publishes the latest release,
activate trains, deactivate pauses, cleanup ends the run and keeps its checkpoint.
"""

from __future__ import annotations

import math
import sys
import time
from array import array
from collections.abc import Sequence
from dataclasses import replace

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.publisher import Publisher

from veaat_migration.action import Train
from veaat_migration.errors import VeaatError
from veaat_migration.learning.supervisor import (
    Activity,
    Command,
    Kill,
    Launch,
    Supervisor,
    Tell,
)
from veaat_migration.learning.training_game import load_training_game
from veaat_migration.learning.worker_messages import Phase, TrainingOrder
from veaat_migration.learning.worker_process import WorkerProcess
from veaat_migration.msg import PolicyManifest, TrainingStatus
from veaat_migration.nodes import process, qos
from veaat_migration.nodes.connections import publish_on
from veaat_migration.nodes.conversion import Stamper
from veaat_migration.nodes.health import Level
from veaat_migration.nodes.lifecycle import ManagedLifecycleNode
from veaat_migration.nodes.specification import integer, number
from veaat_migration.nodes.train_action import TrainAction
from veaat_migration.nodes.trainer_parameters import OWN
from veaat_migration.nodes.training_messages import (
    ROLE_NAMES,
    manifest_message,
    result_message,
    status_message,
)
from veaat_migration.nodes.training_orders import (
    forget_goal,
    goal_order,
    keep_goal,
    kept_goal,
    own_order,
)
from veaat_migration.policy.release import ReleaseError
from veaat_migration.policy.releases import ReleaseBook
from veaat_migration.policy.signature import load_private_key
from veaat_migration.srv import GetPolicy

TICK = 0.05
"""Time between two looks at the training process [s]."""
PARTING = 3.0
"""Time that the training process gets for its checkpoint when this node has to go [s]."""
SILENCE = 30.0
"""A training process that has said nothing for so long deserves a warning [s]."""


class Trainer(ManagedLifecycleNode):
    """Publishes ``training_status``, ``policy_manifest``, ``/diagnostics``.

    Offers ``get_policy`` and ``train``.
    """

    def __init__(self) -> None:
        """Read the parameters of :data:`OWN`.

        Raises:
            VeaatError: a parameter has no meaning.
        """
        super().__init__("trainer", OWN)
        self._stamp = Stamper(self)
        self._supervisor = Supervisor(max_tries=integer(self.values, "max_tries"))
        self._worker: WorkerProcess | None = None
        self._order: TrainingOrder | None = None
        self._book: ReleaseBook | None = None
        self._waiting: TrainingOrder | None = None
        self._manifest_version = 0
        self._heard = time.monotonic()
        self._said = (Activity.IDLE, -1, "")
        self._statuses = publish_on(self, TrainingStatus, "training_status", qos.ANSWERS)
        self._manifests = publish_on(self, PolicyManifest, "policy_manifest", qos.LATCHED)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_service(GetPolicy, "get_policy", self._on_get_policy)
        self._action = TrainAction(self, self._refusal, self._begin_goal, self._cancel_goal)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(TICK, self._on_tick, clock=steady)
        self.create_timer(number(self.values, "status_period"), self._on_period, clock=steady)

    def publishers_to_flush(self) -> Sequence[Publisher]:
        """Who waits for a release or an end should hear of it."""
        return (self._manifests, self._statuses)

    # Lifecycle.

    def configure(self) -> None:
        """Read and check everything that training needs, but do not train."""
        order = own_order(self.values)
        load_training_game(order.read_config(), order.config)
        if order.releases.signing_key is not None:
            load_private_key(order.releases.signing_key)
        self._order = order
        self._book = ReleaseBook(order.releases.folder, keep=order.releases.keep)
        self._manifest_version = 0
        self._publish_release()

    def activate(self) -> None:
        """Train, or go on."""
        if self._supervisor.activity in (Activity.TRAINING, Activity.PAUSED):
            self._do(self._supervisor.resume())
            return
        order = self._interrupted_goal()
        if order is not None:
            self.get_logger().info(f"going on with a goal that was interrupted: {order.folder}")
        elif self.values["train_on_activate"]:
            order = self._order
        if order is not None and self._worker is not None:
            self._waiting = order  # one that has not ended yet
        elif order is not None:
            self._do(self._supervisor.start(order))

    def deactivate(self) -> None:
        """Pause."""
        self._waiting = None
        self._do(self._supervisor.pause())

    def cleanup(self) -> None:
        """End the run; its checkpoint stays."""
        self._waiting = None
        self._do(self._supervisor.stop(time.monotonic()))
        self._forget_goal()
        if self._worker is None:
            self._finish_goal()

    def shut_down(self) -> None:
        """End the run and wait for that, for a while."""
        self._waiting = None
        self._do(self._supervisor.stop(time.monotonic()))
        if self._worker is not None and not self._worker.wait(PARTING):
            self.get_logger().warning("the training process is busy: it ends at its checkpoint")
            self._worker.kill()
            self._worker.wait(1.0)
        self._on_tick()
        self._forget_goal()
        self._finish_goal()
        self._on_period()

    # The run.

    def _do(self, commands: Sequence[Command]) -> None:
        """Carry out what the supervisor says."""
        for command in commands:
            if isinstance(command, Launch):
                self._launch(command.order)
            elif self._worker is not None and isinstance(command, Tell):
                self._worker.tell(command.word)
            elif self._worker is not None and isinstance(command, Kill):
                self._worker.kill()

    def _launch(self, order: TrainingOrder) -> None:
        releases = replace(order.releases, above=self._manifest_version)
        self._heard = time.monotonic()
        try:
            self._worker = WorkerProcess(replace(order, releases=releases))
        except OSError as error:
            self._supervisor.on_death(f"cannot be started: {error}", self._heard)
            return
        self.get_logger().info(f"training in {order.folder} (process {self._worker.pid})")

    def _on_tick(self) -> None:
        now = time.monotonic()
        if self._worker is not None:
            reports, end = self._worker.poll()
            for report in reports:
                self._heard = now
                self._do(self._supervisor.on_report(report))
            if end is not None:
                self._worker.close()
                self._worker = None
                self._do(self._supervisor.on_death(end, now))
        self._do(self._supervisor.on_timer(now))
        if self._waiting is not None and self._worker is None and not self._supervisor.running:
            order, self._waiting = self._waiting, None
            self._do(self._supervisor.start(order))
        self._notice()

    def _notice(self) -> None:
        """Tell the others what has changed."""
        supervisor = self._supervisor
        if supervisor.report.policy_version > self._manifest_version and self._book is not None:
            self._book.refresh()
            self._publish_release()
        state = (supervisor.activity, supervisor.report.iteration, supervisor.message)
        if state != self._said:
            if (state[0], state[2]) != (self._said[0], self._said[2]):
                self._log()
            self._said = state
            self._publish_status()
        if self._worker is None and not supervisor.running:
            self._finish_goal()

    def _log(self) -> None:
        supervisor, logger = self._supervisor, self.get_logger()
        line = supervisor.describe()
        if supervisor.message and supervisor.message not in line:
            line = f"{line}: {supervisor.message}"
        if supervisor.activity is Activity.FAILED:
            logger.error(line)
        elif supervisor.next_wakeup is not None and supervisor.activity is Activity.TRAINING:
            logger.warning(line)
        else:
            logger.info(line)

    # Goals.

    def _refusal(self) -> str:
        """Why no goal can be accepted now."""
        if not self.is_active:
            return f"the node is {self.state_label}; activate it first"
        if self._supervisor.running or self._worker is not None:
            return f"busy: {self._supervisor.describe()}; wait, or deactivate and clean up the node"
        return ""

    def _begin_goal(self, goal: Train.Goal) -> None:
        assert self._order is not None  # or the node would not be active
        try:
            order = goal_order(self._order, goal)
            keep_goal(self._order, order)
            self._do(self._supervisor.start(order))
        except VeaatError as error:
            self.get_logger().error(f"goal of train failed: {error}")
            failed = Train.Result.OUTCOME_FAILED
            nothing = Supervisor()
            self._action.finish(result_message(nothing, failed, str(error)))
            self._forget_goal()

    def _cancel_goal(self) -> None:
        self._do(self._supervisor.stop(time.monotonic()))

    def _finish_goal(self) -> None:
        """End the goal, if there is one, like its run."""
        if not self._action.under_way:
            return
        supervisor = self._supervisor
        outcome, message = {
            Activity.FINISHED: (Train.Result.OUTCOME_FINISHED, supervisor.message),
            Activity.FAILED: (Train.Result.OUTCOME_FAILED, supervisor.message),
        }.get(
            supervisor.activity,
            (Train.Result.OUTCOME_CANCELED, "ended before its time; the checkpoint is kept"),
        )
        self._forget_goal()
        self._publish_status()
        self._action.finish(result_message(supervisor, outcome, message))

    def _forget_goal(self) -> None:
        if self._order is not None:
            forget_goal(self._order)

    def _interrupted_goal(self) -> TrainingOrder | None:
        """What a life of this node that ended without a goodbye was asked to train."""
        assert self._order is not None
        try:
            return kept_goal(self._order)
        except VeaatError as error:
            self.get_logger().warning(f"{error}; ignored")
            self._forget_goal()
            return None

    # What others see.

    def _publish_release(self) -> None:
        """Publish the latest release, if it has not been."""
        assert self._book is not None
        for problem in self._book.problems.values():
            self.get_logger().warning(f"unusable release: {problem}", once=True)
        latest = self._book.latest
        if latest is None or latest.policy_version == self._manifest_version:
            return
        self._manifest_version = latest.policy_version
        self._manifests.publish(manifest_message(latest, integer(self.values, "max_message_size")))
        gap = latest.figures.gap
        self.get_logger().info(
            f"released policies, version {latest.policy_version}, iteration "
            f"{latest.origin.iteration}" + ("" if math.isnan(gap) else f", gap {gap:.2%}")
        )

    def _publish_status(self) -> None:
        remark = self._action.take_refusal()
        status = status_message(self._supervisor, self._manifest_version, remark)
        self._stamp(status.header)
        self._statuses.publish(status)
        self._action.feedback(status)

    def _on_period(self) -> None:
        self._stamp.refresh()
        self._publish_status()
        health = self._health()
        diagnostics = DiagnosticArray(status=[self._diagnostic(*health)])
        self._stamp(diagnostics.header)
        self._diagnostics.publish(diagnostics)

    def _health(self) -> tuple[Level, str]:
        supervisor = self._supervisor
        silence = time.monotonic() - self._heard
        if supervisor.activity is Activity.FAILED:
            return Level.ERROR, supervisor.message
        if self.last_error:
            return Level.ERROR, self.last_error
        if supervisor.message and supervisor.report.phase != Phase.STARTING:
            return Level.WARN, supervisor.message
        if self._worker is not None and silence > SILENCE:
            return Level.WARN, f"no news from the training process for {silence:.0f} s"
        return Level.OK, supervisor.describe()

    def _diagnostic(self, level: Level, message: str) -> DiagnosticStatus:
        supervisor, report = self._supervisor, self._supervisor.report
        values = {
            "lifecycle": self.state_label,
            "activity": supervisor.activity.value,
            "iteration": f"{report.iteration} of {report.iterations}",
            "steps per second": f"{report.steps_per_second:.0f}",
            "gap": f"{report.gap:.4g}",
            "exploitability": f"{report.exploitability:.4g}",
            "policy version": self._manifest_version,
            "releases kept": len(self._book.releases) if self._book is not None else 0,
            "processes that died": supervisor.deaths,
            "last rejected goal": self._action.last_refusal,
        }
        return DiagnosticStatus(
            level=bytes([level]),
            name=f"{self.get_name()}: training",
            message=message,
            hardware_id=self.get_name(),
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )

    def _on_get_policy(
        self, request: GetPolicy.Request, response: GetPolicy.Response
    ) -> GetPolicy.Response:
        try:
            content = self._find(request, response)
        except VeaatError as error:
            response.success, response.message = False, str(error)
            return response
        # An array is taken as it is; bytes would be checked one by one.
        response.content = array("B", content)
        response.success = True
        return response

    def _find(self, request: GetPolicy.Request, response: GetPolicy.Response) -> bytes:
        """The file; fills in what is said about it.

        Raises:
            VeaatError: there is none, or it is too large for a message.
        """
        if self._book is None:
            raise ReleaseError("the trainer is not configured")
        if request.role not in ROLE_NAMES:
            raise ReleaseError(f"role: must be one of {sorted(ROLE_NAMES)}, got {request.role}")
        release, policy = self._book.find(
            ROLE_NAMES[request.role], request.agent_id, request.sha256
        )
        response.policy_version, response.sha256 = release.policy_version, policy.sha256
        limit = integer(self.values, "max_message_size")
        if policy.size > limit:
            raise ReleaseError(
                f"{policy.size} bytes, more than max_message_size ({limit}); read it at "
                f"{policy.path.resolve().as_uri()}"
            )
        response.signature = array("B", policy.signature)
        return policy.read()


def main(arguments: Sequence[str] | None = None) -> int:
    """Train until a signal or a request to shut down; the exit status."""
    return process.run(lambda: [Trainer()], arguments)


if __name__ == "__main__":
    sys.exit(main())

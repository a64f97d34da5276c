"""A training run and its releases as messages."""

from __future__ import annotations

from collections.abc import Mapping

from builtin_interfaces.msg import Time

from veaat_migration.action import Train
from veaat_migration.learning.supervisor import Activity, Supervisor
from veaat_migration.msg import PolicyEntry, PolicyManifest, TrainingStatus
from veaat_migration.policy.release import Release, ReleasedPolicy

ROLES: Mapping[str, int] = {
    "leader": PolicyEntry.ROLE_LEADER,
    "follower": PolicyEntry.ROLE_FOLLOWER,
}
ROLE_NAMES: Mapping[int, str] = {number: name for name, number in ROLES.items()}
_STATES: Mapping[Activity, int] = {
    Activity.IDLE: TrainingStatus.STATE_IDLE,
    Activity.TRAINING: TrainingStatus.STATE_TRAINING,
    Activity.PAUSED: TrainingStatus.STATE_PAUSED,
    Activity.STOPPING: TrainingStatus.STATE_TRAINING,
    Activity.STOPPED: TrainingStatus.STATE_STOPPED,
    Activity.FINISHED: TrainingStatus.STATE_FINISHED,
    Activity.FAILED: TrainingStatus.STATE_FAILED,
}


def status_message(supervisor: Supervisor, policy_version: int, remark: str) -> TrainingStatus:
    """Everything but the header.

    Args:
        supervisor: of the run.
        policy_version: of the latest release, whatever run it is from.
        remark: what to say besides.
    """
    report, order = supervisor.report, supervisor.order
    return TrainingStatus(
        state=_STATES[supervisor.activity],
        message="; ".join(text for text in (supervisor.message, remark) if text),
        algorithm=report.algorithm,
        folder="" if order is None else str(order.folder),
        seed=0 if order is None else order.seed,
        iteration=report.iteration,
        iterations=report.iterations,
        steps=report.steps,
        steps_per_second=report.steps_per_second,
        seconds_left=report.seconds_left,
        gap=report.gap,
        exploitability=report.exploitability,
        rewards=list(report.rewards),
        utilities=list(report.utilities),
        equilibrium_utilities=list(report.equilibrium_utilities),
        sparsity=list(report.sparsity),
        policy_version=policy_version,
    )


def result_message(supervisor: Supervisor, outcome: int, message: str) -> Train.Result:
    """How a goal ended."""
    report = supervisor.report
    return Train.Result(
        outcome=outcome,
        message=message,
        policies=report.policies,
        policy_version=report.policy_version,
        iteration=report.iteration,
        gap=report.gap,
        exploitability=report.exploitability,
        utilities=list(report.utilities),
        sparsity=list(report.sparsity),
        seconds=report.seconds,
    )


def manifest_message(release: Release, max_size: int) -> PolicyManifest:
    """A release, with the time at which it was made in the header.

    Args:
        release: what is best now.
        max_size: larger files are named by location [bytes].
    """
    manifest = PolicyManifest(
        policy_version=release.policy_version,
        format_version=release.format_version,
        training=release.origin.training,
        seed=release.origin.seed,
        iteration=release.origin.iteration,
        gap=release.figures.gap,
        exploitability=release.figures.exploitability,
        policies=[_entry(policy, max_size) for policy in release.policies],
    )
    seconds = int(release.released)
    manifest.header.stamp = Time(sec=seconds, nanosec=int((release.released - seconds) * 1e9))
    return manifest


def _entry(policy: ReleasedPolicy, max_size: int) -> PolicyEntry:
    return PolicyEntry(
        role=ROLES[policy.role],
        agent_id=policy.agent_id,
        sha256=policy.sha256,
        size=policy.size,
        location=policy.path.resolve().as_uri() if policy.size > max_size else "",
        sparsity=policy.sparsity,
        signature=policy.signature,
    )

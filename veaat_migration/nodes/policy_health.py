"""Whether a player's learned policy is well, judged from two looks at it; without ROS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from veaat_migration.nodes.health import Health, Level, Section
from veaat_migration.policy.interface import PolicyReport
from veaat_migration.policy.learned import Reason

SHORT = 12
"""Digits of a digest that a person is shown."""


@dataclass(frozen=True)
class PolicyView:
    """A look at the policy of a player."""

    report: PolicyReport
    runtime: str
    accepted: int = 0
    """Policies accepted since the node was configured."""
    refusals: Mapping[str, int] = field(default_factory=dict)
    """Policies refused since then, by reason."""
    last_refusal: str = ""
    problem: str = ""
    """What is wrong with reading or keeping policies; empty: nothing."""
    release: str = ""
    """What is being fetched, for a person; empty: nothing."""


def policy_section(now: PolicyView, before: PolicyView | None) -> Section:
    """What the diagnostics tell about the policy, and about what changed since ``before``."""
    report = now.report
    values: dict[str, object] = {
        "version": report.version or "none",
        "sha256": report.sha256,
        "runtime": now.runtime,
        "decisions": report.decisions,
        "fallbacks": sum(report.fallbacks.values()),
        **{f"fallback because {reason}": n for reason, n in sorted(report.fallbacks.items())},
        "policies accepted": now.accepted,
        "policies refused": sum(now.refusals.values()),
        **{f"refused {reason}": n for reason, n in sorted(now.refusals.items()) if n},
        "last refusal": now.last_refusal,
        "problem": now.problem,
        "release": now.release,
    }
    return Section("policy", assess_policy(now, before), values)


def assess_policy(now: PolicyView, before: PolicyView | None) -> Health:
    """Judge what happened since ``before`` (None: since the start).

    At the start the history is not complete yet; that is nothing to worry about.
    """
    report = now.report
    if now.problem:
        return Health(Level.ERROR, f"policy: {now.problem}")
    refused = sum(now.refusals.values()) - (sum(before.refusals.values()) if before else 0)
    if refused > 0:
        return Health(Level.WARN, f"refused {refused} policies, the last: {now.last_refusal}")
    if not report.version:
        return Health(Level.WARN, "no policy is loaded; the best response answers")
    former = before.report if before else PolicyReport()
    grown = {
        reason: count - former.fallbacks.get(reason, 0)
        for reason, count in report.fallbacks.items()
        if count > former.fallbacks.get(reason, 0)
    }
    first = not former.decisions and set(grown) == {Reason.HISTORY.value}
    if grown and not first:
        shown = ", ".join(f"{n} because {reason}" for reason, n in sorted(grown.items()))
        return Health(Level.WARN, f"answers left to the best response: {shown}")
    return Health(Level.OK, f"plays version {report.version}, {report.sha256[:SHORT]}")

"""What became of the migrations in a recording, and whether every twin had one owner at a time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from veaat_migration.analysis.migration_tables import DELAYS, ERRORS
from veaat_migration.analysis.reading import Recording

EXAMPLES = 5


@dataclass
class Ownership:
    """Twins judged by their actions: each changes the live state that the one before left."""

    actions: int = 0
    links: int = 0
    """Pairs of actions, one right after the other, of which both are recorded."""
    owners: int = 0
    """Times that another RSU went on."""
    violations: list[str] = field(default_factory=list)
    """Two owners, a lost or a changed state, in words."""


@dataclass
class Migrations:
    """All migrations of a recording."""

    ended: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    """By error; ``none``: the twin moved."""
    moved: int = 0
    """Those after which the target owned the twin."""
    late: int = 0
    """Those that moved and took longer than tolerated."""
    bytes_moved: int = 0
    delays: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Mean and largest of each part of those that moved [s]."""
    downtime: tuple[float, float] = (math.nan, math.nan)
    """Mean and largest of those that moved an acting twin [s]."""
    age: tuple[float, float, float] = (math.nan, math.nan, math.nan)
    """Median, 95 % and largest age of twins in all statuses [s]."""
    paid: float = 0.0
    """[money]"""
    recoveries: int = 0
    """Times that an older copy had to take an owner's place."""
    ownership: Ownership = field(default_factory=Ownership)


def migrations_of(recording: Recording) -> Migrations | None:
    """Judge a recording; None: no twin is in it."""
    reports = [received.message for received in recording.messages["migration_reports"]]
    statuses = [received.message for received in recording.messages["twin_status"]]
    if not reports and not statuses:
        return None
    moved = [report for report in reports if report.moved]
    result = Migrations(
        ended=len(reports),
        outcomes=dict(Counter(ERRORS.get(r.error, str(r.error)) for r in reports)),
        moved=len(moved),
        late=sum(r.migration_delay > r.tolerated_delay for r in moved),
        bytes_moved=sum(int(r.size) for r in moved),
        delays={name: _mean_and_most(getattr(r, name) for r in moved) for name in DELAYS},
        downtime=_mean_and_most(r.downtime for r in moved),
        age=_ages(statuses),
        paid=float(sum(r.payment for r in reports if math.isfinite(r.payment))),
        recoveries=_recoveries(statuses),
        ownership=check_actions(
            received.message for received in recording.messages["twin_actions"]
        ),
    )
    return result


def check_actions(actions: Iterable[Any]) -> Ownership:
    """Look for two owners, lost and changed states among the actions of all twins.

    Each action names the live state before and after it. Ordered by version, those of one twin form
    one chain: no version twice, each beginning where the one before ended, epochs in order.
    """
    result = Ownership()
    by_av: dict[int, dict[int, Any]] = {}
    for action in actions:
        result.actions += 1
        chain = by_av.setdefault(int(action.av_id), {})
        known = chain.setdefault(int(action.version), action)
        if known is not action and known.state != action.state:
            result.violations.append(
                f"AV {action.av_id}: RSUs {known.rsu_id} and {action.rsu_id} both made version "
                f"{action.version}"
            )
    for av_id, chain in by_av.items():
        before = None
        for version in sorted(chain):
            action = chain[version]
            if before is not None:
                result.owners += before.rsu_id != action.rsu_id
                if action.epoch < before.epoch:
                    result.violations.append(
                        f"AV {av_id}: version {version} is of epoch {action.epoch}, the one before "
                        f"of {before.epoch}"
                    )
                if version == before.version + 1:
                    result.links += 1
                    if action.previous_state != before.state:
                        result.violations.append(
                            f"AV {av_id}: version {version} at RSU {action.rsu_id} does not follow "
                            f"what RSU {before.rsu_id} left"
                        )
            before = action
    return result


def migration_lines(found: Migrations) -> Iterator[str]:
    """All of it that fits on a screen."""
    failed = {name: n for name, n in found.outcomes.items() if name != "none"}
    how = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in sorted(failed.items()))
    yield (
        f"{found.ended} migrations: {found.outcomes.get('none', 0)} completed"
        + (f", {how}" if how else "")
        + f"; {found.moved} moved a twin, {found.bytes_moved / 1e6:.1f} MB, {found.late} of them "
        f"later than tolerated; paid {found.paid:.1f}"
    )
    if found.moved:
        yield f"  {'part of those that moved [s]':30} {'mean':>8} {'longest':>8}"
        for name, (mean, most) in found.delays.items():
            yield f"  {name.removesuffix('_delay').replace('_', ' '):30} {mean:8.3f} {most:8.3f}"
        mean, most = found.downtime
        yield f"  {'longest pause of the service':30} {mean:8.3f} {most:8.3f}"
    median, high, most = found.age
    if math.isfinite(median):
        yield f"Age of twins: median {median:.3f} s, 95 % {high:.3f} s, largest {most:.3f} s"
    owners = found.ownership
    if found.recoveries:
        yield f"Recovered from an older copy: {found.recoveries}"
    if owners.actions:
        verdict = "every twin had one owner at a time, and no state was lost or changed"
        if owners.violations:
            verdict = f"{len(owners.violations)} VIOLATIONS"
        yield (
            f"Audit of {owners.actions} actions in {owners.links} links, over {owners.owners} "
            f"changes of owner: {verdict}"
        )
        yield from (f"  {text}" for text in owners.violations[:EXAMPLES])


def _mean_and_most(values: Iterable[float]) -> tuple[float, float]:
    finite = [float(v) for v in values if math.isfinite(v)]
    return (sum(finite) / len(finite), max(finite)) if finite else (math.nan, math.nan)


def _ages(statuses: Iterable[Any]) -> tuple[float, float, float]:
    ages = [float(s.age) for s in statuses if math.isfinite(s.age)]
    peaks = [float(s.age_max) for s in statuses if math.isfinite(s.age_max)]
    if not ages:
        return math.nan, math.nan, math.nan
    median, high = np.percentile(ages, [50.0, 95.0]).tolist()
    return median, high, max([*peaks, *ages])


def _recoveries(statuses: Iterable[Any]) -> int:
    """Counted by each life of each AV's node."""
    most: dict[tuple[int, int], int] = {}
    for status in statuses:
        key = (int(status.av_id), int(status.session))
        most[key] = max(most.get(key, 0), int(status.recoveries))
    return sum(most.values())

"""What a run is judged by: one number each, with its unit and what is better."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from veaat_migration.fleet.books import LEFT_MAP, OPEN, Migration, jain
from veaat_migration.fleet.riders import Record
from veaat_migration.protocol.migration.codes import ErrorCode


@dataclass(frozen=True)
class Metric:
    """A column of the results."""

    name: str
    title: str
    unit: str
    better: int
    """1: more is better, -1: less, 0: neither."""
    meaning: str
    percent: bool = False

    @property
    def label(self) -> str:
        """Title with unit."""
        unit = "%" if self.percent else self.unit
        return f"{self.title} [{unit}]" if unit else self.title

    def shown(self, value: float) -> float:
        """The value in its shown unit."""
        return 100.0 * value if self.percent else value


def _metric(name: str, title: str, unit: str, better: int, meaning: str) -> Metric:
    percent = unit == "%"
    return Metric(name, title, "" if percent else unit, better, meaning, percent)


METRICS = (
    _metric("success", "Success", "%", 1,
            "requests with an RSU in range that ended with the twin connected at the target"),
    _metric("missed", "Deadline missed", "%", -1,
            "requests with an RSU in range whose twin came after T_i^max, or that no offer in the "
            "game could have served in time"),
    _metric("failed", "Broken or refused", "%", -1,
            "requests with an RSU in range that the target refused, or whose transfer broke or "
            "machine died"),
    _metric("transfer", "Transfer", "s", -1, "time on the air, mean over completed migrations"),
    _metric("queue", "Queue", "s", -1, "wait at the target, mean over completed migrations"),
    _metric("compute", "Re-instantiation", "s", -1,
            "re-instantiation and handover, mean over completed migrations"),
    _metric("total", "Total delay", "s", -1,
            "from the purchase to the connection, mean over completed migrations"),
    _metric("downtime", "Downtime", "s", -1,
            "time without service until the migration ended, mean over all that ended with an "
            "RSU in range"),
    _metric("unserved", "Time unserved", "%", -1,
            "share of the time in coverage in which a deployed twin did not serve its vehicle"),
    _metric("age", "Age of twin", "ms", -1,
            "time since the twin last served its vehicle, mean over time in coverage"),
    _metric("age_99", "Age of twin, 99 %", "s", -1, "the same, 99th percentile"),
    _metric("bandwidth", "Bandwidth", "MHz", 0, "bought at the target, mean over completed"),
    _metric("price", "Price", "money/MHz", 0, "at the target, mean over completed"),
    _metric("paid", "Paid", "money", 0, "by an AV for a completed migration, mean"),
    _metric("earned", "RSUs' profit", "money/min", 1, "(p - c) b over all completed, per minute"),
    _metric("surplus", "AVs' surplus", "money", 1,
            "delta ln(b + E) - p b at the target; failures count 0; mean over all requests with "
            "an RSU in range"),
    _metric("welfare", "Welfare", "money/min", 1, "surplus of AVs and profit of RSUs, per minute"),
    _metric("fair_avs", "Fairness of AVs", "", 1,
            "Jain's index of the surplus of all AVs that asked with an RSU in range"),
    _metric("fair_rsus", "Fairness of RSUs", "", 1, "Jain's index of the RSUs' profits"),
    _metric("fair_load", "Evenness of load", "", 1, "Jain's index of the bandwidth used per RSU"),
    _metric("load", "Load", "%", 0, "bandwidth in use as a share of capacity, mean over RSUs"),
    _metric("load_most", "Load, busiest RSU", "%", -1, "the same of the busiest RSU"),
)  # fmt: skip
BY_NAME = {metric.name: metric for metric in METRICS}
_FAULTS = ("TARGET_REFUSED", "TRANSFER_BROKEN", "TARGET_DIED", "SOURCE_DIED")


def summary(record: Record) -> dict[str, Any]:
    """All metrics of a run and some counts, as plain values."""
    ended = [m for m in record.migrations if m.outcome not in (OPEN, LEFT_MAP)]
    asked = [m for m in ended if m.outcome != ErrorCode.NO_RSU_IN_RANGE.name]
    done = [m for m in asked if m.completed]
    minutes = max(record.end - record.start, 1e-9) / 60.0
    profits = np.zeros(len(record.city.rsus))
    for m in done:
        profits[m.target] += (m.price - m.cost) * m.bandwidth
    surplus: dict[str, float] = defaultdict(float)
    for m in asked:
        surplus[m.vehicle] += m.surplus if m.completed else 0.0
    meters, looks = record.meters, max(record.meters.looks, 1)
    used = meters.used / looks / np.array([rsu.capacity for rsu in record.city.rsus])
    outcomes = Counter(m.outcome for m in record.migrations)
    faults = sum(outcomes[name] for name in _FAULTS)
    late = sum(m.late for m in done) + outcomes[ErrorCode.DEADLINE_INFEASIBLE.name]
    return {
        "vehicles": record.riders,
        "most_vehicles": meters.most_vehicles,
        "requests": len(record.migrations),
        "in_range": len(asked),
        "completed": len(done),
        "late": sum(m.late for m in done),
        "outcomes": dict(sorted(outcomes.items())),
        "deployments": record.deployments,
        "games": record.games,
        "violations": len(record.violations),
        "checked_steps": record.checked_steps,
        "kills": record.kills,
        "seconds": record.end - record.start,
        "success": _share(len(done), len(asked)),
        "missed": _share(late, len(asked)),
        "failed": _share(faults, len(asked)),
        **{name: _mean(done, name) for name in ("transfer", "queue", "compute", "total")},
        "expected": _mean(done, "expected"),
        "downtime": _mean(asked, "downtime"),
        "unserved": _share(meters.covered - meters.served, meters.covered),
        "age": 1000.0 * meters.age_sum / meters.covered if meters.covered else math.nan,
        "age_99": meters.age_quantile(0.99),
        **{name: _mean(done, name) for name in ("bandwidth", "price")},
        "paid": float(np.mean([m.price * m.bandwidth for m in done])) if done else math.nan,
        "earned": float(profits.sum()) / minutes,
        "surplus": float(np.mean([m.surplus if m.completed else 0.0 for m in asked]))
        if asked
        else math.nan,
        "welfare": (float(profits.sum()) + sum(surplus.values())) / minutes,
        "fair_avs": jain(np.array(list(surplus.values()))),
        "fair_rsus": jain(profits),
        "fair_load": jain(meters.used),
        "load": float(used.mean()),
        "load_most": float(used.max()),
        "rsus": {
            "name": [rsu.name for rsu in record.city.rsus],
            "load": used.tolist(),
            "hosted": (meters.hosted / looks).tolist(),
            "profit": profits.tolist(),
            "arrived": [sum(m.target == j for m in done) for j in range(len(profits))],
            "reputation": list(record.reputation),
        },
    }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _mean(migrations: list[Migration], name: str) -> float:
    values = np.array([getattr(m, name) for m in migrations], dtype=np.float64)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else math.nan

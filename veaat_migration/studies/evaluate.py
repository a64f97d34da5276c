"""One point of a study: the game is built and solved, and what matters is kept as plain data."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from veaat_migration.errors import VeaatError
from veaat_migration.game.capacity import delivered_share, expected_load
from veaat_migration.game.equilibrium import Solution, solve
from veaat_migration.game.instance import GameInstance
from veaat_migration.scenario.build import build_instance
from veaat_migration.scenario.instance_file import instance_from_mapping
from veaat_migration.scenario.load import looks_like_instance, scenario_from_mapping

METRICS = {
    "av_utility_mean": "Mean AV utility [money]",
    "rsu_utility_mean": "Mean RSU utility [money]",
    "av_utility_total": "Total AV utility [money]",
    "rsu_utility_total": "Total RSU utility [money]",
    "welfare": "Welfare: all utilities [money]",
    "price_mean": "Mean price [money/MHz]",
    "price_paid": "Price of a delivered MHz [money]",
    "demand": "Expected demand [MHz]",
    "bandwidth": "Delivered bandwidth [MHz]",
    "bandwidth_per_av": "Delivered bandwidth per AV [MHz]",
    "delivered_share": "Delivered share of demand",
    "exploitability": "Largest relative gain of any player",
    "uniqueness_index": "Uniqueness index of the AVs",
    "other_equilibria": "Other equilibria found",
    "infeasible_followers": "AVs that miss their delay limit",
    "iterations": "Iterations",
    "seconds": "Time to solve [s]",
}
"""One number of every point each: name and label."""

LISTS = {
    "price": "per RSU",
    "load": "per RSU",
    "delivered_share": "per RSU",
    "rsu_utility": "per RSU",
    "av_utility": "per AV",
}
"""Numbers per player."""

INVALID, FAILED, TIMED_OUT = "invalid", "failed", "timed_out"
"""States of points without an answer, beside the solver's own."""

CERTIFIED, NOT_UNIQUE = "certified", "certified_not_unique"
SETTLED = frozenset({CERTIFIED, NOT_UNIQUE, "infeasible_followers", "unchecked", INVALID})
"""States that more time would not change."""


@dataclasses.dataclass(frozen=True)
class Record:
    """What is known about one point."""

    status: str
    """The solver's, or ``invalid``, ``failed`` or ``timed_out``."""
    reason: str = ""
    """Why there is no answer."""
    n_avs: int | None = None
    n_rsus: int | None = None
    followers_unique: bool | None = None
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    lists: Mapping[str, list[float]] = dataclasses.field(default_factory=dict)

    @property
    def solved(self) -> bool:
        """Whether there is an answer at all, good or not."""
        return bool(self.metrics)

    def to_mapping(self) -> dict[str, Any]:
        """As plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_mapping(cls, mapping: Any) -> Record:
        """The record of :meth:`to_mapping`; TypeError or KeyError for anything else."""
        return cls(**mapping)


def game_of(content: Mapping[str, Any]) -> GameInstance:
    """The game of a file's content, whichever kind of file it is.

    Raises:
        ScenarioError: there is no such game.
    """
    if looks_like_instance(content):
        return instance_from_mapping(content)
    return build_instance(scenario_from_mapping(content))


def evaluate(content: Mapping[str, Any], *, certify: bool, time_limit: float) -> Record:
    """Solve the game of a file's content; faults become part of the record.

    Args:
        content: of a scenario or plain instance.
        certify: search for profitable deviations, see :func:`solve`.
        time_limit: of the search [s].
    """
    try:
        instance = game_of(content)
    except VeaatError as error:
        return Record(INVALID, str(error))
    began = time.perf_counter()
    try:
        solution = solve(instance, certify=certify, time_limit=time_limit)
        return _record(solution, time.perf_counter() - began)
    except Exception as error:  # one bad point must not end a study of thousands
        return Record(FAILED, f"{type(error).__name__}: {error}", instance.n_avs, instance.n_rsus)


def _record(solution: Solution, seconds: float) -> Record:
    instance = solution.instance
    load = expected_load(solution.matching, solution.demand)
    share = delivered_share(instance, solution.matching, solution.demand)
    delivered = load * share
    bandwidth = float(delivered.sum())
    avs, rsus = solution.follower_utilities, solution.leader_utilities
    gains = solution.exploitability
    demand = float(load.sum())
    metrics: dict[str, float] = {
        "av_utility_mean": avs.mean(),
        "rsu_utility_mean": rsus.mean(),
        "av_utility_total": avs.sum(),
        "rsu_utility_total": rsus.sum(),
        "welfare": avs.sum() + rsus.sum(),
        "price_mean": solution.prices.mean(),
        "price_paid": float(solution.prices @ delivered) / bandwidth if bandwidth else np.nan,
        "demand": demand,
        "bandwidth": bandwidth,
        "bandwidth_per_av": bandwidth / instance.n_avs,
        "delivered_share": bandwidth / demand if demand else 1.0,
        "exploitability": np.nan if gains is None else gains.largest,
        "uniqueness_index": _known(solution.uniqueness_index),
        "other_equilibria": len(solution.other_equilibria),
        "infeasible_followers": len(solution.infeasible_followers),
        "iterations": solution.iterations,
        "seconds": seconds,
    }
    lists = {
        "price": solution.prices,
        "load": load,
        "delivered_share": share,
        "rsu_utility": rsus,
        "av_utility": avs,
    }
    return Record(
        status=solution.status.value,
        n_avs=instance.n_avs,
        n_rsus=instance.n_rsus,
        followers_unique=solution.followers_unique,
        metrics={name: float(value) for name, value in metrics.items()},
        lists={name: values.tolist() for name, values in lists.items()},
    )


def _known(value: float | None) -> float:
    return np.nan if value is None else value

"""Policies compared: every one with every seed on the same traffic, in parallel, resumable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from veaat_migration.digests import digest
from veaat_migration.fleet.errors import FleetError
from veaat_migration.fleet.metrics import METRICS
from veaat_migration.fleet.places import Excerpt, Site
from veaat_migration.fleet.policies import NAMES, make_policy
from veaat_migration.fleet.runs import Task, run_task
from veaat_migration.fleet.settings import Settings
from veaat_migration.fleet.statistics import Estimate, estimate, paired
from veaat_migration.fleet.store import Store, common_key, file_digest
from veaat_migration.progress import Progress
from veaat_migration.workers import Lost, work_all

RUNS = "runs"
"""Folder of finished runs."""
_TIME_LIMIT = 24 * 3600.0
REFERENCE = "best_response"


@dataclass(frozen=True)
class Wish:
    """What is to be compared."""

    excerpt: Excerpt
    site: Site
    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: Settings = field(default_factory=Settings)
    replays: tuple[str, ...] = ()
    """Policies of which the first seed's run is also written as a replay."""
    weights: Path | None = None
    """File of the learned policy; None: the one that comes with the package."""

    def __post_init__(self) -> None:
        """Check.

        Raises:
            FleetError: there is nothing to compare, or something twice.
        """
        for name, values in (("policies", self.policies), ("seeds", self.seeds)):
            if not values:
                raise FleetError(f"{name}: must be one at least")
            if len(set(values)) != len(values):
                listed = ", ".join(map(str, values))
                raise FleetError(f"{name}: each must appear once, got {listed}")
        unknown = [p for p in (*self.policies, *self.replays) if p not in NAMES]
        if unknown:
            raise FleetError(f"policies: must be of {', '.join(NAMES)}, got {unknown[0]!r}")
        missing = [p for p in self.replays if p not in self.policies]
        if missing:
            raise FleetError(f"replay: {missing[0]} is not among the policies of this comparison")
        if min(self.seeds) < 0:
            raise FleetError(f"seeds: must be >= 0, got {min(self.seeds)}")


@dataclass
class Comparison:
    """What came out."""

    wish: Wish
    tasks: list[Task]
    results: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    """By policy and seed."""
    reused: int = 0
    failed: list[tuple[Task, str]] = field(default_factory=list)
    interrupted: bool = False

    def values(self, policy: str, metric: str) -> list[float]:
        """A metric of every seed that has a result for every policy or for this one."""
        return [
            float(self.results[policy, seed][metric])
            for seed in self.wish.seeds
            if (policy, seed) in self.results
        ]

    def estimates(self, policy: str) -> dict[str, Estimate]:
        """Mean and interval of each metric."""
        return {m.name: estimate(self.values(policy, m.name)) for m in METRICS}

    def differences(self, policy: str, reference: str = REFERENCE) -> dict[str, Estimate] | None:
        """Mean difference from another policy, seed by seed; None where a run is missing."""
        pairs = [
            seed
            for seed in self.wish.seeds
            if (policy, seed) in self.results and (reference, seed) in self.results
        ]
        if not pairs:
            return None
        return {
            m.name: paired(
                [float(self.results[policy, seed][m.name]) for seed in pairs],
                [float(self.results[reference, seed][m.name]) for seed in pairs],
            )
            for m in METRICS
        }


def tasks_of(wish: Wish, folder: Path) -> list[Task]:
    """All runs of a comparison.

    Raises:
        FleetError: the trace cannot be read, or a policy is not to be had.
    """
    trace = file_digest(wish.excerpt.path)
    common = common_key(trace, wish.excerpt, wish.site, wish.settings)
    tasks = []
    for policy in wish.policies:
        version = getattr(make_policy(policy, 1, 0, wish.weights), "version", "")
        for seed in wish.seeds:
            tasks.append(
                Task(
                    excerpt=wish.excerpt,
                    site=wish.site,
                    settings=wish.settings,
                    policy=policy,
                    seed=seed,
                    key=digest(common, policy, version, str(seed)),
                    folder=folder,
                    weights=wish.weights,
                    replay=policy in wish.replays and seed == wish.seeds[0],
                )
            )
    return tasks


def compare(
    wish: Wish, folder: Path, *, jobs: int, stream: TextIO, fresh: bool = False
) -> Comparison:
    """Run what is not known yet.

    Args:
        wish: what to compare.
        folder: of the results; the same folder goes on where it was interrupted.
        jobs: number of processes.
        stream: for the progress bar.
        fresh: run everything again.

    Raises:
        FleetError: nothing can be run or kept.
    """
    store = Store(folder / RUNS)
    comparison = Comparison(wish, tasks_of(wish, store.folder))
    todo = []
    for task in comparison.tasks:
        known = None if fresh else store.find(task.key)
        if known is None or not _has_files(task):
            todo.append(task)
        else:
            comparison.results[task.policy, task.seed] = known
    comparison.reused = len(comparison.results)
    if todo:
        _run_all(comparison, todo, store, jobs, stream)
    return comparison


def _has_files(task: Task) -> bool:
    return task.migrations_file.exists() and (not task.replay or task.replay_file.exists())


def _run_all(
    comparison: Comparison, todo: Sequence[Task], store: Store, jobs: int, stream: TextIO
) -> None:
    progress = Progress(len(comparison.tasks), comparison.reused, stream, parts="runs")
    try:
        # The first seed of every policy first: what is wrong shows early.
        ordered = sorted(todo, key=lambda task: comparison.wish.seeds.index(task.seed))
        for task, result in work_all(
            run_task, ordered, jobs, time_limit=_TIME_LIMIT, tick=progress.show
        ):
            if isinstance(result, Lost) or "error" in result:
                reason = result.reason if isinstance(result, Lost) else str(result["error"])
                comparison.failed.append((task, reason))
                progress.add("failed")
                continue
            store.keep(task.key, result)
            comparison.results[task.policy, task.seed] = result
            progress.add()
    except KeyboardInterrupt:
        comparison.interrupted = True
    finally:
        progress.close()

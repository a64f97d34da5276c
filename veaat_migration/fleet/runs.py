"""One run of a comparison in a process of its own: from a task to numbers and files."""

from __future__ import annotations

import csv
import math
import resource
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from veaat_migration.analysis.replay_data import write_replay
from veaat_migration.errors import VeaatError
from veaat_migration.fleet.books import Migration
from veaat_migration.fleet.metrics import summary
from veaat_migration.fleet.places import Excerpt, Site
from veaat_migration.fleet.policies import make_policy
from veaat_migration.fleet.population import reseeded
from veaat_migration.fleet.replay import ReplayObserver
from veaat_migration.fleet.settings import Settings
from veaat_migration.fleet.simulation import Simulation

_INTERNAL = ("reached", "cost")
COLUMNS = (
    "policy",
    "seed",
    *(item.name for item in fields(Migration) if item.name not in _INTERNAL),
)
"""Of the file of migrations; RSUs are named."""


@dataclass(frozen=True)
class Task:
    """What a run does; everything that decides its numbers."""

    excerpt: Excerpt
    site: Site
    settings: Settings
    policy: str
    seed: int
    key: str
    """Digest of all of it and of the code."""
    folder: Path
    """For files beside the result."""
    weights: Path | None = None
    """File of the learned policy; None: the one that comes with the package."""
    replay: bool = False
    """Also write a replay."""

    @property
    def migrations_file(self) -> Path:
        """A row for each migration."""
        return self.folder / f"{self.key[:32]}.csv"

    @property
    def replay_file(self) -> Path:
        """The replay's data."""
        return self.folder / f"{self.key[:32]}.replay.json.gz"


def run_task(task: Task) -> dict[str, Any]:
    """Numbers of a run, or ``{"error": ...}``; writes its files."""
    try:
        return _run(task)
    except (VeaatError, OSError) as error:
        return {"error": str(error)}


def _run(task: Task) -> dict[str, Any]:
    began, processor = time.monotonic(), time.process_time()
    city = reseeded(task.site.city, task.seed, given=task.site.given)
    observer = None
    if task.replay:
        observer = ReplayObserver(
            city,
            title=f"{task.excerpt.path.name.split('.')[0]}, {task.policy}",
            roads=task.site.roads,
            description=f"Policy {task.policy}, seed {task.seed}. {task.site.note}.",
        )
    simulation = Simulation(
        task.excerpt.snapshots(),
        city,
        make_policy(task.policy, len(city.rsus), task.seed, task.weights),
        settings=task.settings,
        seed=task.seed,
        observer=observer,
    )
    record = simulation.run()
    _write_migrations(task, record.migrations, [rsu.name for rsu in city.rsus])
    if observer is not None:
        write_replay(task.replay_file, observer.finish())
    return {
        "policy": task.policy,
        "seed": task.seed,
        **summary(record),
        "first_violations": list(record.violations[:5]),
        "wall_seconds": time.monotonic() - began,
        "processor_seconds": time.process_time() - processor,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    }


def _write_migrations(task: Task, migrations: list[Migration], rsus: list[str]) -> None:
    unfinished = task.migrations_file.with_suffix(".part")
    with unfinished.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for migration in migrations:
            row = {"policy": task.policy, "seed": task.seed, **_plain(migration)}
            for name in ("source", "target"):
                row[name] = rsus[row[name]] if row[name] >= 0 else ""
            writer.writerow([_cell(row[name]) for name in COLUMNS])
    unfinished.replace(task.migrations_file)


def _plain(migration: Migration) -> dict[str, Any]:
    content = asdict(migration)
    return {name: value for name, value in content.items() if name not in _INTERNAL}


def _cell(value: Any) -> Any:
    """Numbers with seven digits; nothing for what does not apply."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.7g}"
    return value

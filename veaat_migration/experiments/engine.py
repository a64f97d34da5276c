"""Runs the cells that are not known yet, and keeps what comes out at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from veaat_migration.experiments.cells import Cell, unique
from veaat_migration.experiments.executors import Executor
from veaat_migration.experiments.store import Store
from veaat_migration.progress import Progress


@dataclass
class Outcome:
    """What is known about some cells."""

    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By the cell's key."""
    reused: int = 0
    """Cells that were known from before."""
    failed: list[tuple[Cell, str]] = field(default_factory=list)
    """Cells without a result, and why."""
    interrupted: bool = False
    """Whether Ctrl-C ended it early."""

    @property
    def processor_seconds(self) -> float:
        """What all known cells took, on whichever day."""
        return sum(float(result["times"]["processor_seconds"]) for result in self.results.values())


def run_cells(cells: Sequence[Cell], store: Store, executor: Executor, stream: TextIO) -> Outcome:
    """Run all cells whose results are not in the store.

    Args:
        cells: to be run; several with the same key are run once.
        store: of results.
        executor: where they run.
        stream: for the progress bar.

    Raises:
        ExperimentError: a result cannot be kept.
        WorkersError: processes cannot be started.
    """
    outcome = Outcome()
    todo = []
    for cell in unique(cells):
        known = store.find(cell.key)
        if known is None:
            todo.append(cell)
        else:
            outcome.results[cell.key] = known
    outcome.reused = len(outcome.results)
    if not todo:
        return outcome
    # The longest first: at the end no core waits long for another.
    todo.sort(key=lambda cell: -cell.work)
    progress = Progress(
        outcome.reused + len(todo),
        outcome.reused,
        stream,
        parts="runs",
        work=sum(cell.work for cell in todo),
    )
    try:
        for cell, result in executor.run(todo, progress.show):
            if "error" in result:
                outcome.failed.append((cell, result["error"]))
                progress.add("failed", cell.work)
                continue
            store.keep(cell.key, result)
            outcome.results[cell.key] = result
            progress.add("", cell.work)
    except KeyboardInterrupt:
        outcome.interrupted = True
    finally:
        progress.close()
    return outcome

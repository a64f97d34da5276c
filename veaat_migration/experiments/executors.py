"""Where cells run: in processes of this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from veaat_migration.experiments.cells import Cell
from veaat_migration.experiments.errors import ExperimentError
from veaat_migration.experiments.run_cell import run_cell
from veaat_migration.workers import Lost, work_all

TIME_LIMIT = 4 * 3600.0
"""A cell that takes longer hangs [s]."""
_TICK = 0.5

Result = dict[str, Any]


class Executor(Protocol):
    """Runs cells in any order."""

    def run(self, cells: Sequence[Cell], tick: Callable[[], None]) -> Iterator[tuple[Cell, Result]]:
        """Cells with their results as they are finished; ``tick`` is called twice a second.

        A cell that fails gives ``{"error": ...}``.
        """
        ...


class LocalExecutor:
    """One process per core."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs

    def run(self, cells: Sequence[Cell], tick: Callable[[], None]) -> Iterator[tuple[Cell, Result]]:
        """See :meth:`Executor.run`."""
        for cell, result in work_all(run_cell, cells, self._jobs, time_limit=TIME_LIMIT, tick=tick):
            yield cell, {"error": result.reason} if isinstance(result, Lost) else result


class RayExecutor:
    """One core of a Ray cluster per cell; the package must be installed on its machines."""

    def __init__(self, address: str | None = None, jobs: int | None = None) -> None:
        """Connect to a cluster, or start one on this machine.

        Args:
            address: of the cluster; None: as Ray finds it (RAY_ADDRESS), or a new local one.
            jobs: cells at a time; None: as many as the cluster has cores.

        Raises:
            ExperimentError: Ray is not installed, or there is no such cluster.
        """
        try:
            import ray
        except ImportError as error:
            raise ExperimentError(
                "--executor ray: Ray is not installed: pip install 'veaat_migration[ray]'"
            ) from error
        self._ray, self._jobs = ray, jobs
        try:
            ray.init(address=address, ignore_reinit_error=True, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ExperimentError(f"--executor ray: {error}") from error

    def run(self, cells: Sequence[Cell], tick: Callable[[], None]) -> Iterator[tuple[Cell, Result]]:
        """See :meth:`Executor.run`."""
        ray = self._ray
        remote = ray.remote(num_cpus=1)(run_cell)
        waiting = list(reversed(cells))
        running: dict[Any, Cell] = {}
        try:
            while waiting or running:
                # Not all at once, so that Ctrl-C does not leave hundreds behind.
                while waiting and len(running) < self._places():
                    cell = waiting.pop()
                    running[remote.remote(cell)] = cell
                finished, _ = ray.wait(list(running), timeout=_TICK)
                tick()
                for reference in finished:
                    yield running.pop(reference), self._result(reference)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)

    def _places(self) -> int:
        return self._jobs or max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def _result(self, reference: Any) -> Result:
        try:
            result: Result = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return {"error": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
        return result

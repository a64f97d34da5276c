"""Times the iterations of a worker and writes its result file."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
import time
from collections import defaultdict
from pathlib import Path

from workload import Workload


def arguments() -> tuple[Workload, Meter]:
    """The workload and the meter of a worker: ``python WORKER.py WORKLOAD.json RESULT.json``."""
    workload = Workload.load(Path(sys.argv[1]))
    return workload, Meter(workload, Path(sys.argv[2]))


class Meter:
    """Wall and CPU time of every iteration, and of the parts a worker names."""

    def __init__(self, workload: Workload, output: Path) -> None:
        self._workload = workload
        self._output = output
        self._laps: list[dict[str, object]] = []
        self._parts: dict[str, float] = defaultdict(float)
        self.start()

    @property
    def total(self) -> int:
        """Iterations to run, warm-up included."""
        return self._workload.warm_up + self._workload.iterations

    def start(self) -> None:
        """Begin an iteration now; call it before the first one."""
        self._began = self._part_began = time.perf_counter()
        self._cpu_began = time.process_time()

    def part(self, name: str) -> None:
        """What ran since the last call of this, or since the start, was ``name``."""
        now = time.perf_counter()
        self._parts[name] += now - self._part_began
        self._part_began = now

    def lap(self, parts: dict[str, float] | None = None) -> None:
        """An iteration is over and the next one begins; ``parts`` [s] if timed elsewhere."""
        lap = {
            "seconds": time.perf_counter() - self._began,
            "cpu_seconds": time.process_time() - self._cpu_began,
            "parts": dict(self._parts if parts is None else parts),
        }
        self._laps.append(lap)
        self._parts.clear()
        self.start()

    def finish(
        self, *, packages: tuple[str, ...], settings: str, profile: dict[str, float] | None = None
    ) -> None:
        """Write the result without the warm-up.

        Args:
            packages: whose versions matter.
            settings: what was chosen for the sake of speed, in a line.
            profile: seconds of an iteration by part, measured apart.
        """
        result = {
            "laps": self._laps[self._workload.warm_up :],
            "settings": settings,
            "profile": profile or {},
            "versions": {
                "Python": platform.python_version(),
                **{name: importlib.metadata.version(name) for name in packages},
            },
        }
        self._output.write_text(json.dumps(result), encoding="utf-8")

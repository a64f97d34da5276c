"""A real training process: it obeys, reports, releases, dies with its parent, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from veaat_migration.learning.checkpoint import Checkpoint
from veaat_migration.learning.trainer import CHECKPOINT
from veaat_migration.learning.worker_messages import (
    PAUSE,
    RESUME,
    STOP,
    Phase,
    ReleaseOrder,
    TrainingOrder,
    WorkerReport,
)
from veaat_migration.learning.worker_process import WorkerProcess
from veaat_migration.policy.policy_files import read_bundle
from veaat_migration.policy.release_rule import ReleaseRule
from veaat_migration.policy.releases import ReleaseBook
from veaat_migration.policy.signature import load_public_key, make_keys, verify

BASE = Path(__file__).parents[2] / "config" / "base.yaml"
QUICK = {
    "game": str(BASE),
    "iterations": 16,
    "environment": {"games": 8, "rounds": 10, "episode": 20},
    "network": {"hidden": [20, 20]},
    "stages": {"follower_iterations": 3},
    "incentive": {"steps": 2, "batch": 32, "samples": 8},
    "pruning": {"start": 0.2, "end": 0.5, "window": 3},
}
ENDLESS = {**QUICK, "iterations": 100_000}


class Run:
    """A training process, and all that it has said."""

    def __init__(self, order: TrainingOrder) -> None:
        self.process = WorkerProcess(order)
        self.reports: list[WorkerReport] = []
        self.end: str | None = None

    def look(self) -> None:
        if self.end is None:
            reports, self.end = self.process.poll()
            self.reports += reports

    def until(self, condition: Callable[[WorkerReport], bool], seconds: float = 60.0) -> None:
        """Wait for a report."""
        deadline, seen = time.monotonic() + seconds, 0
        while True:
            self.look()
            if any(condition(report) for report in self.reports[seen:]):
                return
            seen = len(self.reports)
            assert self.end is None, self.reports
            assert time.monotonic() < deadline, self.reports
            time.sleep(0.01)

    def until_iteration(self, iteration: int) -> None:
        self.until(lambda report: report.iteration >= iteration)

    def until_end(self, seconds: float = 60.0) -> WorkerReport:
        deadline = time.monotonic() + seconds
        while self.end is None:
            assert time.monotonic() < deadline, self.reports
            self.look()
            time.sleep(0.01)
        return self.reports[-1]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Start a process: ``run(content, **changes of the order)``."""
    runs: list[Run] = []

    def start(content: dict[str, object], **changes: object) -> Run:
        file = tmp_path / "quick.yaml"
        file.write_text(yaml.safe_dump(content))
        releases = ReleaseOrder(tmp_path / "releases", rule=ReleaseRule(worst=1e9))
        order = TrainingOrder(file, tmp_path / "run", releases, tensorboard=False)
        runs.append(Run(replace(order, **changes)))  # type: ignore[arg-type]
        return runs[-1]

    yield start
    for each in runs:
        if each.end is None:
            each.process.kill()
            each.process.wait(10.0)
        each.process.close()


@pytest.mark.slow
def test_a_run_is_trained_and_released(run: Callable[..., Run], tmp_path: Path) -> None:
    private, public = make_keys(tmp_path / "keys")
    releases = ReleaseOrder(
        tmp_path / "releases", rule=ReleaseRule(worst=1e9), signing_key=private, above=10**12
    )
    before = run(QUICK, releases=releases)
    last = before.until_end()

    assert before.end == "ended with exit status 0"
    assert (last.phase, last.iteration, last.iterations) == (Phase.FINISHED, 16, 16)
    assert last.algorithm == "tiny_ma_iei_ppo"
    assert len(last.rewards) == len(last.sparsity) == len(last.utilities) == 5
    assert len(last.equilibrium_utilities) == 5
    assert last.gap >= 0.0
    assert last.message == ""
    book = ReleaseBook(tmp_path / "releases")
    final = book.latest
    assert final is not None
    assert final.final
    assert final.policy_version == last.policy_version > 10**12
    assert final.origin.iteration == 16
    assert final.figures.gap == last.gap
    assert len(book.releases) == 2  # and the first compact one
    # Vehicles get the very files of the run's bundle, signed.
    bundle = read_bundle(last.policies)
    assert {a.schema.policy_version for a in bundle} == {final.policy_version}
    contents = {artifact.to_bytes() for artifact in bundle}
    assert {policy.read() for policy in final.policies} == contents
    for policy in final.policies:
        verify(load_public_key(public), policy.read(), policy.signature)


@pytest.mark.slow
def test_it_pauses_goes_on_and_stops(run: Callable[..., Run], tmp_path: Path) -> None:
    worker = run(ENDLESS)
    worker.until_iteration(2)
    worker.process.tell(PAUSE)
    worker.until(lambda report: report.phase == Phase.PAUSED)
    iteration = worker.reports[-1].iteration
    assert Checkpoint(tmp_path / "run" / CHECKPOINT).iteration == iteration
    time.sleep(0.5)
    worker.look()
    assert worker.reports[-1].iteration == iteration
    worker.process.tell(RESUME)
    worker.until_iteration(iteration + 2)

    worker.process.tell(STOP)

    last = worker.until_end()
    assert last.phase == Phase.STOPPED
    assert Checkpoint(tmp_path / "run" / CHECKPOINT).iteration == last.iteration
    worker = run(ENDLESS)
    worker.until_iteration(last.iteration + 1)
    assert all(r.iteration == 0 or r.iteration >= last.iteration for r in worker.reports)
    # What a service manager sends to the node and to this process.
    assert worker.process.pid is not None
    os.kill(worker.process.pid, signal.SIGTERM)
    last = worker.until_end()
    assert last.phase == Phase.STOPPED
    assert Checkpoint(tmp_path / "run" / CHECKPOINT).iteration == last.iteration


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        ({**QUICK, "iterations": 0}, {}, "iterations: must be >= 1"),
        ({**QUICK, "game": "absent.yaml"}, {}, "absent.yaml"),
        ({**QUICK, "algorithm": "luck"}, {}, "algorithm"),
        (QUICK, {"config": Path("/absent.yaml")}, "absent.yaml"),
        (QUICK, {"device": "abacus"}, "device abacus"),
        (QUICK, {"folder": Path("/dev/null/run")}, "choose another folder"),
        (QUICK, {"scenario": Path("/absent-game.yaml")}, "absent-game.yaml"),
    ],
)
def test_what_cannot_be_trained_is_told(
    run: Callable[..., Run], content: dict[str, object], changes: dict[str, object], message: str
) -> None:
    worker = run(content, **changes)
    last = worker.until_end()
    assert last.phase == Phase.FAILED
    assert message in last.message
    assert worker.end == "ended with exit status 0"


@pytest.mark.slow
def test_one_process_trains_in_a_folder(run: Callable[..., Run]) -> None:
    first = run(ENDLESS)
    first.until_iteration(1)
    last = run(ENDLESS).until_end()
    assert last.phase == Phase.FAILED
    assert "another process trains here" in last.message


@pytest.mark.slow
def test_another_run_s_checkpoint_is_not_continued(run: Callable[..., Run]) -> None:
    first = run(ENDLESS)
    first.until_iteration(2)  # the checkpoint of the first iteration is written by then
    first.process.kill()
    first.until_end()
    last = run(ENDLESS, seed=2).until_end()
    assert last.phase == Phase.FAILED
    assert "another game, configuration or seed" in last.message


ORPHAN = """
import sys
from pathlib import Path
from veaat_migration.learning.worker_messages import ReleaseOrder, TrainingOrder
from veaat_migration.learning.worker_process import WorkerProcess
import time
folder = Path(sys.argv[1])
order = TrainingOrder(folder / "quick.yaml", folder / "run", ReleaseOrder(folder / "releases"))
worker = WorkerProcess(order)
print(worker.pid, flush=True)
while True:
    for report in worker.poll()[0]:
        print(report.iteration, flush=True)
    time.sleep(0.01)
"""


@pytest.mark.slow
@pytest.mark.parametrize("iteration", [0, 1])
def test_it_dies_with_its_parent(tmp_path: Path, iteration: int) -> None:
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump(ENDLESS))
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        while iteration and int(parent.stdout.readline()) < iteration:
            pass
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10.0
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()

"""Five inference nodes at work for long: memory, latency, missed rounds, and policies changed live.

Two RSUs and three AVs play the base game as five processes, so many rounds a second. With
--swaps this process also plays the trainer: it releases new policies for all five again and
again. Those of the AVs answer constants that name their version, so that a round that was
answered by two versions, or by another one than is reported, cannot hide.

Checks, after a warm-up of a fifth of the time (at least 10 s):

  memory     no node grows by more than --growth (2 MiB)
  latency    the median time of a decision in the last fifth is at most --drift (1.25) times the
             first one's; both in units of a reference, a fixed piece of work that this process does
             all the time after sleeping for a round, so that a machine that others keep busy in
             one of the fifths does not count
  rounds     every AV answered every round, once
  versions   every bid is that of the version that its migration_decision names

Examples:
  tools/run python benchmarks/soak.py --minutes 30
  tools/run python benchmarks/soak.py --minutes 1 --swaps 10
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from veaat_migration.bringup.environment import ros_environment
from veaat_migration.bringup.plan import Options, Part, make_plan
from veaat_migration.bringup.policies import SHIPPED, find_policies
from veaat_migration.bringup.scenarios import find_scenario
from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.policy_files import read_bundle
from veaat_migration.scenario.load import load_game

LOOK = 2.0
"""Time between two looks at the memory [s]."""
CYCLE = 50
"""Versions after which the constants of AVs begin anew."""


def shares_of(version: int) -> tuple[float, float]:
    """What a version's policy of an AV asks of the two RSUs, as shares of the most."""
    step = (version % CYCLE) / CYCLE
    return 0.2 + 0.5 * step, 0.8 - 0.5 * step


def constant(artifact: PolicyArtifact, version: int) -> PolicyArtifact:
    """A policy of the same agent and shape that answers :func:`shares_of` whatever it sees."""
    weights = [layer.weight for layer in artifact.layers]
    biases = [layer.bias for layer in artifact.layers]
    shares = np.array(shares_of(version))
    weights[-1] = np.zeros_like(weights[-1])
    biases[-1] = np.log(shares / (1.0 - shares))
    return PolicyArtifact.from_arrays(
        replace(artifact.schema, policy_version=version), weights, biases
    )


def release_of(artifacts: tuple[PolicyArtifact, ...], version: int) -> list[PolicyArtifact]:
    """The policies of a release: RSUs keep theirs under a new number."""
    return [
        constant(artifact, version)
        if artifact.schema.role == "follower"
        else PolicyArtifact(replace(artifact.schema, policy_version=version), artifact.layers)
        for artifact in artifacts
    ]


@dataclass
class Book:
    """What was heard."""

    bids: dict[tuple[int, int], set[tuple[float, ...]]] = field(default_factory=dict)
    """Contents by AV and round."""
    decisions: dict[tuple[int, int], tuple[float, int, int, float]] = field(default_factory=dict)
    """Time of arrival, source, version and decision time by AV and round."""


class Observer:
    """Hears the AVs, and releases policies if asked to."""

    def __init__(self, node: Any, artifacts: tuple[PolicyArtifact, ...], first: int) -> None:
        """Listen on ``node``; releases are numbered from ``first``."""
        from veaat_migration import msg, srv
        from veaat_migration.nodes import qos
        from veaat_migration.nodes.wire import Codec

        self.book = Book()
        self.version = first
        self._msg = msg
        self._artifacts = artifacts
        self._files: dict[str, bytes] = {}
        self._decode = Codec(msg.BandwidthBid).decode
        node.create_subscription(
            msg.BandwidthBid, "bandwidth_bids", self._on_bid, qos.ANSWERS, raw=True
        )
        node.create_subscription(
            msg.MigrationDecision, "migration_decision", self._on_decision, qos.ANSWERS
        )
        self._manifests = node.create_publisher(msg.PolicyManifest, "policy_manifest", qos.LATCHED)
        node.create_service(srv.GetPolicy, "get_policy", self._serve)

    def release(self) -> None:
        """Announce the next version."""
        self.version += 1
        manifest = self._msg.PolicyManifest(policy_version=self.version, format_version=1)
        for artifact in release_of(self._artifacts, self.version):
            content = artifact.to_bytes()
            sha256 = hashlib.sha256(content).hexdigest()
            self._files[sha256] = content
            entry = self._msg.PolicyEntry(sha256=sha256, size=len(content))
            entry.role = 1 if artifact.schema.role == "leader" else 2
            entry.agent_id = artifact.schema.agent_id
            manifest.policies.append(entry)
        while len(self._files) > 20 * len(self._artifacts):
            del self._files[next(iter(self._files))]
        self._manifests.publish(manifest)

    def _serve(self, request: Any, response: Any) -> Any:
        content = self._files.get(request.sha256)
        response.success = content is not None
        if content is None:
            response.message = "no longer kept"
        else:
            response.content, response.sha256 = content, request.sha256
        return response

    def _on_bid(self, data: bytes) -> None:
        bid = self._decode(data)
        if not bid.leaving:
            key = (bid.av_id, bid.round)
            self.book.bids.setdefault(key, set()).add(tuple(bid.bandwidth))

    def _on_decision(self, m: Any) -> None:
        entry = (time.monotonic(), m.source, m.policy_version, m.decision_time)
        self.book.decisions[m.av_id, m.round] = entry


class Reference:
    """Does the same piece of work again and again, each time after a sleep."""

    def __init__(self, period: float) -> None:
        """Begin in a thread."""
        self.times: list[tuple[float, float]] = []
        """(when, how long) [s]."""
        self._period = period
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        matrix, vector = np.full((12, 26), 0.1), np.ones(26)
        while not self._ending.wait(self._period):
            before = time.perf_counter()
            for _ in range(20):
                np.tanh(matrix.dot(vector)).tolist()
            self.times.append((time.monotonic(), time.perf_counter() - before))


@contextmanager
def players(
    policies: Path, rate: float, environment: Mapping[str, str]
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Five inference nodes."""
    options = Options(
        rounds=0, period=1.0 / rate, leader_policy="learned", follower_policy="learned",
        bundle=str(policies),
    )  # fmt: skip
    plan = make_plan(load_game(find_scenario("base")), options)
    children: dict[str, subprocess.Popen[bytes]] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for node in plan.nodes:
                if node.part is not Part.PLAYER:
                    continue
                file = Path(folder) / f"{node.name}.yaml"
                parameters = {**node.parameters, "observers": "observer"}
                text = yaml.safe_dump({"/**": {"ros__parameters": parameters}})
                file.write_text(text, encoding="utf-8")
                children[node.name] = subprocess.Popen(
                    [
                        sys.executable, "-m", "veaat_migration.nodes", node.executable,
                        "--ros-args", "-r", f"__node:={node.name}", "-r",
                        f"__ns:={node.namespace}", "--params-file", str(file), "--log-level",
                        "error",
                    ],
                    env=dict(environment),
                    cwd="/",
                )  # fmt: skip
            yield children
        finally:
            for child in children.values():
                child.send_signal(signal.SIGTERM)
            for child in children.values():
                try:
                    child.wait(10.0)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()


def resident(pid: int) -> float:
    """Resident memory of a process [MiB]."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError(pid)


@dataclass
class Run:
    """What was measured."""

    book: Book
    memory: dict[str, list[tuple[float, float]]]
    """(time, MiB) of each node."""
    begin: float
    end: float
    released: int
    reference: list[tuple[float, float]]
    bandwidth_max: float


def play(options: argparse.Namespace) -> Run:
    """Let them play, and look at them from time to time."""
    import rclpy
    from rclpy.experimental import EventsExecutor

    environment, about = ros_environment()
    os.environ.update(environment)
    policies = find_policies(options.policies).resolve()
    artifacts = read_bundle(policies)
    first = max(artifact.schema.policy_version for artifact in artifacts)
    seconds = 60.0 * options.minutes
    print(
        f"{about}; {seconds:g} s at {options.rate:g} rounds/s, {options.swaps:g} swaps/s",
        flush=True,
    )
    rclpy.init()
    node = rclpy.create_node("observer", namespace="veaat")
    observer = Observer(node, artifacts, first)
    # Last: players take it for the sign that this process listens.
    from veaat_migration import msg
    from veaat_migration.nodes import qos

    node.create_subscription(msg.NodeStatus, "node_status", lambda _: None, qos.ANSWERS)
    runner, ending = EventsExecutor(), rclpy.task.Future()
    runner.add_node(node)
    spinning = threading.Thread(target=runner.spin_until_future_complete, args=(ending, 1e6))
    spinning.start()
    memory: dict[str, list[tuple[float, float]]] = {}
    reference = Reference(1.0 / options.rate)
    try:
        with players(policies, options.rate, environment) as children:
            limit = time.monotonic() + 30.0
            while len({av for av, _ in dict(observer.book.decisions)}) < 3:
                if time.monotonic() > limit:
                    raise SystemExit("the game does not begin; see the messages above")
                time.sleep(0.1)
            begin = time.monotonic()
            if options.swaps:
                node.create_timer(1.0 / options.swaps, observer.release)
                runner.wake()
            while time.monotonic() < begin + seconds:
                time.sleep(min(LOOK, seconds / 20))
                for name, child in children.items():
                    if child.poll() is not None:
                        raise SystemExit(f"{name} has ended with status {child.returncode}")
                    sample = (time.monotonic(), resident(child.pid))
                    memory.setdefault(name, []).append(sample)
            end = time.monotonic()
    finally:
        reference.close()
        runner.create_task(ending.set_result, None)
        spinning.join()
        rclpy.try_shutdown()
    scale = artifacts[-1].schema.action_scale
    released = observer.version - first
    return Run(observer.book, memory, begin, end, released, reference.times, float(scale.high[0]))


def judge(run: Run, options: argparse.Namespace) -> bool:
    """Print what was found; whether all is well."""
    warm = run.begin + max(0.2 * (run.end - run.begin), min(10.0, 0.5 * (run.end - run.begin)))
    good = True

    def check(text: str, fine: bool) -> None:
        nonlocal good
        good = good and fine
        print(f"{'ok    ' if fine else 'FAILED'} {text}", flush=True)

    for name, samples in run.memory.items():
        later = [size for at, size in samples if at >= warm]
        growth = max(later) - later[0]
        check(f"{name}: {later[0]:.1f} MiB, grew by {growth:.2f} MiB", growth <= options.growth)
    _judge_latency(run, warm, options.drift, check)
    _judge_rounds(run, check)
    if options.swaps:
        _judge_versions(run, check)
    return good


def _judge_latency(run: Run, warm: float, drift: float, check: Any) -> None:
    timed = sorted((at, took) for at, _, _, took in run.book.decisions.values() if at >= warm)
    fifth = max(len(timed) // 5, 1)
    medians, slow, units = [], [], []
    for part in (timed[:fifth], timed[-fifth:]):
        times = sorted(1e6 * took for _, took in part)
        medians.append(statistics.median(times))
        slow.append(times[int(0.99 * (len(times) - 1))])
        (begin, _), (end, _) = part[0], part[-1]
        work = [1e6 * took for at, took in run.reference if begin <= at <= end]
        units.append(statistics.median(work))
    ratio = (medians[1] / units[1]) / (medians[0] / units[0])
    check(
        f"decisions: median {medians[0]:.0f} us in the first fifth, {medians[1]:.0f} us in the "
        f"last, reference {units[0]:.0f} and {units[1]:.0f} us: drift {ratio:.2f}; 99 % "
        f"{slow[0]:.0f} and {slow[1]:.0f} us",
        ratio <= drift,
    )


def _judge_rounds(run: Run, check: Any) -> None:
    for av in (1, 2, 3):
        rounds = sorted(number for i, number in run.book.bids if i == av)
        missed = rounds[-1] - rounds[0] + 1 - len(rounds)
        twice = sum(len(run.book.bids[av, number]) > 1 for number in rounds)
        undecided = sum((av, number) not in run.book.decisions for number in rounds)
        check(
            f"AV {av}: {len(rounds)} rounds, {missed} missed, {twice} answered in two ways, "
            f"{undecided} without a decision",
            # The last decision may be on its way when the nodes are stopped.
            not missed and not twice and undecided <= 1,
        )


def _judge_versions(run: Run, check: Any) -> None:
    first = min(version for _, _, version, _ in run.book.decisions.values())
    mixed, played = 0, set()
    for key, (_, source, version, _) in run.book.decisions.items():
        if source != 1 or version == first or key not in run.book.bids:
            continue
        played.add(version)
        expected = np.array(shares_of(version)) * run.bandwidth_max
        mixed += any(
            not np.allclose(bid, expected, rtol=0.0, atol=1e-4) for bid in run.book.bids[key]
        )
    fallbacks = sum(source != 1 for _, source, _, _ in run.book.decisions.values())
    check(f"{mixed} of the rounds answered by another version than reported", mixed == 0)
    check(
        f"{run.released} releases, {len(played)} versions played, {fallbacks} answers by the best "
        "response",
        len(played) >= 0.8 * run.released,
    )


def main() -> int:
    """Play, judge; 1 if something is not well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="default: %(default)s")
    parser.add_argument("--rate", type=float, default=50.0, help="rounds/s (default: %(default)s)")
    parser.add_argument("--swaps", type=float, default=0.0, help="releases/s (default: none)")
    parser.add_argument(
        "--growth", type=float, default=2.0, metavar="MIB", help="default: %(default)s"
    )
    parser.add_argument(
        "--drift", type=float, default=1.25, metavar="RATIO", help="default: %(default)s"
    )
    parser.add_argument(
        "--policies", default=SHIPPED, metavar="DIR", help="bundle (default: %(default)s)"
    )
    options = parser.parse_args()
    return 0 if judge(play(options), options) else 1


if __name__ == "__main__":
    sys.exit(main())

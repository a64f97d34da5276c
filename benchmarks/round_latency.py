"""How long a round takes with 2 RSUs and 3 AVs in separate processes, and what is to blame.

Four things are measured in turn, again and again, in the same run:

  game       our nodes (best_response by default), no recorder, no monitor
  skeleton   the same messages without the game (see skeleton.py), same executor and QoS
  default    the skeleton on rclpy's default executor
  ping-pong  two processes that answer each other, same executor and QoS

A round lasts from one offer of RSU 1 to its next. CPU is user plus system time of all processes.

Example:
  tools/run python benchmarks/round_latency.py --repetitions 5
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from veaat_migration.bringup.environment import ros_environment
from veaat_migration.bringup.plan import NodeSpec, Options, Part, make_plan
from veaat_migration.bringup.scenarios import find_scenario
from veaat_migration.scenario.load import load_game

WARM_UP = 200
TAIL = 50
N_LEADERS, N_FOLLOWERS = 2, 3
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """One repetition of one kind."""

    median: float
    """[s]"""
    p95: float
    """[s]"""
    cpu: float
    """User and system time of all processes per round [s]."""


class Stopwatch:
    """In the child that leads: notes when rounds begin and marks begin and end for the parent."""

    def __init__(self, rounds: int) -> None:
        """Measure ``rounds`` rounds after the warm-up."""
        self._rounds = rounds
        self._times: list[float] = []

    def __call__(self, number: int) -> None:
        """A round begins."""
        self._times.append(time.perf_counter())
        if number == WARM_UP:
            print("begin", flush=True)
        elif number == WARM_UP + self._rounds:
            lasted = [b - a for a, b in zip(self._times, self._times[1:], strict=False)]
            print(json.dumps(lasted[WARM_UP:]), flush=True)


def lead_game(rounds: int, arguments: Sequence[str]) -> int:
    """Run our RSU with a stopwatch on its offers."""
    from veaat_migration.nodes import rsu_leader, topics
    from veaat_migration.protocol.messages import Offer, Settlement

    publish, watch = topics.LeaderTopics.publish, Stopwatch(rounds)
    last = 0

    def timed(self: topics.LeaderTopics, outputs: Sequence[Offer | Settlement]) -> None:
        nonlocal last
        if isinstance(outputs[0], Offer) and outputs[0].round != last:
            last = outputs[0].round
            watch(last)
        publish(self, outputs)

    topics.LeaderTopics.publish = timed  # type: ignore[method-assign]
    return rsu_leader.main(arguments)


def child(arguments: Sequence[str]) -> int:
    """What a process of this benchmark does: KIND ..."""
    kind, *rest = arguments
    if kind == "game":
        return lead_game(int(rest[0]), rest[1:])
    import skeleton

    role, ident, others, rounds, executor = rest
    watch = Stopwatch(int(rounds)) if ident == "1" else (lambda _number: None)
    total = WARM_UP + int(rounds) + TAIL
    skeleton.run(role, int(ident), int(others), total, executor, watch)
    return 0


def skeleton_commands(
    n_leaders: int, n_followers: int, rounds: int, executor: str
) -> list[list[str]]:
    """Commands of the skeleton, the leader with the stopwatch first."""
    us = [sys.executable, __file__, "--child", "skeleton"]
    leaders = [
        [*us, "leader", str(j + 1), str(n_followers), str(rounds), executor]
        for j in range(n_leaders)
    ]
    followers = [
        [*us, "follower", str(i + 1), str(n_leaders), str(rounds), executor]
        for i in range(n_followers)
    ]
    return leaders + followers


def game_commands(rounds: int, options: argparse.Namespace, folder: Path) -> list[list[str]]:
    """Commands of our nodes, RSU 1 first."""
    instance = load_game(find_scenario("base"))
    plan = make_plan(
        instance,
        Options(
            rounds=WARM_UP + rounds + TAIL,
            leader_policy=options.policy,
            follower_policy=options.policy,
            executor=options.executor,
        ),
    )
    players = [node for node in plan.nodes if node.part is Part.PLAYER]
    return [_game_command(node, rounds, folder) for node in players]


def _game_command(node: NodeSpec, rounds: int, folder: Path) -> list[str]:
    file = folder / f"{node.name}.yaml"
    parameters = {**node.parameters, "observers": ""}
    file.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}), encoding="utf-8")
    if node.name == "rsu_1":
        start = [sys.executable, str(Path(__file__).resolve()), "--child", "game", str(rounds)]
    else:
        start = [sys.executable, "-m", "veaat_migration.nodes", node.executable]
    names = ["-r", f"__node:={node.name}", "-r", f"__ns:={node.namespace}"]
    return [*start, "--ros-args", *names, "--params-file", str(file), "--log-level", "error"]


def measure(commands: Sequence[Sequence[str]], environment: dict[str, str]) -> Sample:
    """Run the processes until the first has measured its rounds."""
    # Not from a checkout, whose package lacks the generated messages: -m looks there first.
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True, cwd="/")
        for command in commands
    ]
    try:
        stream = processes[0].stdout
        assert stream is not None
        if stream.readline() != "begin\n":
            raise SystemExit("a node failed; see its message above")
        before = cpu_time(processes)
        lasted = sorted(json.loads(stream.readline()))
        spent = cpu_time(processes) - before
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
    return Sample(statistics.median(lasted), lasted[int(0.95 * len(lasted))], spent / len(lasted))


def cpu_time(processes: Sequence[subprocess.Popen[str]]) -> float:
    """User and system time of all processes so far [s]."""
    total = 0
    for process in processes:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def main() -> int:
    """Measure and print."""
    if sys.argv[1:2] == ["--child"]:
        return child(sys.argv[2:])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--policy", default="best_response", help="default: %(default)s")
    parser.add_argument(
        "--executor", choices=("events", "single_threaded"), default="events",
        help="of game, skeleton and ping-pong (default: %(default)s)",
    )  # fmt: skip
    options = parser.parse_args()
    environment, about = ros_environment()
    print(f"{os.cpu_count()} CPUs, {about}, executor {options.executor}, policy {options.policy}")
    with tempfile.TemporaryDirectory() as folder:
        kinds = {
            "game": game_commands(options.rounds, options, Path(folder)),
            "skeleton": skeleton_commands(N_LEADERS, N_FOLLOWERS, options.rounds, options.executor),
            "default": skeleton_commands(N_LEADERS, N_FOLLOWERS, options.rounds, "single_threaded"),
            "ping-pong": skeleton_commands(1, 1, options.rounds, options.executor),
        }
        samples: dict[str, list[Sample]] = {kind: [] for kind in kinds}
        for _ in range(options.repetitions):
            for kind, commands in kinds.items():
                samples[kind].append(measure(commands, environment))
    show(samples)
    return 0


def show(samples: dict[str, list[Sample]]) -> None:
    """Medians over the repetitions, and the ratios of interest."""
    print(f"{'':10} {'median':>9} {'95 %':>9} {'CPU/round':>10}   medians of the repetitions [ms]")
    median = {}
    for kind, listed in samples.items():
        median[kind] = statistics.median(sample.median for sample in listed)
        p95 = statistics.median(sample.p95 for sample in listed)
        cpu = statistics.median(sample.cpu for sample in listed)
        each = " ".join(f"{1e3 * sample.median:.3f}" for sample in listed)
        print(
            f"{kind:10} {1e3 * median[kind]:6.3f} ms {1e3 * p95:6.3f} ms {1e3 * cpu:7.3f} ms"
            f"   {each}"
        )
    for a, b in (
        ("game", "skeleton"),
        ("game", "default"),
        ("game", "ping-pong"),
        ("skeleton", "ping-pong"),
    ):
        ratios = [x.median / y.median for x, y in zip(samples[a], samples[b], strict=True)]
        print(
            f"{a} / {b}: {median[a] / median[b]:.2f} "
            f"(by repetition {min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    sys.exit(main())

"""All players in one process: how fast, at what cost, and does every settlement arrive.

  base     2 RSUs and 3 AVs; the bar is 200 rounds/s
  large    10 RSUs and 100 AVs, 200 rounds, recorded by a recorder process;
           every RSU must settle every round with every AV, and the bag must hold it

CPU is user plus system time of the process with the players, memory its largest resident size.

Examples:
  tools/run python benchmarks/composed.py
  tools/run python benchmarks/composed.py --only base --policy random --repetitions 5
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from veaat_migration.analysis.reading import read_bag
from veaat_migration.bringup.environment import ros_environment
from veaat_migration.bringup.plan import PLAYERS, RECORDER, NodeSpec, Options, make_plan
from veaat_migration.bringup.scenarios import find_scenario
from veaat_migration.game.instance import GameInstance
from veaat_migration.scenario import load_game


def large_game(n_avs: int = 100, n_rsus: int = 10) -> GameInstance:
    """A game of the size of a district."""
    rng = np.random.default_rng(1)
    return GameInstance.create(
        satisfaction=rng.uniform(20.0, 30.0, n_avs),
        offset=np.e - rng.uniform(1.5, 2.0, n_avs),
        quality=rng.uniform(0.8, 1.5, n_rsus),
        cost=rng.uniform(2.0, 3.0, n_rsus),
        social=0.06 / n_avs,
        service=0.04 / n_rsus,
        price_max=30.0,
        bandwidth_max=10.0,
    )


def child(arguments: Sequence[str]) -> int:
    """The process with the players: counts settlements and prints what it cost."""
    from veaat_migration.nodes import composed, topics
    from veaat_migration.protocol.messages import Offer, Settlement

    publish = topics.LeaderTopics.publish
    began: dict[int, float] = {}
    settled: list[tuple[int, int, int]] = []

    def noted(self: topics.LeaderTopics, outputs: Sequence[Offer | Settlement]) -> None:
        for output in outputs:
            if isinstance(output, Offer):
                began.setdefault(output.round, time.perf_counter())
            else:
                settled.append((output.round, output.rsu_id, len(output.av_ids)))
        publish(self, outputs)

    topics.LeaderTopics.publish = noted  # type: ignore[method-assign]
    before = time.process_time()
    status = composed.main(arguments)
    first, last = min(began), max(began)
    memory = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    )
    result = {
        "rounds_per_second": (last - first) / (began[last] - began[first]),
        "cpu": time.process_time() - before,
        "memory": int(memory.split()[1]) / 1024,
        "settled": settled,
    }
    print(json.dumps(result), flush=True)
    return status


def play(
    instance: GameInstance, options: Options, environment: dict[str, str], folder: Path
) -> dict[str, object]:
    """Play one game; what the players' process said, and the settlements in the bag."""
    nodes = {node.name: node for node in make_plan(instance, options).nodes}
    recorder = None
    if options.bag is not None:
        recorder = subprocess.Popen(command(nodes[RECORDER], folder), env=environment, cwd=folder)
    host = nodes[PLAYERS]
    players = json.loads(str(host.parameters["players"]))
    for player in players:
        player["parameters"]["observers"] = RECORDER if recorder else ""
    host.parameters["players"] = json.dumps(players)
    done = subprocess.run(
        command(host, folder, [__file__, "--child"]), env=environment, cwd=folder, check=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    result: dict[str, object] = json.loads(done.stdout)
    if recorder is not None:
        recorder.send_signal(signal.SIGINT)
        recorder.wait()
        result["recorded"] = len(read_bag(str(options.bag)).messages["settlements"])
    return result


def command(node: NodeSpec, folder: Path, start: Sequence[str] = ()) -> list[str]:
    """Command line of a node of the plan."""
    file = folder / f"{node.name}.yaml"
    content = {"/**": {"ros__parameters": dict(node.parameters)}}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    program = start or ["-m", "veaat_migration.nodes", node.executable]
    names = ["-r", f"__node:={node.name}", "-r", f"__ns:={node.namespace}"]
    quiet = ["--log-level", "error", "--disable-external-lib-logs"]
    return [sys.executable, *program, "--ros-args", *names, "--params-file", str(file), *quiet]


def main() -> int:
    """Measure and print."""
    if sys.argv[1:2] == ["--child"]:
        return child(sys.argv[2:])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("base", "large"))
    parser.add_argument("--policy", default="best_response", help="default: %(default)s")
    parser.add_argument("--executor", choices=("events", "single_threaded"), default="events")
    parser.add_argument("--repetitions", type=int, default=3, help="of base (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2000, help="of base (default: %(default)s)")
    options = parser.parse_args()
    environment, about = ros_environment()
    print(f"{os.cpu_count()} CPUs, {about}, executor {options.executor}, policy {options.policy}")
    if options.only != "large":
        base = load_game(find_scenario("base"))
        for _ in range(options.repetitions):
            measure("base", base, options, options.rounds, environment, record=False)
    if options.only != "base":
        measure("large", large_game(), options, 200, environment, record=True)
    return 0


def measure(
    name: str, instance: GameInstance, options: argparse.Namespace, rounds: int,
    environment: dict[str, str], *, record: bool,
) -> None:  # fmt: skip
    """Play one game and print one line."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        plan_options = Options(
            rounds=rounds, composed=True, executor=options.executor,
            leader_policy=options.policy, follower_policy=options.policy,
            bag=str(folder / "bag") if record else None,
        )  # fmt: skip
        result = play(instance, plan_options, environment, folder)
    settled = result["settled"]
    assert isinstance(settled, list)
    expected = rounds * instance.n_rsus
    full = sum(n_avs == instance.n_avs for _, _, n_avs in settled)
    distinct = len({(number, rsu_id) for number, rsu_id, _ in settled})
    line = (
        f"{name}: {result['rounds_per_second']:.1f} rounds/s, CPU {result['cpu']:.1f} s for "
        f"{rounds} rounds, {result['memory']:.0f} MiB; {distinct} of {expected} settlements, "
        f"{full} of them with all {instance.n_avs} AVs"
    )
    if record:
        line += f"; {result['recorded']} recorded"
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""How long the trainer node takes to answer while it trains.

A trainer node trains the base case; an empty rclpy node on the same executor is the baseline. This
process asks both in turn, each one question at a time, over the same middleware: state and
parameters of the trainer, a policy file of its release, a parameter of the empty node. What a busy
machine adds shows in both. The bar: 100 ms.

Examples:
  LEARNING=1 tools/run python benchmarks/trainer_answers.py
  LEARNING=1 tools/run python benchmarks/trainer_answers.py --seconds 60 --load 2
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

BAR = 0.1
"""Longest time for an answer [s]."""
EMPTY = """
import rclpy
from veaat_migration.nodes.process import SPIN_SLICE, make_executor
rclpy.init()
node = rclpy.create_node("empty", namespace="veaat")
node.declare_parameter("seed", 1)
executor = make_executor("events")
executor.add_node(node)
while True:
    executor.spin_until_future_complete(rclpy.task.Future(), SPIN_SLICE)
"""


@contextmanager
def processes(folder: Path, load: int) -> Iterator[None]:
    """The trainer, the empty node, and others that only keep cores busy."""
    trainer = [
        *(sys.executable, "-m", "veaat_migration.nodes", "trainer", "--ros-args"),
        *("-p", f"folder:={folder / 'run'}", "-p", "iterations:=100000"),
        *("-p", "tensorboard:=false", "--log-level", "warn"),
    ]  # fmt: skip
    commands = [trainer, [sys.executable, "-c", EMPTY]]
    commands += [[sys.executable, "-c", "while True: pass"]] * load
    started = [
        subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) for command in commands
    ]
    try:
        yield
    finally:
        for process in started:
            process.send_signal(signal.SIGINT)
        for process in started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10.0)
            process.kill()
            process.wait()


def release(folder: Path) -> None:
    """Something to hand out: policies of a few iterations."""
    from veaat_migration.bringup.scenarios import find_training_file
    from veaat_migration.learning.config import load_config
    from veaat_migration.learning.export import export_policies
    from veaat_migration.learning.learner import Learner
    from veaat_migration.learning.training_game import load_training_game
    from veaat_migration.policy.release import Figures
    from veaat_migration.policy.releases import ReleaseBook

    file = find_training_file("base")
    config = load_config(file)
    game = load_training_game(config, file)
    learner = Learner(game.instance, config, seed=1, surroundings=game.surroundings)
    policies = export_policies(learner)
    ReleaseBook(folder / "run" / "releases").add(policies, game="", figures=Figures(0.0, 0.0))


def questions(node: Any) -> dict[str, tuple[Any, Any, Callable[[Any], bool]]]:
    """Client, request, and whether an answer is the right one."""
    from lifecycle_msgs.srv import GetState
    from rcl_interfaces.srv import GetParameters
    from veaat_migration.srv import GetPolicy

    seed = GetParameters.Request(names=["seed"])

    def has_seed(answer: Any) -> bool:
        return bool(answer.values[0].integer_value == 1)

    return {
        "empty node: get_parameters": (
            node.create_client(GetParameters, "empty/get_parameters"), seed, has_seed,
        ),
        "trainer: get_parameters": (
            node.create_client(GetParameters, "trainer/get_parameters"), seed, has_seed,
        ),
        "trainer: get_state": (
            node.create_client(GetState, "trainer/get_state"), GetState.Request(),
            lambda answer: answer.current_state.label == "active",
        ),
        "trainer: get_policy": (
            node.create_client(GetPolicy, "get_policy"), GetPolicy.Request(role=1, agent_id=1),
            lambda answer: answer.success,
        ),
    }  # fmt: skip


def measure(seconds: float) -> dict[str, list[float]]:
    """Answer times of each question [s]."""
    import rclpy
    from veaat_migration.msg import TrainingStatus

    from veaat_migration.nodes import qos
    from veaat_migration.nodes.process import make_executor

    rclpy.init()
    node = rclpy.create_node("questions", namespace="veaat")
    # rclpy's default executor takes several times as long to notice an answer as it took to come.
    executor = make_executor("events")
    executor.add_node(node)
    statuses: list[Any] = []
    node.create_subscription(TrainingStatus, "training_status", statuses.append, qos.ANSWERS)
    asked = questions(node)
    for client, _, _ in asked.values():
        if not client.wait_for_service(60.0):
            raise SystemExit(f"{client.srv_name} does not appear")
    while not statuses or statuses[-1].iteration < 2:
        executor.spin_until_future_complete(rclpy.task.Future(), 0.1)
    first = statuses[-1].iteration
    times: dict[str, list[float]] = {name: [] for name in asked}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, (client, request, right) in asked.items():
            begin = time.perf_counter()
            future = client.call_async(request)
            executor.spin_until_future_complete(future, 30.0)
            times[name].append(time.perf_counter() - begin)
            if future.result() is None or not right(future.result()):
                raise SystemExit(f"{name}: {future.result()}")
        time.sleep(0.005)
    print(f"{statuses[-1].iteration - first} iterations trained meanwhile")
    rclpy.shutdown()
    return times


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="to measure (default: 20)")
    parser.add_argument(
        "--load", type=int, default=0, metavar="N", help="processes that keep a core busy each"
    )
    args = parser.parse_args()
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        release(folder)
        with processes(folder, args.load):
            times = measure(args.seconds)
    late = False
    for name, values in times.items():
        p50, p99, most = 1e3 * np.percentile(values, [50, 99, 100])
        shown = f"{p50:6.2f} {p99:7.2f} {most:7.2f} ms (50, 99, 100 %)"
        print(f"{name:27} {len(values):5} answers: {shown}")
        late = late or (name.startswith("trainer") and most > 1e3 * BAR)
    return int(late)


if __name__ == "__main__":
    sys.exit(main())

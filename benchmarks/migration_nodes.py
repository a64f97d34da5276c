"""Twins that move between real ROS 2 nodes, which are killed (SIGKILL) in the middle and come back.

    tools/run python benchmarks/migration_nodes.py                 5 minutes, 5 RSUs, 3 AVs, 4 MB
    tools/run python benchmarks/migration_nodes.py --seconds 20 --rsus 3 --avs 2 --megabytes 1

Every RSU (twin_host) and AV (twin_vehicle) is a process with its records in files; they talk over
DDS. A client asks each AV for migrations without a break (action migrate_twin), drives it around,
and notes each action of each twin. Now and then it kills somebody: with preference the source, the
target or the AV of a migration that is under way, whatever its phase; after a moment it comes back.
Each action names the twin's live state before and after it, so two owners at a time, a lost or a
changed state break the chain. In the end all twins must be served, and the images in the folders of
the owners that the AVs' journals name must have the digests that they had at home. Exit status 1 if
anything is wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from veaat_migration.analysis.migration_tables import ERRORS, PHASES
from veaat_migration.analysis.migrations import check_actions
from veaat_migration.bringup.environment import ros_environment
from veaat_migration.nodes.parent import environment_for_children
from veaat_migration.protocol.migration.codes import CopyKind
from veaat_migration.protocol.migration.file_store import FileJournal, FileStore
from veaat_migration.service.image import make_image

SETTLE = 90.0
"""Longest time in which all twins must be served when the killing is over [s]."""
IMPATIENCE = 5.0
"""Pauses after which somebody is killed even if no twin has moved since the last death."""
PATIENCE = 20.0
"""A goal without a result for so long is given up: its AV has died [s]."""


class Machines:
    """The processes, by name (``rsu_1``, ``av_2``)."""

    def __init__(self, folder: Path, options: argparse.Namespace, domain: str) -> None:
        self.folder, self.options = folder, options
        environment = ros_environment(int(domain))[0]
        self.environment = dict(environment_for_children(environment))
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.names = [f"rsu_{j}" for j in range(1, options.rsus + 1)]
        self.names += [f"av_{i}" for i in range(1, options.avs + 1)]

    def start(self, name: str) -> None:
        """Begin a life."""
        role, _, number = name.partition("_")
        common = {"sync_writes": False, "recovery_timeout": 1e4, "chunk_size": 16_384}
        if role == "rsu":
            executable = "twin_host"
            own: dict[str, Any] = {
                "rsu_id": int(number),
                "store": str(self.folder / name),
                "arrival_rate": 4.0,
            }
        else:
            executable = "twin_vehicle"
            own = {
                "av_id": int(number),
                "journal": str(self.folder / name / "twin.json"),
                "new_twin": True,
                "image_size": self.size,
                "data": 100.0,
                "cycles": 4.0,
                "telemetry_period": 0.05,
            }
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump({"/**": {"ros__parameters": common | own}}))
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [
                    sys.executable, "-m", "veaat_migration.nodes", executable, "--ros-args",
                    "-r", f"__node:={name}_node", "-r", "__ns:=/veaat",
                    "--params-file", str(file), "--disable-external-lib-logs",
                ],
                env=self.environment, cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip

    @property
    def size(self) -> int:
        """Of a twin's image [bytes]."""
        return int(self.options.megabytes * 1e6)

    def kill(self, name: str) -> None:
        """End a life without a warning."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def check_alive(self) -> None:
        """Nobody ends by itself.

        Raises:
            RuntimeError: somebody has.
        """
        for name, process in self.running.items():
            if process.poll() is not None:
                log = (self.folder / f"{name}.log").read_text()
                raise RuntimeError(f"{name} ended by itself:\n{log[-3000:]}")

    def end(self) -> None:
        """End all."""
        for process in self.running.values():
            process.kill()
            process.wait()


class Client:
    """Asks for migrations, drives the AVs around, and notes what their twins do."""

    def __init__(self, options: argparse.Namespace, draw: random.Random) -> None:
        import rclpy
        from nav_msgs.msg import Odometry
        from rclpy.action import ActionClient
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.qos import qos_profile_sensor_data
        from veaat_migration.action import MigrateTwin

        from veaat_migration import msg
        from veaat_migration.nodes import qos

        rclpy.init()
        self.rsus, self._draw = options.rsus, draw
        self._odometry, self._goal = Odometry, MigrateTwin.Goal
        self.actions: list[Any] = []
        self.reports: list[Any] = []
        self.results: Counter[str] = Counter()
        self.phases: dict[int, tuple[int, int, int]] = {}
        """Phase, source and target of the migration that is under way, by AV."""
        self._asked: dict[int, float] = {}
        self.quiet = False
        self._ending = threading.Event()
        self.node = rclpy.create_node("migration_client", namespace="/veaat")
        self._clients, self._wheels = {}, {}
        for i in range(1, options.avs + 1):
            self._clients[i] = ActionClient(self.node, MigrateTwin, f"av_{i}/migrate_twin")
            self._wheels[i] = self.node.create_publisher(
                Odometry, f"av_{i}/odom", qos_profile_sensor_data
            )
            self.node.create_subscription(
                msg.TwinAction, f"av_{i}/twin_actions", self.actions.append, qos.ANSWERS
            )
        for topic, kind, take in (
            ("migration_reports", msg.MigrationReport, self.reports.append),
            ("twin_status", msg.TwinStatus, self._on_status),
        ):
            self.node.create_subscription(kind, topic, take, qos.ANSWERS)
        self.node.create_timer(0.05, self._on_tick)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear no more."""
        self._ending.set()
        self._thread.join()

    def _spin(self) -> None:
        while not self._ending.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def _on_tick(self) -> None:
        now = time.monotonic()
        for i, wheels in self._wheels.items():
            message = self._odometry()
            message.header.stamp = self.node.get_clock().now().to_msg()
            message.pose.pose.position.x = 10.0 * (now % 100.0)
            message.pose.pose.orientation.w = 1.0
            message.twist.twist.linear.x = 10.0
            wheels.publish(message)
            if not self.quiet and now > self._asked.get(i, 0.0) and self._draw.random() < 0.2:
                self._ask(i, now)

    def _ask(self, i: int, now: float) -> None:
        client = self._clients[i]
        if not client.server_is_ready():
            return
        self._asked[i] = now + PATIENCE
        target = self._draw.randint(1, self.rsus)
        bandwidth = self._draw.uniform(10.0, 40.0)
        goal = self._goal(target_rsu_id=target, bandwidth=bandwidth)

        def on_result(future: Any) -> None:
            self.results[ERRORS[future.result().result.report.error]] += 1
            self._asked[i] = 0.0

        def on_accepted(future: Any) -> None:
            if future.result().accepted:
                future.result().get_result_async().add_done_callback(on_result)

        client.send_goal_async(goal).add_done_callback(on_accepted)

    def _on_status(self, status: Any) -> None:
        self.phases[status.av_id] = (status.phase, status.source_rsu_id, status.target_rsu_id)

    def served_since(self, moment: float) -> set[int]:
        """AVs whose twins have acted after a time [s since the epoch]."""
        found = set()
        for action in reversed(self.actions[-2000:]):
            stamp = action.header.stamp
            if stamp.sec + 1e-9 * stamp.nanosec > moment:
                found.add(action.av_id)
        return found


def choose_victim(client: Client, alive: list[str], draw: random.Random) -> tuple[str, str]:
    """Whom to kill, and as what: somebody in a migration if there is one."""
    busy = [(av, *where) for av, where in list(client.phases.items()) if where[0] >= 2]
    draw.shuffle(busy)
    for av, phase, source, target in busy:
        roles = [("av", f"av_{av}"), ("source", f"rsu_{source}"), ("target", f"rsu_{target}")]
        role, name = draw.choice(roles)
        if name in alive:
            return name, f"{role} while {PHASES[phase]}"
    return draw.choice(alive), "somebody"


def storm(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Let nodes migrate twins, kill them, and judge what they did."""
    draw = random.Random(options.seed)
    environment = ros_environment()[0]
    os.environ.update(environment)
    machines = Machines(folder, options, environment["ROS_DOMAIN_ID"])
    client = Client(options, random.Random(options.seed + 1))
    back: dict[str, float] = {}
    kills: Counter[str] = Counter()
    served: set[int] = set()
    try:
        for name in machines.names:
            machines.start(name)
        everybody = set(range(1, options.avs + 1))
        wait_for(lambda: client.served_since(0.0) == everybody, SETTLE, "all twins are served")
        end = time.monotonic() + options.seconds
        next_kill = time.monotonic() + options.pause
        moved_before = 0
        while (now := time.monotonic()) < end:
            for name in [name for name, due in back.items() if due <= now]:
                del back[name]
                machines.start(name)
            machines.check_alive()
            alive = list(machines.running)
            # On a busy machine a new life takes seconds to begin: let some migrations succeed.
            moved = sum(report.moved for report in client.reports)
            rested = moved > moved_before or now >= next_kill + IMPATIENCE * options.pause
            if now >= next_kill and rested and len(alive) > len(machines.names) // 2:
                victim, role = choose_victim(client, alive, draw)
                machines.kill(victim)
                kills[role] += 1
                moved_before = moved
                back[victim] = now + draw.uniform(0.0, 1.5)
                next_kill = now + draw.uniform(0.3, 2.0) * options.pause
            time.sleep(0.02)
        for name in back:
            machines.start(name)
        client.quiet = True
        begin, started = time.monotonic(), time.time()
        while time.monotonic() < begin + SETTLE:
            served = client.served_since(max(started + 3.0, time.time() - 1.0))
            if served == everybody and not any(where[0] for where in client.phases.values()):
                break
            time.sleep(0.2)
    finally:
        machines.end()
        client.close()
    found = check_actions(client.actions)
    problems = found.violations + wrong_images(options, folder, machines.size)
    downtimes = sorted(r.downtime for r in client.reports if r.moved and r.downtime == r.downtime)
    return {
        "seconds": options.seconds,
        "deaths": sum(kills.values()),
        "deaths_by_role": dict(sorted(kills.items())),
        "migrations_that_moved_a_twin": sum(r.moved for r in client.reports),
        "ends_of_migrations": dict(Counter(ERRORS[r.error] for r in client.reports)),
        "results_of_goals": dict(client.results),
        "megabytes_moved": sum(r.size for r in client.reports if r.moved) / 1e6,
        "actions": found.actions,
        "checked_links_of_states": found.links,
        "changes_of_owner": found.owners,
        "median_longest_pause_of_service": downtimes[len(downtimes) // 2] if downtimes else None,
        "violations": problems,
        "all_served_in_the_end": served == everybody,
    }


def wrong_images(options: argparse.Namespace, folder: Path, size: int) -> list[str]:
    """Twins whose image, where the AV's journal says that they are, is not what it was at home."""
    problems = []
    for i in range(1, options.avs + 1):
        ownership = FileJournal(folder / f"av_{i}" / "twin.json", sync=False).load()
        if ownership is None or ownership.owner_id == 0:
            problems.append(f"AV {i}: its journal names no owner")
            continue
        store = FileStore(folder / f"rsu_{ownership.owner_id}", sync=False)
        # All were killed: the last verdict may not have been written down any more.
        owned = [
            copy
            for copy in (*store.copies("held"), *store.copies("coming"))
            if copy.av_id == i
            and (
                (copy.kind in (CopyKind.OWNER, CopyKind.FROZEN) and copy.epoch == ownership.epoch)
                or (copy.kind is CopyKind.PREPARED and copy.migration == ownership.granted)
            )
        ]
        expected = hashlib.sha256(make_image(i, size)).digest()
        images = [store.read_image(i, copy.image) for copy in owned]
        if [hashlib.sha256(image).digest() for image in images] != [expected]:
            problems.append(
                f"AV {i}: RSU {ownership.owner_id} has {len(owned)} copies of epoch "
                f"{ownership.epoch}, or a damaged one"
            )
    return problems


def wait_for(condition: Any, seconds: float, what: str) -> None:
    """Wait until something is so.

    Raises:
        RuntimeError: it does not get so in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {seconds:g} s in vain until {what}")
        time.sleep(0.1)


def main() -> int:
    """Run, print, and say by the exit status whether all went well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300.0, help="of killing (300)")
    parser.add_argument("--rsus", type=int, default=5)
    parser.add_argument("--avs", type=int, default=3)
    parser.add_argument("--megabytes", type=float, default=4.0, help="size of a twin (4)")
    parser.add_argument("--pause", type=float, default=2.0, help="usual time between kills (2 s)")
    parser.add_argument("--seed", type=int, default=1, help="of who is killed when")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = storm(options, Path(folder))
    print(json.dumps(result, indent=2))
    return 0 if result["all_served_in_the_end"] and not result["violations"] else 1


if __name__ == "__main__":
    sys.exit(main())

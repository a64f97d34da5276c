"""Real nodes over real DDS: every test has a ROS domain of its own and leaves no process."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "policy")]

PATIENCE = 60.0
"""Longest wait for something that takes a second on an idle machine [s]."""


def _missing() -> str | None:
    for module in ("rclpy", "veaat_migration.msg"):
        if importlib.util.find_spec(module) is None:
            return (
                f"needs ROS 2 and the built messages ({module}): 'make test' sets them up, "
                "-m 'not ros' leaves these tests out"
            )
    return None


@pytest.fixture(autouse=True)
def _needs_ros() -> None:
    reason = _missing()
    if reason:
        # Not skipped: a broken set-up must not look like a passed test.
        pytest.fail(reason, pytrace=False)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    from veaat_migration.bringup.environment import ros_environment

    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return ros_environment()[0]


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait until ``condition()`` is true; fail with ``what`` when it does not get so in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain until {what}"
        time.sleep(0.02)


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[..., None]:
    return wait_until


def exit_status(running: NodeProcess | Simulation, name: str, seconds: float) -> int:
    """Of a process that ends by itself within so many seconds."""
    try:
        return running.process.wait(seconds)
    except subprocess.TimeoutExpired:
        pytest.fail(f"{name} is still running after {seconds:g} s:\n{running.output}")


class NodeProcess:
    """One of our nodes as a process."""

    def __init__(
        self, folder: Path, environment: dict[str, str], executable: str, name: str,
        parameters: dict[str, Any],
    ) -> None:  # fmt: skip
        self.name = name
        self._log = folder / f"{name}.log"
        file = folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}))
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "veaat_migration.nodes", executable, "--ros-args",
                    "-r", f"__node:={name}", "--params-file", str(file),
                    "--disable-external-lib-logs",
                ],
                env=environment,
                cwd=folder,  # not the checkout, whose package lacks the generated messages
                stdout=log,
                stderr=log,
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self._log.read_text()

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, seconds: float = PATIENCE) -> int:
        return exit_status(self, self.name, seconds)


@pytest.fixture
def start_node(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., NodeProcess]]:
    """Start a node: ``start_node(executable, name, **parameters)``."""
    started: list[NodeProcess] = []

    def start(executable: str, name: str, **parameters: Any) -> NodeProcess:
        started.append(NodeProcess(tmp_path, environment, executable, name, parameters))
        return started[-1]

    yield start
    for node in started:
        if node.process.poll() is None:
            node.process.kill()
            node.process.wait()


@pytest.fixture
def start_plan(start_node: Callable[..., NodeProcess]) -> Callable[..., dict[str, NodeProcess]]:
    """Start what a plan says: ``start_plan(instance, options)``; nodes by name."""
    from veaat_migration.bringup.plan import make_plan

    def start(instance: Any, options: Any) -> dict[str, NodeProcess]:
        return {
            node.name: start_node(node.executable, node.name, **node.parameters)
            for node in make_plan(instance, options).nodes
        }

    return start


class Listener:
    """A node in the test that keeps what it hears, and can speak."""

    def __init__(self, domain_id: int) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain_id)
        self.node = rclpy.create_node("test", namespace="veaat", context=self._context)
        self.heard: dict[str, list[Any]] = {}
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self) -> None:
        while not self._ending.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def listen(self, topic: str, kind: Any, profile: Any) -> list[Any]:
        """The list to which all messages of the topic are added."""
        heard = self.heard.setdefault(topic, [])
        self.node.create_subscription(kind, topic, heard.append, profile)
        return heard

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()


@pytest.fixture
def listener(environment: dict[str, str]) -> Iterator[Listener]:
    listener = Listener(int(environment["ROS_DOMAIN_ID"]))
    yield listener
    listener.close()


class Heard:
    """All that was said, by topic, as it comes."""

    def __init__(self, listener: Listener) -> None:
        from veaat_migration import msg
        from veaat_migration.nodes import qos

        self.offers = listener.listen("price_offers", msg.PriceOffer, qos.OFFERS)
        self.bids = listener.listen("bandwidth_bids", msg.BandwidthBid, qos.ANSWERS)
        self.settlements = listener.listen("settlements", msg.Settlement, qos.ANSWERS)
        # Last: players that wait for observers take it for a sign that the others are there.
        self.statuses = listener.listen("node_status", msg.NodeStatus, qos.ANSWERS)


@pytest.fixture
def heard(listener: Listener) -> Heard:
    return Heard(listener)


RSU = {"quality": 1.0, "unit_cost": 2.0, "price_max": 30.0, "join_listen": 0.1}
AV = {"satisfaction": 25.0, "offset": 1.0, "bandwidth_max": 10.0}
WATCHED = {"observers": "test", "observer_timeout": PATIENCE}
"""Wait for our listener, so that it misses nothing."""


@pytest.fixture
def rsu(start_node: Callable[..., NodeProcess], heard: Heard) -> Callable[..., NodeProcess]:
    """Start an RSU that ``heard`` hears: ``rsu(1, rounds=5)``."""
    assert heard is not None
    return lambda rsu_id, **parameters: start_node(
        "rsu_leader", f"rsu_{rsu_id}", rsu_id=rsu_id, **{**RSU, **WATCHED, **parameters}
    )


@pytest.fixture
def av(start_node: Callable[..., NodeProcess], heard: Heard) -> Callable[..., NodeProcess]:
    """Start an AV that ``heard`` hears: ``av(1)``."""
    assert heard is not None
    return lambda av_id, **parameters: start_node(
        "av_follower", f"av_{av_id}", av_id=av_id, **{**AV, **WATCHED, **parameters}
    )


def processes_started_by(pid: int) -> list[int]:
    """Our nodes that a starter with this pid has started, however they are related to it now."""
    from veaat_migration.nodes.parent import VARIABLE

    wanted = f"{VARIABLE}={pid}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:  # it has ended, or is not ours
            continue
    return found


@pytest.fixture
def processes_of() -> Callable[[int], list[int]]:
    return processes_started_by


class Simulation:
    """``veaat sim`` as a user starts it."""

    def __init__(self, folder: Path, environment: dict[str, str], arguments: tuple[str, ...]):
        self.folder = folder / "run"
        self._out = folder / "sim.log"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "veaat_migration.cli", "sim", "--no-plots",
                    "--output", str(self.folder), *arguments,
                ],
                env=environment,
                cwd=folder,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self._out.read_text()

    def children(self) -> list[int]:
        return processes_started_by(self.process.pid)

    def child(self, name: str) -> int:
        """Process id of a node."""
        for pid in self.children():
            if f"__node:={name}".encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        raise LookupError(name)

    def wait_for_rounds(self) -> None:
        wait_until(lambda: "round 10" in self.output, f"ten rounds were played: {self.output}")

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, seconds: float = PATIENCE) -> int:
        return exit_status(self, "veaat sim", seconds)


@pytest.fixture
def simulate(tmp_path: Path) -> Iterator[Callable[..., Simulation]]:
    """Start ``veaat sim`` in a domain it finds: ``simulate("--rounds", "5", VARIABLE="value")``."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    for name in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE"):
        environment.pop(name, None)
    started: list[Simulation] = []

    def start(*arguments: str, **variables: str) -> Simulation:
        started.append(Simulation(tmp_path, environment | variables, arguments))
        return started[-1]

    yield start
    for simulation in started:
        if simulation.process.poll() is None:
            simulation.process.kill()
            simulation.process.wait()
        for pid in simulation.children():
            os.kill(pid, signal.SIGKILL)

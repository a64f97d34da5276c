"""The doctor looks at a real network."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ros

SCRIPT = """
import sys
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String
from veaat_migration import msg

rclpy.init()
node = rclpy.create_node(sys.argv[1], namespace="/veaat")
kind = sys.argv[2]
if kind == "best_effort":
    profile = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = node.create_publisher(msg.PriceOffer, "price_offers", profile)
elif kind == "foreign":
    publisher = node.create_publisher(String, "price_offers", 1)
elif kind == "double":
    publisher = node.create_publisher(msg.NodeStatus, "node_status", 10)
    status = msg.NodeStatus(role=2, player_id=1, session=node.get_clock().now().nanoseconds)
    timer = node.create_timer(0.2, lambda: publisher.publish(status))
print("ready", flush=True)
rclpy.spin(node)
"""


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[[str, str], None]]:
    """Start somebody else's node of a name and kind."""
    started: list[subprocess.Popen[str]] = []

    def run(name: str, kind: str) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, name, kind],
            env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    yield run
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def examine(
    environment: dict[str, str], folder: Path, *arguments: str, seconds: float = 4.0
) -> dict[str, Any]:
    """Findings by check."""
    result = subprocess.run(
        [
            sys.executable, "-m", "veaat_migration.cli", "doctor", "--json",
            "--listen", str(seconds), *arguments,
        ],
        env=environment, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    report = json.loads(result.stdout)
    assert result.returncode == int(report["failed"])
    return {entry["check"]: entry for entry in report["findings"]}


PLAYERS: dict[str, dict[str, Any]] = {
    "rsu_1": {"rsu_id": 1, "quality": 1.0, "unit_cost": 2.0, "price_max": 30.0},
    "av_1": {"av_id": 1, "satisfaction": 20.0, "offset": 1.2, "bandwidth_max": 10.0},
}


@pytest.fixture
def play(start_node: Callable[..., Any], wait_until: Callable[..., None]) -> None:
    """A game that is under way."""
    nodes = [
        start_node("rsu_leader", "rsu_1", round_period=0.1, **PLAYERS["rsu_1"]),
        start_node("av_follower", "av_1", **PLAYERS["av_1"]),
    ]
    wait_until(lambda: all("playing, round" in node.output for node in nodes), "both play")


@pytest.mark.usefixtures("play")
def test_a_healthy_game(environment: dict[str, str], tmp_path: Path):
    findings = examine(environment, tmp_path, "--odom", "odom")

    assert "nobody publishes /odom" in findings["odometry"]["found"]
    assert findings["players"]["found"] == "AV 1, RSU 1 in /veaat"
    for check in ("types", "qos", "identities", "time", "stamps", "messages"):
        assert findings[check]["level"] == "OK", findings[check]


@pytest.mark.usefixtures("play")
def test_a_publisher_that_nobody_can_hear(
    start: Callable[[str, str], None], environment: dict[str, str], tmp_path: Path
):
    start("other_rsu", "best_effort")

    found = examine(environment, tmp_path)["qos"]

    assert found["level"] == "FAIL"
    assert "/veaat/av_1 does not hear /veaat/other_rsu" in found["found"]
    assert "best effort" in found["found"]


def test_foreign_types_and_players_that_are_there_twice(
    start: Callable[[str, str], None], environment: dict[str, str], tmp_path: Path
):
    start("shop", "foreign")
    for name in ("av_1", "av_one"):
        start(name, "double")

    findings = examine(environment, tmp_path)

    assert findings["types"]["level"] == "FAIL"
    assert "/veaat/shop uses price_offers for std_msgs/msg/String" in findings["types"]["found"]
    assert findings["identities"]["level"] == "FAIL"
    assert "AV 1" in findings["identities"]["found"]


def test_its_rules_are_those_of_the_nodes():
    from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

    from veaat_migration.doctor.network_facts import TOPICS, Qos
    from veaat_migration.nodes import qos

    def rule(profile: Any) -> Qos:
        return Qos(
            reliable=profile.reliability == ReliabilityPolicy.RELIABLE,
            transient_local=profile.durability == DurabilityPolicy.TRANSIENT_LOCAL,
        )

    offered = {"price_offers": qos.OFFER, "policy_manifest": qos.LATCHED}
    for name, topic in TOPICS.items():
        assert topic.writer == rule(offered.get(name, qos.ANSWERS))
        assert topic.reader == rule(
            qos.OFFERS if name == "price_offers" else offered.get(name, qos.ANSWERS)
        )

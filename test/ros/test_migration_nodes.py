"""Twins that move between real nodes over DDS: the action, its errors, nodes that are killed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ros

ROOT = Path(__file__).resolve().parents[2]
SIZE = 300_000


class Street:
    """An AV that is driven around, and the RSUs that it may migrate to."""

    def __init__(self, start_node: Callable[..., Any], listener: Any, folder: Path) -> None:
        from nav_msgs.msg import Odometry
        from rclpy.action import ActionClient
        from rclpy.qos import qos_profile_sensor_data
        from veaat_migration.action import MigrateTwin

        from veaat_migration import msg
        from veaat_migration.nodes import qos

        self.start_node, self.folder, self.node = start_node, folder, listener.node
        self.goal_type = MigrateTwin.Goal
        self.actions = listener.listen("av_1/twin_actions", msg.TwinAction, qos.ANSWERS)
        self.reports = listener.listen("migration_reports", msg.MigrationReport, qos.ANSWERS)
        self.qualities = listener.listen("service_quality", msg.ServiceQuality, qos.MANY_LATCHED)
        self.hosts = listener.listen("host_status", msg.HostStatus, qos.ANSWERS)
        self.phases: list[int] = []
        self.client = ActionClient(self.node, MigrateTwin, "av_1/migrate_twin")
        wheels = self.node.create_publisher(Odometry, "av_1/odom", qos_profile_sensor_data)

        def drive() -> None:
            message = Odometry()
            message.header.stamp = self.node.get_clock().now().to_msg()
            message.pose.pose.orientation.w = 1.0
            wheels.publish(message)

        self.node.create_timer(0.05, drive)

    def host(self, number: int, **parameters: Any) -> Any:
        common = {"rsu_id": number, "store": str(self.folder / f"rsu_{number}"), "quality": 1.0}
        return self.start_node(
            "twin_host", f"twins_{number}", sync_writes=False, **common, **parameters
        )

    def vehicle(self, **parameters: Any) -> Any:
        journal = str(self.folder / "av_1" / "twin.json")
        common = {"av_id": 1, "journal": journal, "new_twin": True, "image_size": SIZE}
        # D_i / (b s) with b = 10 MHz and s = 10 bit/s/Hz: a second.
        common |= {"data": 100.0, "cycles": 4.0, "sync_writes": False, "chunk_size": 10_000}
        return self.start_node("twin_vehicle", "twin", **(common | parameters))

    def ask(self, target: int, bandwidth: float = 10.0, **goal: Any) -> Any:
        """Send a goal; its handle once it is accepted or rejected."""
        assert self.client.wait_for_server(timeout_sec=60.0)
        self.phases.clear()
        future = self.client.send_goal_async(
            self.goal_type(target_rsu_id=target, bandwidth=bandwidth, **goal),
            feedback_callback=lambda message: self.phases.append(message.feedback.phase),
        )
        return wait(future)

    def settle(self, target: int) -> Any:
        """The report on a migration that succeeds; on a busy machine some may not."""
        for _ in range(20):
            report = self.migrate(target)
            if report.error == 0:
                return report
        raise AssertionError(f"the last of 20 migrations failed: {report}")

    def wait_for_hosts(self, *numbers: int) -> None:
        """Until these RSUs run."""
        deadline = time.monotonic() + 90.0
        while not set(numbers) <= {status.rsu_id for status in self.hosts}:
            assert time.monotonic() < deadline, "the RSUs do not start"
            time.sleep(0.05)

    def migrate(self, target: int, **goal: Any) -> Any:
        """The report on a migration, when it has ended."""
        return wait(self.ask(target, **goal).get_result_async()).result.report

    def image(self, number: int) -> str:
        """Digest of the image that the owner has."""
        (path,) = (self.folder / f"rsu_{number}" / "images").glob("1-*.image")
        return hashlib.sha256(path.read_bytes()).hexdigest()


def wait(future: Any, seconds: float = 90.0) -> Any:
    deadline = time.monotonic() + seconds
    while not future.done():
        assert time.monotonic() < deadline, f"no answer for {seconds:g} s"
        time.sleep(0.01)
    return future.result()


@pytest.fixture
def street(start_node: Callable[..., Any], listener: Any, tmp_path: Path) -> Street:
    return Street(start_node, listener, tmp_path)


def test_a_twin_migrates_by_the_action(street: Street, wait_until: Callable[..., None]):
    from veaat_migration.service.image import make_image

    for number in (1, 2):
        street.host(number)
    street.vehicle()
    street.wait_for_hosts(1, 2)
    first = street.settle(1)
    assert (first.error, first.source_rsu_id, first.owner_rsu_id) == (0, 0, 1)
    wait_until(lambda: len(street.actions) > 3, "the twin acts")
    report = street.settle(2)
    assert (report.error, report.owner_rsu_id, report.epoch) == (0, 2, first.epoch + 1)
    assert street.phases == sorted(street.phases)
    assert {2, 3, 6} <= set(street.phases)
    assert report.transfer_delay > 0.9
    assert 0.0 < report.downtime < report.total_delay
    assert report.total_delay == pytest.approx(
        report.request_delay + report.negotiation_delay + report.migration_delay
        + report.handover_delay
    )  # fmt: skip
    assert street.image(2) == hashlib.sha256(make_image(1, SIZE)).hexdigest()
    wait_until(lambda: street.actions[-1].rsu_id == 2, "the twin acts at RSU 2")
    from veaat_migration.analysis.migrations import check_actions

    found = check_actions(street.actions)
    assert (found.violations, found.owners) == ([], 1)
    assert found.links > 3
    # Both RSUs have served a good migration: they have come to offer more.
    wait_until(
        lambda: {q.rsu_id for q in street.qualities if q.quality > 1.0} == {1, 2}, "merit is told"
    )


def test_goals_are_refused_canceled_and_fail_in_words(
    street: Street, wait_until: Callable[..., None]
):
    from action_msgs.msg import GoalStatus

    street.host(1)
    street.host(2, storage=1000)
    street.vehicle(default_efficiency=10.0)
    street.wait_for_hosts(1, 2)
    assert not street.ask(2, av_id=7).accepted
    assert not street.ask(0, bandwidth=5.0).accepted
    street.settle(1)
    full = street.migrate(2)
    assert (full.error, full.moved, full.owner_rsu_id) == (3, False, 1)
    assert full.message == f"no room for {SIZE} bytes, 1000 are left"
    assert street.migrate(1).error == 3  # it is there already
    nowhere = street.migrate(0, bandwidth=0.0)
    assert (nowhere.error, nowhere.message) == (1, "no RSU on the way")
    dead = street.migrate(9)
    assert dead.error == 5
    handle = street.ask(9)
    assert wait(handle.cancel_goal_async()).goals_canceling
    canceled = wait(handle.get_result_async())
    assert canceled.status == GoalStatus.STATUS_CANCELED
    assert canceled.result.report.error == 8
    older, newer = street.ask(9), street.ask(9)
    assert wait(older.get_result_async()).result.report.error == 7
    wait(newer.cancel_goal_async())
    count = len(street.actions)
    wait_until(lambda: len(street.actions) > count, "the twin acts as if nothing had been")
    assert street.actions[-1].rsu_id == 1


@pytest.mark.parametrize("victim", ["source", "target", "vehicle"])
def test_whoever_is_killed_in_a_transfer_the_twin_lives_on(
    street: Street, wait_until: Callable[..., None], victim: str
):
    from veaat_migration.analysis.migrations import check_actions

    patient = {"recovery_timeout": 1e4}
    nodes = {1: street.host(1, **patient), 2: street.host(2, **patient)}
    av = street.vehicle(**patient)
    street.wait_for_hosts(1, 2)
    street.settle(1)
    wait_until(lambda: street.actions, "the twin acts")
    street.ask(2, bandwidth=5.0)
    wait_until(lambda: 3 in street.phases, "bytes are on their way")
    dead = {"source": nodes[1], "target": nodes[2], "vehicle": av}[victim]
    dead.send(signal.SIGKILL)
    dead.end()
    if victim == "vehicle":
        street.vehicle(**patient)
    else:
        street.host(1 if victim == "source" else 2, **patient)
    count = len(street.actions)
    wait_until(lambda: len(street.actions) > count + 3, "the twin is served again")
    # Whoever was killed may take its time to come back.
    report = street.settle(2 if street.actions[-1].rsu_id == 1 else 1)
    wait_until(lambda: street.actions[-1].rsu_id == report.owner_rsu_id, "it acts there")
    found = check_actions(street.actions)
    assert found.violations == []
    assert found.owners >= 1


@pytest.mark.slow
def test_nodes_killed_at_random_lose_no_twin(tmp_path: Path):
    """The short form of a benchmark of five minutes."""
    command = [sys.executable, str(ROOT / "benchmarks" / "migration_nodes.py")]
    small = ["--seconds", "12", "--rsus", "3", "--avs", "2", "--megabytes", "0.5"]
    result = subprocess.run(
        [*command, *small],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "ROS_DOMAIN_ID"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    figures = json.loads(result.stdout)
    assert figures["deaths"] > 0
    assert figures["violations"] == []
    assert figures["checked_links_of_states"] > 20


@pytest.mark.slow
def test_a_city_runs_from_one_command(tmp_path: Path):
    command = [sys.executable, "-m", "veaat_migration.cli", "migrate", "--output", "run"]
    small = ["--seconds", "20", "--speed", "1", "--avs", "2", "--rsus", "2", "--radius", "400"]
    environment = {name: value for name, value in os.environ.items() if name != "ROS_DOMAIN_ID"}
    result = subprocess.run(
        [*command, *small, "--image-share", "0.01"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    migrations = report["migrations"]
    assert migrations["moved"] >= 1
    assert migrations["ownership"]["violations"] == []
    assert migrations["ownership"]["actions"] > 10
    for table in ("migrations", "twin_status", "host_status", "twin_copies", "twin_actions"):
        assert (tmp_path / "run" / f"{table}.csv").stat().st_size > 100

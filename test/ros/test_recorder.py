"""The recorder as a process of its own, with a publisher in the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ros

PROGRAM = "import sys; from veaat_migration.nodes.recorder import main; sys.exit(main())"


class Recorder:
    """A recorder process that writes to ``bag``."""

    def __init__(self, bag: Path, environment: dict[str, str], **parameters: str) -> None:
        self.bag = bag
        listed = [f"{name}:={value}" for name, value in {"output": bag, **parameters}.items()]
        options = [word for entry in listed for word in ("-p", entry)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "--ros-args", *options],
            env=environment,
            cwd=bag.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == "recorder ready":
                return
        pytest.fail("the recorder ended before it was ready")

    def end(self, number: int) -> tuple[int, str]:
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=15)
        return self.process.returncode, output


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    from veaat_migration.bringup.domain import free_domain_id

    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(free_domain_id()))
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def record(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., Recorder]]:
    started: list[Recorder] = []

    def start(**parameters: str) -> Recorder:
        started.append(Recorder(tmp_path / "bag", environment, **parameters))
        return started[-1]

    yield start
    for recorder in started:
        if recorder.process.poll() is None:
            recorder.process.kill()
            recorder.process.communicate()


@pytest.fixture
def node(environment: dict[str, str]) -> Iterator[Any]:
    import rclpy

    context = rclpy.Context()
    rclpy.init(context=context, domain_id=int(environment["ROS_DOMAIN_ID"]))
    node = rclpy.create_node("test_players", namespace="veaat", context=context)
    yield node
    node.destroy_node()
    rclpy.try_shutdown(context=context)


class Players:
    """Publishes offers, settlements and the game, as the players would."""

    def __init__(self, node: Any) -> None:
        from std_msgs.msg import String

        from veaat_migration import msg
        from veaat_migration.nodes import qos

        self.node, self.msg = node, msg
        self.offers = node.create_publisher(msg.PriceOffer, "price_offers", qos.OFFERS)
        self.accounts = node.create_publisher(msg.Settlement, "settlements", qos.ANSWERS)
        self.game = node.create_publisher(String, "game_instance", qos.LATCHED)
        self.game.publish(String(data="{}"))

    def connect(self) -> None:
        publishers = (self.offers, self.accounts, self.game)
        deadline = time.monotonic() + 20.0
        while any(publisher.get_subscription_count() == 0 for publisher in publishers):
            assert time.monotonic() < deadline, "the recorder does not subscribe"
            time.sleep(0.02)
        # A writer may know its reader before the reader knows the writer.
        time.sleep(1.0)

    def play(self, first: int, last: int, period: float) -> None:
        for number in range(first, last + 1):
            offer = self.msg.PriceOffer(round=number, rsu_id=1, price=float(number))
            account = self.msg.Settlement(
                round=number, rsu_id=1, price=float(number), av_ids=[1], bandwidth=[0.1 * number]
            )
            for publisher, message in ((self.offers, offer), (self.accounts, account)):
                message.header.stamp = self.node.get_clock().now().to_msg()
                publisher.publish(message)
            time.sleep(period)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_recorder_has_every_message(
    record: Callable[..., Recorder], node: Any, number: int
):
    from rosbags.highlevel import AnyReader

    from veaat_migration.analysis.reading import read_bag

    recorder = record()
    recorder.wait_until_ready()
    players = Players(node)
    players.connect()
    players.play(1, 300, 0.001)
    code, output = recorder.end(number)
    assert code == 0, output
    recording = read_bag(recorder.bag)
    assert recording.problems == []
    assert recording.namespace == "/veaat"
    assert recording.custom_data == {"recorder_overruns": "0"}
    rounds = [received.message.round for received in recording.messages["settlements"]]
    assert rounds == list(range(1, 301))
    assert len(recording.messages["price_offers"]) == 300
    assert len(recording.messages["game_instance"]) == 1
    late = [m for m in recording.messages["settlements"] if m.receive_time < m.stamp]
    assert not late
    # Opening checks that the definitions in the bag have the hashes that ROS gave the types.
    with AnyReader([recorder.bag]) as reader:
        assert reader.message_count == 601


def test_a_killed_recorder_loses_no_more_than_the_last_moment(
    record: Callable[..., Recorder], node: Any
):
    from veaat_migration.analysis.reading import read_bag

    recorder = record(flush_interval="0.3", compression="zstd")
    recorder.wait_until_ready()
    players = Players(node)
    players.connect()
    players.play(1, 250, 0.004)
    old = time.time_ns() - 800_000_000
    code, _ = recorder.end(signal.SIGKILL)
    assert code == -signal.SIGKILL
    recording = read_bag(recorder.bag)
    assert any("was not closed" in problem for problem in recording.problems)
    stamps = [received.stamp or 0 for received in recording.messages["settlements"]]
    rounds = [received.message.round for received in recording.messages["settlements"]]
    assert rounds == list(range(1, len(rounds) + 1))
    assert stamps[-1] > old
    assert len(rounds) > 20


def test_an_existing_bag_is_kept(record: Callable[..., Recorder], tmp_path: Path):
    (tmp_path / "bag").mkdir()
    recorder = record()
    output, _ = recorder.process.communicate(timeout=20)
    assert recorder.process.returncode == 2
    assert "exists already and is not overwritten" in output
    assert list((tmp_path / "bag").iterdir()) == []


def test_chosen_topics_and_those_of_others_are_recorded(
    record: Callable[..., Recorder], node: Any, tmp_path: Path
):
    from rosbags.highlevel import AnyReader
    from std_msgs.msg import String

    ready = tmp_path / "ready"
    recorder = record(topics="settlements,/chatter=std_msgs/msg/String", ready_file=str(ready))
    recorder.wait_until_ready()
    assert ready.exists()
    chatter = node.create_publisher(String, "/chatter", 10)
    deadline = time.monotonic() + 20.0
    while chatter.get_subscription_count() == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    for _ in range(20):
        chatter.publish(String(data="hello"))
        time.sleep(0.05)
    code, output = recorder.end(signal.SIGINT)
    assert code == 0, output
    with AnyReader([recorder.bag]) as reader:
        assert {connection.topic for connection in reader.connections} == {
            "/veaat/settlements", "/chatter"
        }  # fmt: skip
        texts = {reader.deserialize(data, c.msgtype).data for c, _, data in reader.messages()}
    assert texts == {"hello"}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"topics": "settlement"}, "'settlement' is not a topic of the game"),
        ({"topics": "/odom=nav_msgs/msg/Odom"}, "no definition of message type"),
        ({"compression": "rar"}, "compression: must be one of none, zstd"),
    ],
)
def test_wrong_parameters_are_explained(
    record: Callable[..., Recorder], parameters: dict[str, str], message: str
):
    recorder = record(**parameters)
    output, _ = recorder.process.communicate(timeout=20)
    assert recorder.process.returncode == 2
    assert message in output
    assert not recorder.bag.exists()

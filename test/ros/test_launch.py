"""The launch files with the real ``launch`` and ``ros2 launch``, where they are installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

LAUNCH = Path(__file__).resolve().parents[2] / "launch"


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif(
        not _installed("launch_ros.actions"),
        reason="needs launch_ros, which only a full ROS 2 installation has",
    ),
]


def launched(file: str, **arguments: str) -> tuple[list[Any], Any]:
    """What a launch file would start with these arguments, and the context of launch."""
    from launch import LaunchContext
    from launch.actions import DeclareLaunchArgument, OpaqueFunction
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    context = LaunchContext()
    source = PythonLaunchDescriptionSource(str(LAUNCH / file))
    actions = []
    for entity in source.get_launch_description(context).entities:
        if isinstance(entity, DeclareLaunchArgument):
            default = "".join(part.perform(context) for part in entity.default_value)
            context.launch_configurations[entity.name] = arguments.get(entity.name, default)
        elif isinstance(entity, OpaqueFunction):
            actions += entity.execute(context)
    return actions, context


def text(context: Any, parts: Any) -> str:
    return "".join(part.perform(context) for part in parts)


def test_the_launch_file_starts_the_plan(tmp_path: Path, monkeypatch):
    from launch_ros.actions import Node

    from veaat_migration.bringup.plan import Options, make_plan
    from veaat_migration.bringup.scenarios import find_scenario
    from veaat_migration.scenario import load_game

    monkeypatch.chdir(tmp_path)
    actions, context = launched(
        "sim.launch.py", scenario="base", rounds="7", seed="5", leader_policy="greedy",
        players="av_2=random", bag=str(tmp_path / "bag"),
    )  # fmt: skip
    nodes = [action for action in actions if isinstance(action, Node)]
    options = Options(
        rounds=7, seed=5, leader_policy="greedy", policies={"av_2": "random"},
        bag=str(tmp_path / "bag"),
    )  # fmt: skip
    plan = make_plan(load_game(find_scenario("base")), options)
    assert [node.node_executable for node in nodes] == [spec.executable for spec in plan.nodes]
    for node, spec in zip(nodes, plan.nodes, strict=True):
        node._perform_substitutions(context)
        assert node.node_name == f"{spec.namespace}/{spec.name}"


def test_without_a_recording_nothing_is_written(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    actions, _ = launched("sim.launch.py", record="false", composed="true")
    assert len(actions) == 2  # the monitor and the process with all players
    assert not list(tmp_path.iterdir())


def test_a_city_is_launched_as_planned(tmp_path: Path):
    from launch_ros.actions import Node

    actions, context = launched(
        "migrate.launch.py", seconds="20", avs="2", rsus="3", output=str(tmp_path / "run")
    )
    nodes = [action for action in actions if isinstance(action, Node)]
    for node in nodes:
        node._perform_substitutions(context)
    names = [node.node_name.rpartition("/")[2] for node in nodes]
    assert names == [
        *("recorder", "migration_monitor", "traffic"),
        *("rsu_1_machine", "rsu_2_machine", "rsu_3_machine", "av_1_machine", "av_2_machine"),
    ]
    assert (tmp_path / "run" / "town.fcd.xml.gz").is_file()


def test_rosbag2_records_all_topics_of_the_game():
    (action,), context = launched("record.launch.py", bag="/tmp/some_bag", namespace="/town")
    words = [text(context, word) for word in action.cmd]
    assert words[:3] == ["ros2", "bag", "record"]
    assert "/town/settlements" in words
    assert "/diagnostics" in words
    assert words[words.index("--output") + 1] == "/tmp/some_bag"
    profiles = words[words.index("--qos-profile-overrides-path") + 1]
    assert Path(profiles).is_file()


def test_the_trainer_gets_what_was_given():
    from launch_ros.actions import Node
    from launch_ros.utilities import evaluate_parameters

    (node,), context = launched(
        "train.launch.py", config="mappo", seed="3", folder="007", train_on_activate="false",
        release_gap="inf", namespace="/town",
    )  # fmt: skip
    assert isinstance(node, Node)
    node._perform_substitutions(context)
    assert node.node_name == "/town/trainer"
    (given,) = evaluate_parameters(context, node._Node__parameters)
    assert given == {
        "config": "mappo",
        "seed": 3,
        "folder": "007",
        "train_on_activate": False,
        "release_gap": float("inf"),
    }
    with pytest.raises(RuntimeError, match="seed: must be a whole number, got 'x'"):
        launched("train.launch.py", seed="x")


def test_learned_players_are_launched_with_their_bundle(tmp_path: Path, monkeypatch):
    from artifacts import make_bundle
    from launch_ros.actions import Node

    from veaat_migration.policy.policy_files import write_bundle

    monkeypatch.chdir(tmp_path)
    write_bundle(make_bundle(), tmp_path / "bundle")
    actions, _ = launched(
        "sim.launch.py", policy="learned", policies=str(tmp_path / "bundle"), record="false",
        follower_policy="greedy",
    )  # fmt: skip
    nodes = [action for action in actions if isinstance(action, Node)]
    assert [node.node_executable for node in nodes] == [
        "round_monitor", *["rsu_inference"] * 2, *["av_follower"] * 3
    ]  # fmt: skip


def test_the_vehicle_is_one_node_whose_topics_are_remapped():
    from launch_ros.actions import Node

    (node,), context = launched(
        "vehicle.launch.py", name="av_7", namespace="/town", odom="/odometry/filtered",
        policy_path="/data/policies",
    )  # fmt: skip
    assert isinstance(node, Node)
    assert node.node_executable == "av_inference"
    node._perform_substitutions(context)
    assert node.node_name == "/town/av_7"
    assert ("odom", "/odometry/filtered") in node.expanded_remapping_rules
    assert ("twin_task", "twin_task") in node.expanded_remapping_rules


class Launch:
    """``ros2 launch veaat_migration sim.launch.py``."""

    def __init__(self, folder: Path, environment: dict[str, str], arguments: tuple[str, ...]):
        self.bag = folder / "run" / "bag"
        self._out = folder / "launch.log"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [
                    "ros2", "launch", str(LAUNCH / "sim.launch.py"), f"bag:={self.bag}",
                    *arguments,
                ],
                env=environment, cwd=folder, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self._out.read_text()


@pytest.fixture
def launch(
    tmp_path: Path, environment: dict[str, str], processes_of: Callable[[int], list[int]]
) -> Iterator[Callable[..., Launch]]:
    if shutil.which("ros2") is None:
        # The wheels from PyPI bring neither ros2 nor launch. What the launch files start is tested
        # without them: the plan in test/bringup, its processes in test_simulation.py.
        pytest.skip("no ros2 command: source a full ROS 2 installation, then 'make test-ros'")
    started: list[Launch] = []

    def start(*arguments: str) -> Launch:
        started.append(Launch(tmp_path, environment, arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        for pid in processes_of(one.process.pid):
            os.kill(pid, signal.SIGKILL)


def test_ros2_launch_plays_and_records_a_game(
    launch: Callable[..., Launch], processes_of: Callable[[int], list[int]]
):
    from veaat_migration.analysis.reading import read_bag

    game = launch("rounds:=60")
    assert game.process.wait(120) == 0, game.output
    assert processes_of(game.process.pid) == []
    settlements = read_bag(game.bag).messages["settlements"]
    assert len(settlements) == 120, game.output


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM", "SIGKILL"])
def test_no_node_outlives_ros2_launch(
    launch: Callable[..., Launch],
    processes_of: Callable[[int], list[int]],
    wait_until: Callable[..., None],
    how: str,
):
    from veaat_migration.analysis.reading import read_bag

    game = launch("rounds:=0", "period:=0.01")
    wait_until(lambda: "round 10" in game.output, "the game runs")
    if how == "Ctrl-C":  # the terminal sends it to the whole group
        os.killpg(game.process.pid, signal.SIGINT)
    else:
        game.process.send_signal(getattr(signal, how))
    wait_until(lambda: not processes_of(game.process.pid), "all nodes have ended", 20.0)
    game.process.wait(20)
    assert len(read_bag(game.bag).messages["settlements"]) > 10

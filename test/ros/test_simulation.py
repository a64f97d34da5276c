"""``veaat sim``: everything starts, is recorded and analysed, and ends on every path."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ros


def messages_in(bag: Path) -> dict[str, int]:
    from veaat_migration.analysis.reading import read_bag

    recording = read_bag(bag)
    return {topic: len(listed) for topic, listed in recording.messages.items()}


def test_the_base_game_is_played_recorded_and_analysed(simulate: Callable[..., Any]):
    simulation = simulate("--rounds", "100", "--seed", "3")
    assert simulation.end() == 0, simulation.output
    assert simulation.children() == []
    report = json.loads((simulation.folder / "report.json").read_text())
    assert report["rounds"] == report["complete_rounds"] == 100
    assert report["final_round"] == 100
    assert report["converged"] <= 100
    assert report["audit"]["counts"] == {}
    assert messages_in(simulation.folder / "bag")["settlements"] == 200
    assert "ROS domain" in simulation.output
    assert "round 100/100" in simulation.output
    assert "furthest from equilibrium" in simulation.output
    logs = {path.stem for path in (simulation.folder / "logs").iterdir()}
    assert logs == {"recorder", "round_monitor", "rsu_1", "rsu_2", "av_1", "av_2", "av_3"}


def test_composed_players_share_one_process(simulate: Callable[..., Any]):
    simulation = simulate(
        "--rounds", "60", "--composed", "--executor", "single_threaded", "--player", "av_2=greedy"
    )  # fmt: skip
    assert simulation.end() == 0, simulation.output
    report = json.loads((simulation.folder / "report.json").read_text())
    assert report["complete_rounds"] == 60
    assert {path.stem for path in (simulation.folder / "logs").iterdir()} == {
        "recorder", "round_monitor", "players"
    }  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_and_keeps_the_recording(simulate: Callable[..., Any], number: int):
    simulation = simulate("--rounds", "0", "--period", "0.01")
    simulation.wait_for_rounds()
    simulation.send(number)
    assert simulation.end() == 128 + number, simulation.output
    assert simulation.children() == []
    heard = messages_in(simulation.folder / "bag")
    assert heard["settlements"] >= 20  # ten rounds of two RSUs were told
    assert (simulation.folder / "report.json").is_file()
    assert "killed" not in simulation.output


def test_the_second_signal_kills(simulate: Callable[..., Any], wait_until: Callable[..., None]):
    simulation = simulate("--rounds", "0", "--no-record")
    simulation.wait_for_rounds()
    os.kill(simulation.child("av_1"), signal.SIGSTOP)  # it cannot say goodbye
    simulation.send(signal.SIGINT)
    wait_until(lambda: "once more to kill" in simulation.output, "it says that it is stopping")
    simulation.send(signal.SIGINT)
    assert simulation.end(seconds=10.0) == 128 + signal.SIGINT
    assert simulation.children() == []


def test_children_end_with_a_killed_starter(
    simulate: Callable[..., Any], wait_until: Callable[..., None]
):
    simulation = simulate("--rounds", "0", "--period", "0.01")
    simulation.wait_for_rounds()
    assert len(simulation.children()) == 7
    simulation.send(signal.SIGKILL)
    wait_until(lambda: not simulation.children(), "all nodes have ended", 15.0)
    # Ten rounds of two RSUs were told; the last of them may have been on their way.
    assert messages_in(simulation.folder / "bag")["settlements"] >= 10


def test_a_dead_player_is_reported_and_the_others_go_on(
    simulate: Callable[..., Any], wait_until: Callable[..., None]
):
    simulation = simulate("--rounds", "0", "--period", "0.01", "--no-record")
    simulation.wait_for_rounds()
    os.kill(simulation.child("av_3"), signal.SIGKILL)
    wait_until(lambda: "av_3 was killed by SIGKILL" in simulation.output, "the death is told")
    assert "the others go on without it" in simulation.output
    wait_until(lambda: "only 2/2 RSUs, 2/3 AVs" in simulation.output, "the others play")
    simulation.send(signal.SIGINT)
    assert simulation.end() == 128 + signal.SIGINT


def test_a_dead_player_is_restarted_on_request(
    simulate: Callable[..., Any], wait_until: Callable[..., None]
):
    simulation = simulate("--rounds", "0", "--period", "0.01", "--no-record", "--respawn")
    simulation.wait_for_rounds()
    former = simulation.child("rsu_2")
    os.kill(former, signal.SIGKILL)
    wait_until(lambda: "only 1/2 RSUs" in simulation.output, "the others play")
    told = len(simulation.output)
    wait_until(lambda: "restarted in 1 s" in simulation.output, "the restart is told")

    def plays_again() -> bool:
        lines = [line for line in simulation.output[told:].splitlines() if "round" in line]
        return bool(lines) and "only" not in lines[-1]

    wait_until(plays_again, "it plays again")
    assert simulation.child("rsu_2") != former
    simulation.send(signal.SIGTERM)
    assert simulation.end() == 128 + signal.SIGTERM


def test_players_that_cannot_start_end_the_simulation(simulate: Callable[..., Any]):
    simulation = simulate(RMW_IMPLEMENTATION="rmw_of_another_world")
    assert simulation.end() == 1
    assert "the game cannot be played. The end of" in simulation.output
    assert "rmw_of_another_world" in simulation.output, "the end of the log is shown"
    assert simulation.children() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.yaml",), "veaat sim: nowhere.yaml: no such file, and no shipped scenario"),
        (("--policy", "clever"), "veaat sim: policy of rsu_1: must be one of"),
        (("--player", "av_9=random"), "veaat sim: no player 'av_9'"),
        (("--domain-id", "300"), "veaat sim: ROS domain: must be between 0 and 232, got 300"),
    ],
)
def test_wishes_that_cannot_be_fulfilled_end_at_once(
    simulate: Callable[..., Any], arguments: tuple[str, ...], message: str
):
    simulation = simulate(*arguments)
    assert simulation.end() == 2
    assert message in simulation.output
    assert not (simulation.folder / "logs").exists()

"""Domains, folders of runs, shipped scenarios and the environment of nodes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml

from veaat_migration.bringup import environment as environment_module
from veaat_migration.bringup import scenarios
from veaat_migration.bringup.domain import NoFreeDomainError, free_domain_id, in_use
from veaat_migration.bringup.environment import NoRosError, ros_environment
from veaat_migration.bringup.plan import NodeSpec, Plan
from veaat_migration.bringup.run_folder import RunFolder, RunFolderError, default_path
from veaat_migration.bringup.scenarios import NoScenarioError, find_config, find_scenario
from veaat_migration.errors import VeaatError

NODE = NodeSpec("rsu_leader", "rsu_1", "/veaat", {"rsu_id": 1, "quality": 1.0})


def test_a_domain_in_use_is_not_chosen():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        domain_id = free_domain_id()
        participant.bind(("127.0.0.1", 7400 + 250 * domain_id + 10))
        assert in_use(domain_id)
        with pytest.raises(NoFreeDomainError, match="no free ROS domain"):
            free_domain_id([domain_id])
    assert free_domain_id([domain_id]) == domain_id


def test_a_run_folder_holds_plan_parameters_and_logs(tmp_path: Path):
    folder = RunFolder(tmp_path / "run")
    folder.write_plan(Plan((NODE,)), {"seed": 7})
    plan = yaml.safe_load((folder.path / "plan.yaml").read_text())
    assert plan["seed"] == 7
    assert plan["nodes"][0]["parameters"] == {"rsu_id": 1, "quality": 1.0}
    parameters = yaml.safe_load(folder.write_parameters(NODE).read_text())
    assert parameters == {"/**": {"ros__parameters": {"rsu_id": 1, "quality": 1.0}}}
    assert folder.log_tail("rsu_1") == ""
    folder.log("rsu_1").write_text("".join(f"line {n}\n" for n in range(100)))
    assert folder.log_tail("rsu_1").splitlines()[-1] == "line 99"
    assert len(folder.log_tail("rsu_1").splitlines()) == 15


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path):
    (tmp_path / "precious").touch()
    with pytest.raises(RunFolderError, match="exists and is not empty; choose another --output"):
        RunFolder(tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="choose another --output"):
        RunFolder(tmp_path / "file" / "run")


def test_default_folders_are_new_and_harmless_names(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = default_path("a b/c")
    assert first.parent == Path("runs")
    assert first.name.endswith("-a_b_c")
    first.mkdir(parents=True)
    monkeypatch.setattr("time.strftime", lambda _format: first.name.removesuffix("-a_b_c"))
    assert default_path("a b/c").name == f"{first.name}-2"


def test_scenarios_are_found_by_path_and_by_name(tmp_path: Path):
    own = tmp_path / "mine.yaml"
    own.touch()
    assert find_scenario(str(own)) == own
    assert find_scenario("base").name == "base.yaml"
    with pytest.raises(NoScenarioError, match="nowhere: no such file, and no shipped scenario"):
        find_scenario("nowhere")
    with pytest.raises(NoScenarioError, match="not among the shipped"):
        find_config("nothing.yaml")


def test_scenarios_of_an_installation_are_found(tmp_path: Path, monkeypatch):
    share = tmp_path / "share" / "veaat_migration" / "config"
    share.mkdir(parents=True)
    (share / "base.yaml").touch()
    (share / "other.yaml").touch()
    monkeypatch.setattr(scenarios, "__file__", str(tmp_path / "a" / "b" / "c" / "scenarios.py"))
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere:{tmp_path}")
    assert find_scenario("other") == share / "other.yaml"


@pytest.fixture
def ros(monkeypatch):
    monkeypatch.setattr(environment_module, "check_ros", lambda: None)
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    monkeypatch.delenv("ROS_AUTOMATIC_DISCOVERY_RANGE", raising=False)
    return monkeypatch


@pytest.mark.usefixtures("ros")
def test_a_simulation_keeps_to_itself_unless_told_otherwise():
    variables, about = ros_environment()
    assert variables["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert 1 <= int(variables["ROS_DOMAIN_ID"]) <= 101
    assert about == f"ROS domain {variables['ROS_DOMAIN_ID']} (a free one)"


def test_the_users_domain_is_respected(ros):
    ros.setenv("ROS_DOMAIN_ID", "17")
    ros.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    variables, about = ros_environment()
    assert (variables["ROS_DOMAIN_ID"], variables["ROS_AUTOMATIC_DISCOVERY_RANGE"]) == (
        "17",
        "SUBNET",
    )
    assert about == "ROS domain 17 (from the environment)"
    assert ros_environment(18)[0]["ROS_DOMAIN_ID"] == "18"


def test_domains_that_do_not_exist_are_refused(ros):
    with pytest.raises(VeaatError, match="must be between 0 and 232, got 300"):
        ros_environment(300)
    ros.setenv("ROS_DOMAIN_ID", "mine")
    with pytest.raises(VeaatError, match="must be a whole number, got 'mine'"):
        ros_environment()


def test_without_ros_it_says_how_to_start(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(NoRosError, match=r"rclpy not found\. Start with 'make sim'"):
        ros_environment()

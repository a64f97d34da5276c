"""Checks of versions and middleware settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from veaat_migration.doctor import software
from veaat_migration.doctor.collect import software_facts
from veaat_migration.doctor.finding import Finding, Level
from veaat_migration.doctor.software import SoftwareFacts

FACTS = SoftwareFacts(
    python=(3, 12, 3),
    numpy="1.26.4",
    rclpy="7.1.5",
    distribution="jazzy",
    rmw="rmw_fastrtps_cpp",
    rmw_error="",
    onnxruntime="1.20.0",
    providers=("TensorrtExecutionProvider", "CPUExecutionProvider"),
    environment={},
    existing_files=frozenset(),
)
TODAY = date(2026, 6, 1)


def level(finding: Finding) -> Level:
    assert finding.found
    assert bool(finding.advice) == (finding.level in (Level.WARN, Level.FAIL))
    return finding.level


@pytest.mark.parametrize(
    ("python", "expected"),
    [((3, 10, 0), Level.OK), ((3, 12, 3), Level.OK), ((3, 9, 18), Level.FAIL)],
)
def test_python(python: tuple[int, int, int], expected: Level):
    assert level(software.check_python(replace(FACTS, python=python))) is expected


@pytest.mark.parametrize(
    ("numpy", "expected"),
    [("1.21.5", Level.OK), ("2.4.0rc1", Level.OK), ("1.20.3", Level.FAIL), (None, Level.FAIL)],
)
def test_numpy(numpy: str | None, expected: Level):
    assert level(software.check_numpy(replace(FACTS, numpy=numpy))) is expected


@pytest.mark.parametrize(
    ("change", "today", "expected", "text"),
    [
        ({}, TODAY, Level.OK, "until May 2029"),
        ({"distribution": "humble"}, TODAY, Level.OK, "until May 2027"),
        ({"distribution": "humble"}, date(2027, 1, 1), Level.WARN, "end in May 2027"),
        ({"distribution": "humble"}, date(2027, 6, 1), Level.WARN, "since May 2027"),
        ({"distribution": "rolling"}, TODAY, Level.OK, "rolling"),
        ({"distribution": "foxy"}, TODAY, Level.FAIL, "not supported"),
        ({"distribution": ""}, TODAY, Level.OK, "not set"),
        ({"rclpy": None}, TODAY, Level.SKIP, "not sourced"),
    ],
)
def test_ros(change: dict[str, Any], today: date, expected: Level, text: str):
    finding = software.check_ros(replace(FACTS, **change), today)

    assert level(finding) is expected
    assert text in finding.found


@pytest.mark.parametrize(
    ("onnxruntime", "wanted", "expected"),
    [
        ("1.20.0", [], Level.OK),
        ("1.20.0", ["TensorrtExecutionProvider"], Level.OK),
        ("1.20.0", ["CUDAExecutionProvider"], Level.FAIL),
        (None, [], Level.OK),
        (None, ["CPUExecutionProvider"], Level.FAIL),
    ],
)
def test_onnxruntime(onnxruntime: str | None, wanted: list[str], expected: Level):
    facts = replace(FACTS, onnxruntime=onnxruntime)

    assert level(software.check_onnxruntime(facts, wanted)) is expected


@pytest.mark.parametrize(
    ("change", "environment", "expected"),
    [
        ({}, {}, Level.OK),
        ({"rclpy": None, "rmw": None}, {}, Level.SKIP),
        ({"rmw": None, "rmw_error": "no such library"}, {}, Level.FAIL),
        ({}, {"CYCLONEDDS_URI": "file:///there.xml"}, Level.OK),
        ({}, {"CYCLONEDDS_URI": "<CycloneDDS/>"}, Level.OK),
        ({}, {"CYCLONEDDS_URI": "file:///missing.xml"}, Level.FAIL),
        ({}, {"FASTRTPS_DEFAULT_PROFILES_FILE": "/missing.xml"}, Level.FAIL),
    ],
)
def test_middleware(change: dict[str, Any], environment: dict[str, str], expected: Level):
    facts = replace(
        FACTS, environment=environment, existing_files=frozenset(["/there.xml"]), **change
    )

    assert level(software.check_middleware(facts)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, Level.OK),
        ("", Level.OK),
        ("0", Level.OK),
        ("101", Level.OK),
        ("102", Level.WARN),
        ("232", Level.WARN),
        ("233", Level.FAIL),
        ("-1", Level.FAIL),
        ("a", Level.FAIL),
        ("²", Level.FAIL),
    ],
)
def test_domain(text: str | None, expected: Level):
    environment = {} if text is None else {"ROS_DOMAIN_ID": text}

    assert level(software.check_domain(replace(FACTS, environment=environment))) is expected


@pytest.mark.parametrize(
    ("distribution", "environment", "expected"),
    [
        ("jazzy", {}, Level.OK),
        ("jazzy", {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, Level.OK),
        ("jazzy", {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, Level.WARN),
        ("jazzy", {"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"}, Level.WARN),
        ("jazzy", {"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF", "ROS_STATIC_PEERS": "a"}, Level.OK),
        ("jazzy", {"ROS_AUTOMATIC_DISCOVERY_RANGE": "local"}, Level.FAIL),
        ("jazzy", {"ROS_LOCALHOST_ONLY": "1"}, Level.WARN),
        ("jazzy", {"ROS_LOCALHOST_ONLY": "0"}, Level.OK),
        ("humble", {"ROS_LOCALHOST_ONLY": "1"}, Level.WARN),
        ("humble", {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, Level.WARN),
        ("humble", {}, Level.OK),
    ],
)
def test_discovery(distribution: str, environment: dict[str, str], expected: Level):
    facts = replace(FACTS, distribution=distribution, environment=environment)

    assert level(software.check_discovery(facts)) is expected


def test_facts_of_this_machine_can_be_judged():
    facts = software_facts()

    assert facts.python >= (3, 10, 0)
    assert facts.numpy is not None
    for finding in (
        software.check_python(facts),
        software.check_numpy(facts),
        software.check_ros(facts, TODAY),
        software.check_onnxruntime(facts, []),
        software.check_middleware(facts),
        software.check_domain(facts),
        software.check_discovery(facts),
    ):
        level(finding)

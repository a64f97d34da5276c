"""Checks of the machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from veaat_migration.doctor import machine
from veaat_migration.doctor.collect import machine_facts
from veaat_migration.doctor.finding import Level
from veaat_migration.doctor.machine import ClockFacts, MachineFacts

GIB = 1 << 30
FACTS = MachineFacts(
    shared_memory_free=4 * GIB,
    shared_memory_segments=12,
    foreign_segments=0,
    clock=ClockFacts(True, 0.004),
    governors=("performance",) * 8,
    model="NVIDIA Jetson AGX Orin Developer Kit",
    l4t=36,
    power_mode="MAXN",
    disk_path="/bags",
    disk_free=100 * GIB,
)


@pytest.mark.parametrize(
    ("change", "expected", "text"),
    [
        ({}, Level.OK, "4 GiB"),
        ({"shared_memory_free": None}, Level.WARN, "not there"),
        ({"shared_memory_free": 1 << 20}, Level.WARN, "1 MiB"),
        ({"shared_memory_segments": 4000}, Level.WARN, "4000 segments"),
        ({"foreign_segments": 2}, Level.WARN, "another user"),
    ],
)
def test_shared_memory(change: dict[str, Any], expected: Level, text: str):
    finding = machine.check_shared_memory(replace(FACTS, **change))

    assert (finding.level, text in finding.found) == (expected, True)


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        (ClockFacts(True, 0.004), Level.OK),
        (ClockFacts(True, 2.0), Level.WARN),
        (ClockFacts(False, 16.0), Level.WARN),
        (None, Level.SKIP),
    ],
)
def test_clock(clock: ClockFacts | None, expected: Level):
    assert machine.check_clock(replace(FACTS, clock=clock)).level is expected


@pytest.mark.parametrize(
    ("governors", "expected"),
    [
        (("performance",) * 4, Level.OK),
        (("schedutil",), Level.OK),
        (("performance", "powersave"), Level.WARN),
        ((), Level.SKIP),
    ],
)
def test_governor(governors: tuple[str, ...], expected: Level):
    assert machine.check_governor(replace(FACTS, governors=governors)).level is expected


@pytest.mark.parametrize(
    ("change", "expected", "text"),
    [
        ({}, Level.OK, "JetPack 6"),
        ({"l4t": 38}, Level.OK, "JetPack 7"),
        ({"l4t": 35}, Level.FAIL, "JetPack 5"),
        ({"l4t": None}, Level.WARN, "unknown"),
        ({"power_mode": ""}, Level.OK, "nvpmodel"),
        ({"l4t": 39}, Level.OK, "L4T 39"),
    ],
)
def test_jetson(change: dict[str, Any], expected: Level, text: str):
    finding = machine.check_jetson(replace(FACTS, **change))

    assert finding is not None
    assert (finding.level, text in finding.found) == (expected, True)


def test_other_machines_are_no_jetson():
    assert machine.check_jetson(replace(FACTS, model="", l4t=None)) is None


@pytest.mark.parametrize(
    ("free", "expected"),
    [(100 * GIB, Level.OK), (2 * GIB, Level.WARN), (1 << 20, Level.FAIL), (None, Level.FAIL)],
)
def test_disk(free: int | None, expected: Level):
    finding = machine.check_disk(replace(FACTS, disk_free=free))

    assert finding.level is expected
    assert "/bags" in finding.found


def test_facts_of_this_machine_can_be_judged(tmp_path: Path):
    facts = machine_facts(tmp_path)

    assert facts.disk_free is not None
    assert machine_facts(tmp_path / "missing").disk_free is None
    for check in (
        machine.check_shared_memory,
        machine.check_clock,
        machine.check_governor,
        machine.check_jetson,
        machine.check_disk,
    ):
        check(facts)

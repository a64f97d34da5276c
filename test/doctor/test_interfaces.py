"""Checks of built messages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from veaat_migration.doctor.finding import Level
from veaat_migration.doctor.interfaces import (
    InterfaceFacts,
    check_interfaces,
    fields_of,
    interface_facts,
)

WANTED = {"msg/PriceOffer": {"price": "double"}, "msg/NodeStatus": {"role": "uint8"}}
FACTS = InterfaceFacts(None, WANTED, WANTED)


def test_fields_as_python_classes_tell_them():
    text = """
# a comment
uint8 ROLE_LEADER=1        # a constant
uint8 OTHER = 2
std_msgs/Header header     # with = in the comment
float64[] prices
float32 x 1.5
bool closing
string[] names
PolicyEntry[] policies
float64[3] fixed
"""

    assert fields_of(text) == {
        "header": "std_msgs/Header",
        "prices": "sequence<double>",
        "x": "float",
        "closing": "boolean",
        "names": "sequence<string>",
        "policies": "sequence<veaat_migration/PolicyEntry>",
        "fixed": "double[3]",
    }
    assert list(fields_of("")) == ["structure_needs_at_least_one_member"]


@pytest.mark.parametrize(
    ("facts", "ros", "level"),
    [
        (FACTS, True, Level.OK),
        (replace(FACTS, wanted={}), True, Level.OK),
        (replace(FACTS, built={"msg/PriceOffer": {"price": "double"}}), True, Level.FAIL),
        (replace(FACTS, built={**WANTED, "msg/NodeStatus": {"role": "uint16"}}), True, Level.FAIL),
        (replace(FACTS, package="No module", built={}), True, Level.FAIL),
        (replace(FACTS, package="No module", built={}), False, Level.SKIP),
    ],
)
def test_what_is_built(facts: InterfaceFacts, ros: bool, level: Level):
    finding = check_interfaces(facts, ros=ros)

    assert finding.level is level
    assert bool(finding.advice) == (level is Level.FAIL)


def test_the_definitions_of_this_package_are_read(tmp_path: Path):
    found = interface_facts()

    assert found.wanted["msg/PriceOffer"]["settled_bandwidth"] == "sequence<double>"
    assert found.wanted["srv/GetPolicy.Response"]["content"] == "sequence<uint8>"
    assert found.wanted["action/Train.Feedback"]["status"] == "veaat_migration/TrainingStatus"
    assert interface_facts(tmp_path).wanted == {}

"""docs/interfaces.md lists every parameter as the code declares it.

``python test/nodes/test_interfaces_document.py`` rewrites the tables after a change.
"""

from __future__ import annotations

import importlib
import math
import re
from pathlib import Path

import pytest

from veaat_migration.nodes.specification import ParameterSpec

DOCUMENT = Path(__file__).parents[2] / "docs" / "interfaces.md"
TABLES = {
    "rsu_leader": ("veaat_migration.nodes.leader_parameters", "LEADER"),
    "av_follower": ("veaat_migration.nodes.follower_parameters", "FOLLOWER"),
    "av_inference": ("veaat_migration.nodes.inference_parameters", "AV_INFERENCE"),
    "rsu_inference": ("veaat_migration.nodes.inference_parameters", "RSU_INFERENCE"),
    "round_monitor": ("veaat_migration.nodes.round_monitor", "PARAMETERS"),
    "recorder": ("veaat_migration.nodes.recorder", "PARAMETERS"),
    "trainer": ("veaat_migration.nodes.trainer_parameters", "TRAINER"),
    "twin_host": ("veaat_migration.nodes.migration_parameters", "TWIN_HOST"),
    "twin_vehicle": ("veaat_migration.nodes.migration_parameters", "TWIN_VEHICLE"),
    "traffic": ("veaat_migration.nodes.traffic_parameters", "TRAFFIC"),
    "markers": ("veaat_migration.nodes.markers_parameters", "MARKERS"),
    "migration_monitor": ("veaat_migration.nodes.migration_monitor", "PARAMETERS"),
    "composed": ("veaat_migration.nodes.composed", "PARAMETERS"),
}
PURE = (
    *("rsu_leader", "av_follower", "av_inference", "rsu_inference", "trainer"),
    *("twin_host", "twin_vehicle", "traffic", "markers"),
)


def default_text(spec: ParameterSpec) -> str:
    if spec.default is None:
        return "required"
    if isinstance(spec.default, float):
        return "not given" if math.isnan(spec.default) else f"{spec.default:g}"
    if isinstance(spec.default, bool):
        return str(spec.default).lower()
    if spec.default in ("", []):
        return "empty"
    return str(spec.default)


def table(node: str) -> str:
    module, name = TABLES[node]
    rows = ["| parameter | type | unit | default | range | meaning |", "|---|---|---|---|---|---|"]
    for spec in getattr(importlib.import_module(module), name):
        cells = (
            f"`{spec.name}`",
            spec.kind.value.lower().replace("_", " "),
            spec.unit,
            default_text(spec),
            spec.range_text,
            spec.description,
        )
        rows.append("| " + " | ".join(cells).replace("|  |", "| |") + " |")
    return "\n".join(rows)


def section(text: str, node: str) -> str:
    found = re.search(rf"<!-- parameters of {node} -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert found is not None, f"no table of {node}"
    return found.group(1)


@pytest.mark.parametrize("node", PURE)
def test_players_parameters_are_documented(node: str) -> None:
    assert section(DOCUMENT.read_text(), node) == table(node)


@pytest.mark.ros
@pytest.mark.parametrize("node", sorted(set(TABLES) - set(PURE)))
def test_observers_parameters_are_documented(node: str) -> None:
    assert section(DOCUMENT.read_text(), node) == table(node)


if __name__ == "__main__":
    document = DOCUMENT.read_text()
    for each in TABLES:
        document = document.replace(section(document, each), table(each))
    DOCUMENT.write_text(document)

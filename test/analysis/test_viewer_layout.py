"""The layouts for Foxglove and RViz show topics and fields that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from veaat_migration.analysis.topics import RECORDED_TOPICS

CONFIG = Path(__file__).resolve().parents[2] / "config"
LAYOUTS = ("foxglove-layout.json", "foxglove-migration.json")
MARKERS = "/veaat/markers"


def panels(layout: Any) -> set[str]:
    if isinstance(layout, str):
        return {layout}
    return panels(layout["first"]) | panels(layout["second"])


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_plotted_path_is_a_field_of_the_topics_message(types: Any, name: str):
    layout = json.loads((CONFIG / name).read_text())
    assert panels(layout["layout"]) == set(layout["configById"])
    paths = [
        path["value"] for panel in layout["configById"].values() for path in panel.get("paths", ())
    ]
    assert len(paths) > 10
    for path in paths:
        match = re.fullmatch(r"/veaat/(\w+)(?:\{(\w+)==\d+\})?\.(\w+)(\[\d+\])?", path)
        assert match, path
        fields = dict(types.store.fielddefs[RECORDED_TOPICS[match[1]]][1])
        assert match[3] in fields, path
        assert match[2] is None or match[2] in fields, path


def test_the_migration_is_seen_in_three_dimensions():
    layout = json.loads((CONFIG / LAYOUTS[1]).read_text())["configById"]
    assert layout["3D!city"]["topics"] == {MARKERS: {"visible": True}}
    assert layout["RawMessages!reports"]["topicPath"].rpartition("/")[2] in RECORDED_TOPICS


def test_rviz_shows_every_namespace_of_the_markers():
    layout = yaml.safe_load((CONFIG / "migration.rviz").read_text())["Visualization Manager"]
    (display,) = [item for item in layout["Displays"] if item["Name"] == "Migration"]
    assert display["Topic"]["Value"] == MARKERS
    scene = (CONFIG.parent / "veaat_migration" / "nodes" / "marker_scene.py").read_text()
    drawn = set(re.findall(r'Shape\(\s*"(\w+)"', scene))
    drawn |= set(re.findall(r'\("(\w+)", Form', scene))
    assert set(display["Namespaces"]) == drawn
    assert all(display["Namespaces"].values())
    assert layout["Global Options"]["Fixed Frame"] == "map"

"""The Foxglove layout shows fields that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from veaat_migration.analysis.topics import GAME_TOPICS

LAYOUT = Path(__file__).resolve().parents[2] / "config" / "foxglove-layout.json"


def panels(layout: Any) -> set[str]:
    if isinstance(layout, str):
        return {layout}
    return panels(layout["first"]) | panels(layout["second"])


def test_every_plotted_path_is_a_field_of_the_topics_message(types: Any):
    layout = json.loads(LAYOUT.read_text())
    assert panels(layout["layout"]) == set(layout["configById"])
    paths = [
        path["value"] for panel in layout["configById"].values() for path in panel.get("paths", ())
    ]
    assert len(paths) > 10
    for path in paths:
        match = re.fullmatch(r"/veaat/(\w+)\.(\w+)(\[\d+\])?", path)
        assert match, path
        fields = dict(types.store.fielddefs[GAME_TOPICS[match[1]]][1])
        assert match[2] in fields, path

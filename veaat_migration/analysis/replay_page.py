"""Writes a replay as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from veaat_migration.analysis.replay_data import ReplayError, rsu_colours, to_json

_ASSETS = Path(__file__).parent / "replay_assets"
_SCRIPTS = ("data.js", "map.js", "chart.js", "player.js")


def page_text(replay: dict[str, Any]) -> str:
    """The page of a replay that was checked or made by a recorder.

    Texts of the replay are data on the page: none of them can become markup or script.
    """
    # Lines of a chart that belong to no RSU are coloured by their number.
    most = max([len(replay["rsus"]), *(len(chart["lines"]) for chart in replay["charts"])])
    palette = json.dumps(rsu_colours(most))
    scripts = "\n".join(_asset(name).replace('"use strict";\n', "") for name in _SCRIPTS)
    parts = {
        "title": html.escape(str(replay["title"])),
        "style": _asset("style.css"),
        # In JSON, < appears in strings only; so written it cannot end the script element.
        "data": to_json(replay).replace("<", "\\u003c"),
        "script": f'(() => {{\n"use strict";\nconst PALETTE = {palette};\n{scripts}}})();',
    }
    page = _asset("page.html")
    return re.sub(r"@(title|style|data|script)@", lambda found: parts[found[1]], page)


def write_page(path: Path, replay: dict[str, Any]) -> None:
    """Write the page of a replay.

    Raises:
        ReplayError: the file cannot be written.
    """
    try:
        path.write_text(page_text(replay), encoding="utf-8", newline="\n")
    except OSError as error:
        raise ReplayError(f"{path}: cannot be written: {error.strerror or error}") from error


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")

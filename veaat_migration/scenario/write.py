"""Scenarios as YAML that a person can read and edit."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from veaat_migration.scenario.errors import ScenarioError
from veaat_migration.scenario.schema import Scenario
from veaat_migration.scenario.text import dump_yaml

_SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ("name", "description", "seed")),
    (
        "Market: highest price [money/MHz], most bandwidth per AV and RSU [MHz]",
        ("price_max", "bandwidth_max", "externality"),
    ),
    (
        "Couplings [money/MHz^2]: a number for all pairs, a matrix, or {strength, range [m]}",
        ("social_coupling", "service_coupling"),
    ),
    ("Radio and delay", ("channel", "coverage_radius", "delay", "reputation")),
    ("Values for all AVs or RSUs that do not give their own", ("av_defaults", "rsu_defaults")),
    (
        "Vehicles: position [m], satisfaction [money], delay_sensitivity [MHz/s], data [MB],\n"
        "# cycles [Gcycles], max_delay [s]",
        ("avs",),
    ),
    (
        "Roadside units: position [m], cost [money/MHz], compute [GHz], rates [1/s];\n"
        "# quality: a number, or distortion (0: perfect) and completed migrations",
        ("rsus",),
    ),
    ("Lines of [x, y] [m], drawn on maps only", ("roads",)),
)


def scenario_text(scenario: Scenario, comments: Sequence[str] = ()) -> str:
    """YAML with units in comments; loading it gives the same scenario again.

    Args:
        scenario: only what was set explicitly is written.
        comments: lines for the top of the file, without ``#``.
    """
    content = scenario.model_dump(mode="json", exclude_unset=True)
    lines = [f"# {' '.join(comment.split())}" for comment in comments]
    for title, keys in _SECTIONS:
        present = [key for key in keys if key in content]
        if not present:
            continue
        lines.append("")
        if title:
            lines.append(f"# {title}")
        for key in present:
            lines.append(_entry(key, content[key]))
    return "\n".join(lines).lstrip("\n") + "\n"


def write_scenario(path: Path, scenario: Scenario, comments: Sequence[str] = ()) -> None:
    """Write a scenario file.

    Raises:
        ScenarioError: the file cannot be written.
    """
    try:
        path.write_text(scenario_text(scenario, comments), encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"cannot be written: {error.strerror or error}", str(path)) from error


def _entry(key: str, value: Any) -> str:
    """One line per AV or RSU, roads packed, everything else on one line."""
    if key == "roads" and value:
        packed = textwrap.wrap(
            ", ".join(dump_yaml(line).replace(" ", "") for line in value),
            width=98,
            break_long_words=False,
        )
        return "\n".join([f"{key}: [", *(f"  {line}" for line in packed), "]"])
    if key in ("avs", "rsus") and value:
        return "\n".join([f"{key}:", *(f"  - {dump_yaml(item)}" for item in value)])
    return f"{key}: {dump_yaml(value)}"

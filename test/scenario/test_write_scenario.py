"""Scenario files as they are written: complete, readable, the same again when read."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.scenario import ScenarioError, load_scenario
from veaat_migration.scenario.load import scenario_from_mapping
from veaat_migration.scenario.schema import Scenario
from veaat_migration.scenario.text import parse_yaml
from veaat_migration.scenario.write import scenario_text, write_scenario

FULL: dict[str, Any] = {
    "name": "no", "description": "two\nlines: é", "seed": 3, "price_max": 30.0,
    "bandwidth_max": 10.0, "externality": "multiplicative",
    "social_coupling": {"strength": 1e-05, "range": 100.0}, "service_coupling": [[0.0]],
    "channel": {"fading": "none"}, "delay": {"enforce": True}, "reputation": {"highest": 4.0},
    "coverage_radius": 250.0, "av_defaults": {"data": 30.0}, "rsu_defaults": {"cost": 2.0},
    "avs": [{"name": "12", "position": [0.5, -1.0], "satisfaction": 20.0, "delay_sensitivity": 1.5,
             "max_delay": 8.0}],
    "rsus": [{"name": "1e5", "quality": {"distortion": 0.1}}],
    "roads": [[[0.0, 0.0], [1.0, 1.0]], [[2.0, 2.0], [3.5, 3.0], [4.0, 4.0]]],
}  # fmt: skip


def again(scenario: Scenario) -> Scenario:
    return scenario_from_mapping(parse_yaml(scenario_text(scenario, ["made\nby a test"])))


def test_every_key_is_written_and_read_again() -> None:
    scenario = scenario_from_mapping(FULL)
    assert set(FULL) == set(Scenario.model_fields)
    assert again(scenario).model_dump() == scenario.model_dump()


def test_comments_come_first_and_on_one_line_each() -> None:
    text = scenario_text(scenario_from_mapping(FULL), ["one", "two\nthree"])
    assert text.startswith("# one\n# two three\n\nname:")


def test_only_what_was_given_is_written() -> None:
    minimal = {key: FULL[key] for key in ("price_max", "bandwidth_max", "avs")}
    minimal["rsus"] = [{"quality": 1.0, "cost": 2.0}]
    text = scenario_text(scenario_from_mapping(minimal))
    assert "channel" not in text
    assert "compute:" not in text
    assert "max_delay: 8.0" in text


def test_each_player_has_its_own_line_and_lines_stay_short() -> None:
    content = {**FULL, "roads": [[[100.0 + k, 200.0], [300.0, 400.0]] for k in range(50)]}
    content["avs"] = [{**FULL["avs"][0], "name": f"car{k}"} for k in range(5)]
    lines = scenario_text(scenario_from_mapping(content)).splitlines()
    assert sum(line.startswith("  - {name: car") for line in lines) == 5
    roads = lines[lines.index("roads: [") :]
    assert max(map(len, roads)) <= 100
    assert len(roads) < 30


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    scenario = scenario_from_mapping(FULL)
    write_scenario(tmp_path / "file.yaml", scenario)
    assert load_scenario(tmp_path / "file.yaml") == again(scenario)
    with pytest.raises(ScenarioError, match="cannot be written: No such file"):
        write_scenario(tmp_path / "none" / "file.yaml", scenario)


NUMBER = st.floats(1e-6, 1e6)


@settings(deadline=None)
@given(
    name=st.text(min_size=1, max_size=20),
    description=st.text(max_size=30),
    numbers=st.lists(NUMBER, min_size=6, max_size=6),
)
def test_any_scenario_is_the_same_again(name: str, description: str, numbers: list[float]) -> None:
    satisfaction, sensitivity, threshold, x, quality, cost = numbers
    content = {
        "name": name, "description": description, "price_max": 2 * cost,
        "bandwidth_max": 2 * sensitivity * threshold + 1.0,
        "avs": [{"satisfaction": satisfaction, "delay_sensitivity": sensitivity,
                 "delay_threshold": threshold, "position": [x, -x]}],
        "rsus": [{"quality": quality, "cost": cost}],
    }  # fmt: skip
    try:
        scenario = scenario_from_mapping(content)
    except ScenarioError:
        assert not name.isprintable()
    else:
        assert again(scenario) == scenario

"""What a person sees of a scenario: tables, map, key reference."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veaat_migration.scenario import ScenarioError, load_scenario
from veaat_migration.scenario.load import scenario_from_mapping
from veaat_migration.scenario.map import draw_map
from veaat_migration.scenario.parts import Part
from veaat_migration.scenario.reference import MODEL_AT, reference_text
from veaat_migration.scenario.summary import summary

ROOT = Path(__file__).parents[2]
PNG = b"\x89PNG"


def content(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "price_max": 30.0,
        "bandwidth_max": 10.0,
        "channel": {"fading": "none"},
        "avs": [
            {"satisfaction": 20.0, "delay_sensitivity": 1.5, "position": [0, 0], "max_delay": 20.0},
            {
                "satisfaction": 20.0,
                "delay_sensitivity": 1.5,
                "position": [900, 0],
                "max_delay": 0.5,
            },
        ],
        "rsus": [{"quality": 1.0, "cost": 2.0, "position": [0, 500]}],
    }
    return {**base, **changes}


def test_tables_show_players_links_and_coverage() -> None:
    text = summary(load_scenario(ROOT / "config" / "base.yaml"))
    assert "base: 3 AVs x 2 RSUs, seed 0" in text
    assert re.search(r"^1 +av1 +200\.3 +127\.6 +20 +1\.5 +50 +10 +rsu1 100 m", text, re.MULTILINE)
    assert re.search(r"^2 +rsu2 +462\.4 +181\.4 +1\.200 +2\.5 +- +40 +67 +3$", text, re.MULTILINE)
    assert re.search(r"^SNR \[dB\], fading included +rsu1 +rsu2$", text, re.MULTILINE)
    assert "Coverage: 3 of 3 AVs are within 300 m of an RSU." in text
    assert "Delay: not enforced" in text


def test_capacities_and_totals_of_couplings_are_shown() -> None:
    limited = content(social_coupling={"total": 0.04}, rsu_defaults={"capacity": 12.5})
    text = summary(scenario_from_mapping(limited))
    assert "social coupling 0.04 / (players - 1)" in text
    assert re.search(r"^RSU .* capacity \[MHz\] ", text, re.MULTILINE)
    assert re.search(r"^1 +rsu1 .* 12\.5 ", text, re.MULTILINE)


def test_distance_and_snr_are_those_of_the_model() -> None:
    text = summary(scenario_from_mapping(content()))
    assert re.search(r"^av1 +500$", text, re.MULTILINE)
    assert re.search(r"^av1 +36\.7$", text, re.MULTILINE)
    assert "Coverage: 1 of 2 AVs" in text


def test_delays_that_can_never_be_met_are_named() -> None:
    text = summary(scenario_from_mapping(content(delay={"enforce": True})))
    assert "Delay: enforced; 1 of 2 AVs can meet max_delay at any prices" in text
    assert "Never possible, even with b_max: av2; raise max_delay" in text


def test_delays_that_depend_on_prices_are_counted() -> None:
    rsus = [{"quality": 1.0, "cost": 2.0, "compute": f} for f in (40.0, 0.5)]
    text = summary(scenario_from_mapping(content(delay={"enforce": True}, rsus=rsus)))
    assert "1 can meet it only at prices that favour their faster RSUs." in text


@pytest.mark.parametrize(
    ("coupling", "shown"),
    [
        (0.5, "social coupling 0.5,"),
        ([[0, 1], [1, 0]], "social coupling given as a matrix,"),
        ({"strength": 0.5, "range": 100}, "social coupling 0.5 exp(-d / 100 m),"),
    ],
)
def test_couplings_are_shown_as_given(coupling: Any, shown: str) -> None:
    assert shown in summary(scenario_from_mapping(content(social_coupling=coupling)))


def test_large_scenarios_are_cut_with_a_note() -> None:
    av = {"satisfaction": 20.0, "delay_sensitivity": 1.5}
    rsu = {"quality": 1.0, "cost": 2.0}
    text = summary(scenario_from_mapping(content(avs=[av] * 100, rsus=[rsu] * 12)))
    assert "... and 60 more" in text
    assert "Distance [m]: 500 to 500, median 500" in text
    assert len(text.splitlines()) < 100


def test_the_map_is_an_image_of_every_kind_of_scenario(tmp_path: Path) -> None:
    many = [{"satisfaction": 20.0, "delay_sensitivity": 1.5, "position": [9.0 * k, 5]}
            for k in range(70)]  # fmt: skip
    unplaced = [{"satisfaction": 20.0, "delay_sensitivity": 1.5}]
    for number, scenario in enumerate(
        [
            load_scenario(ROOT / "config" / "base.yaml"),
            scenario_from_mapping(content(avs=many)),
            scenario_from_mapping(content(avs=unplaced, name="$broken \\maths{")),
            scenario_from_mapping(content(rsus=[{"quality": 1.0, "cost": 2.0}])),
            scenario_from_mapping(content(avs=[{**many[0], "name": "a rather long $name"}])),
        ]
    ):
        path = tmp_path / f"{number}.png"
        draw_map(scenario, path, np.array([[10.0, 20.0]]) if number % 2 else None)
        assert path.read_bytes().startswith(PNG)


def test_a_map_that_cannot_be_drawn_is_an_error(tmp_path: Path) -> None:
    av = {"satisfaction": 20.0, "delay_sensitivity": 1.5}
    nowhere = scenario_from_mapping(content(avs=[av], rsus=[{"quality": 1.0, "cost": 2.0}]))
    with pytest.raises(ScenarioError, match="nothing to draw"):
        draw_map(nowhere, tmp_path / "map.png")
    scenario = scenario_from_mapping(content())
    with pytest.raises(ScenarioError, match=r"map\.txt: cannot be written: Format 'txt'"):
        draw_map(scenario, tmp_path / "map.txt")
    with pytest.raises(ScenarioError, match="cannot be written: No such file"):
        draw_map(scenario, tmp_path / "none" / "map.png")


def all_models() -> set[type[Part]]:
    return set(MODEL_AT.values())


def test_every_key_of_every_part_is_in_the_reference() -> None:
    text = reference_text()
    for model in all_models():
        for name, field in model.model_fields.items():
            assert f"| `{name}` |" in text
            assert field.description
            assert field.description in text


def test_the_reference_shows_defaults_and_ranges() -> None:
    text = reference_text()
    assert "| `antenna_gain` | 4.11 | > 0 |" in text
    assert "| `distortion_threshold` | 0.6 | >= 0, < 1 |" in text
    assert "| `satisfaction` | required | > 0 |" in text
    assert "| `fading` | rayleigh | rayleigh, none |" in text
    assert "| `enforce` | false |" in text
    assert "| `max_delay` | none | > 0 |" in text


def test_the_document_holds_the_current_reference() -> None:
    document = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    inside = document.split("<!-- keys: begin -->")[1].split("<!-- keys: end -->")[0]
    assert inside.strip() == reference_text(), "paste the output of 'veaat scenario keys'"


def test_the_example_in_the_document_is_a_scenario() -> None:
    document = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    from veaat_migration.scenario.text import parse_yaml

    first, second = re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)
    smallest = parse_yaml(first)
    assert scenario_from_mapping(smallest).price_max == 30.0
    assert scenario_from_mapping({**smallest, **parse_yaml(second)}).avs[1].max_delay == 8.0

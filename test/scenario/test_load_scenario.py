"""Reading scenario files: what is right loads, what is wrong is named by its path."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.game.instance import GameInstance
from veaat_migration.scenario import ScenarioError, load_game, load_scenario
from veaat_migration.scenario.load import scenario_from_mapping
from veaat_migration.scenario.schema import Scenario

CONFIG = Path(__file__).parents[2] / "config"


def smallest(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = {
        "price_max": 30.0,
        "bandwidth_max": 10.0,
        "avs": [{"satisfaction": 20.0, "delay_sensitivity": 1.5}],
        "rsus": [{"quality": 1.0, "cost": 2.0}],
    }
    return {**content, **changes}


def av(**changes: Any) -> dict[str, Any]:
    return {"satisfaction": 20.0, "delay_sensitivity": 1.5, **changes}


def rsu(**changes: Any) -> dict[str, Any]:
    return {"quality": 1.0, "cost": 2.0, **changes}


def problems(content: Any) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        scenario_from_mapping(content)
    return caught.value.problems


def test_the_base_case_is_the_canonical_game() -> None:
    game = load_game(CONFIG / "base.yaml")
    np.testing.assert_array_equal(game.satisfaction, [20, 25, 30])
    np.testing.assert_allclose(game.offset, math.e - np.array([1.5, 1.8, 2.0]))
    np.testing.assert_array_equal(game.quality, [1.0, 1.2])
    np.testing.assert_array_equal(game.cost, [[2.0, 2.5]] * 3)
    np.testing.assert_array_equal(game.social, 0.02 * (1 - np.eye(3)))
    np.testing.assert_array_equal(game.service, 0.02 * (1 - np.eye(2)))
    assert (game.price_max, game.bandwidth_max, game.delay) == (30.0, 10.0, None)


SHIPPED = sorted(
    path for path in CONFIG.glob("*.yaml") if "\navs:" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_scenario_loads(path: Path) -> None:
    assert load_game(path).n_avs == len(load_scenario(path).avs)


def test_base_and_town_are_shipped() -> None:
    assert {"base.yaml", "town.yaml"} <= {path.name for path in SHIPPED}


def test_the_smallest_scenario_has_defaults_for_everything_else() -> None:
    scenario = scenario_from_mapping(smallest())
    assert scenario.av_names == ("av1",)
    assert scenario.rsu_names == ("rsu1",)
    assert not scenario.delay.enforce
    assert scenario.channel.distance == 500.0


def test_defaults_fill_what_a_player_does_not_give() -> None:
    scenario = scenario_from_mapping(
        smallest(av_defaults={"data": 80.0, "satisfaction": 1.0}, avs=[av(), av(data=30.0)])
    )
    assert [a.data for a in scenario.avs] == [80.0, 30.0]
    assert [a.satisfaction for a in scenario.avs] == [20.0, 20.0]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"avs": [av(satisfacton=3)]},
            "avs[0].satisfacton: unknown key (did you mean satisfaction?)",
        ),
        ({"avs": [av(delta=3)]}, "avs[0].delta: unknown key (did you mean satisfaction?)"),
        ({"p_max": 3}, "p_max: unknown key (did you mean price_max?)"),
        (
            {"channel": {"nois_power": 1}},
            "channel.nois_power: unknown key (did you mean noise_power?)",
        ),
        ({"av_defaults": {"dat": 1}}, "av_defaults.dat: unknown key (did you mean data?)"),
        (
            {"avs": [{"satisfaction": 1.0}]},
            "avs[0].delay_sensitivity: missing (give it here or in av_defaults)",
        ),
        ({"social_coupling": {"strength": 1}}, "social_coupling.range: missing"),
        ({"avs": [av(satisfaction="20")]}, "avs[0].satisfaction: must be a number, got '20'"),
        ({"avs": [av(satisfaction=True)]}, "avs[0].satisfaction: must be a number, got true"),
        ({"avs": [av(satisfaction=None)]}, "avs[0].satisfaction: must be a number, got null"),
        ({"avs": [av(satisfaction=math.nan)]}, "avs[0].satisfaction: must be finite, got nan"),
        ({"price_max": math.inf}, "price_max: must be finite, got inf"),
        ({"avs": [av(satisfaction=0)]}, "avs[0].satisfaction: must be > 0, got 0"),
        ({"avs": [av(data=-1)]}, "avs[0].data: must be >= 0, got -1"),
        ({"av_defaults": {"data": -1}}, "av_defaults.data: must be >= 0, got -1"),
        ({"av_defaults": {"data": 1}, "avs": [av(data=-1)]}, "avs[0].data: must be >= 0, got -1"),
        ({"avs": [av(position=[1])]}, "avs[0].position[1]: missing; a point is [x, y]"),
        ({"avs": [av(position=[1, 2, 3])]}, "avs[0].position: must have at most 2 entries"),
        (
            {"avs": [av(position=[1e9, 2])]},
            "avs[0].position[0]: must be <= 1e+07, got 1000000000.0",
        ),
        ({"avs": [av(), 7]}, "avs[1]: must be a mapping, got 7"),
        ({"avs": []}, "avs: must have at least 1 entry"),
        ({"avs": None}, "avs: must be a list, got null"),
        ({"name": "a\nb"}, r"name: must be one line of text, got 'a\nb'"),
        ({"name": 5}, "name: must be text, got 5"),
        ({"name": ""}, "name: must have at least 1 character"),
        ({"seed": 1.5}, "seed: must be a whole number, got 1.5"),
        ({"delay": {"enforce": "yes"}}, "delay.enforce: must be true or false, got 'yes'"),
        ({"delay": None}, "delay: must be a mapping, got null"),
        ({"externality": "add"}, "externality: must be 'additive' or 'multiplicative', got 'add'"),
        ({7: 1}, "file: a key must be text, got 7"),
        ({"av_defaults": {7: 1}}, "av_defaults: a key must be text, got 7"),
        ({"av_defaults": [1]}, "av_defaults: must be a mapping, got [1]"),
        ({"rsus": [rsu(cost=30.0)]}, "rsus[0].cost: must be < price_max (30), got 30"),
        (
            {"rsus": [rsu(), rsu(arrival_rate=9, service_rate=8)]},
            "rsus[1].arrival_rate: must be < service_rate (8) for a stable queue, got 9",
        ),
        (
            {"delay": {"enforce": True}},
            "avs[0].max_delay: missing; needed because delay.enforce is true "
            "(give it here or in av_defaults)",
        ),
        (
            {"avs": [av(delay_sensitivity=20)]},
            "avs[0].delay_sensitivity: times delay_threshold must be < e + bandwidth_max "
            "(12.7183), got 20",
        ),
        (
            {"avs": [av(name="a"), av(name="a")]},
            "avs[0].name: must be unique, 'a' is used 2 times",
        ),
        (
            {"social_coupling": {"strength": 0.1, "range": 10}},
            "avs[0].position: missing; needed because social_coupling has a range",
        ),
        ({"social_coupling": [[1]]}, "social_coupling[0][0]: must be 0 (diagonal), got 1"),
        ({"social_coupling": [[0, 1], [1, 0]]}, "social_coupling: must have 1 rows, got 2"),
        (
            {"service_coupling": [[0, 1], [2, 0]], "rsus": [rsu(), rsu()]},
            "service_coupling[1][0]: must equal service_coupling[0][1] (1), got 2",
        ),
        (
            {"service_coupling": [[0, 1], [2]], "rsus": [rsu(), rsu()]},
            "service_coupling[1]: must have 2 numbers, got 1",
        ),
        (
            {"reputation": {"newcomer": 3}},
            "reputation.highest: must be >= newcomer (3), got 2",
        ),
        (
            {"rsus": [rsu(quality={"distortion": 2})]},
            "rsus[0].quality.distortion: must be <= 1, got 2",
        ),
        (
            {"rsus": [rsu(quality={"distortion": 0.1, "migration": 1})]},
            "rsus[0].quality.migration: unknown key (did you mean migrations?)",
        ),
    ],
)  # fmt: skip
def test_each_fault_is_one_line_with_its_path(changes: dict[Any, Any], problem: str) -> None:
    assert problem in problems({**smallest(), **changes})


def test_the_two_sides_of_a_repeated_name_are_all_there_is_to_say() -> None:
    assert len(problems(smallest(avs=[av(name="a"), av(name="a")]))) == 2


def test_all_faults_come_at_once_also_those_between_keys() -> None:
    content = smallest(
        price_max=4.0,
        avs=[av(satisfaction="x"), {"satisfaction": 1.0}, 3],
        rsus=[rsu(cost=5.0), rsu(quality=-1.0), "rsu"],
        chanel={},
        av_defaults={"cycles": -1.0},
        delay={"enforce": True},
    )
    assert sorted(problems(content)) == [
        "av_defaults.cycles: must be >= 0, got -1.0",
        "avs[0].max_delay: missing; needed because delay.enforce is true "
        "(give it here or in av_defaults)",
        "avs[0].satisfaction: must be a number, got 'x'",
        "avs[1].delay_sensitivity: missing (give it here or in av_defaults)",
        "avs[1].max_delay: missing; needed because delay.enforce is true "
        "(give it here or in av_defaults)",
        "avs[2]: must be a mapping, got 3",
        "chanel: unknown key (did you mean channel?)",
        "rsus[0].cost: must be < price_max (4), got 5",
        "rsus[1].quality: must be > 0, got -1.0",
        "rsus[2]: must be a mapping, got 'rsu'",
    ]


def test_a_fault_does_not_cause_follow_up_faults() -> None:
    content = smallest(
        price_max="high",
        bandwidth_max=-1,
        avs=[av(position="here", delay_sensitivity=50)],
        rsus=[rsu(arrival_rate=9, service_rate="fast", position=[0, 0])],
        social_coupling={"strength": 0.1, "range": 100.0},
    )
    assert sorted(line.split(":")[0] for line in problems(content)) == [
        "avs[0].position", "bandwidth_max", "price_max", "rsus[0].service_rate",
    ]  # fmt: skip


def test_values_too_long_to_show_are_described() -> None:
    assert problems(smallest(seed=10**5000)) == ["seed: must be < 9.22337e+18, got a very long int"]


@pytest.mark.parametrize("content", [None, 3, [1], "text"])
def test_a_file_that_is_no_mapping_is_refused(content: Any) -> None:
    assert problems(content)[0].startswith("must be a mapping with at least avs")


def test_the_message_names_the_file_once(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump(smallest(price_max=-1, seed=-1)), encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load_game(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path}: 2 problems"
    assert lines[1:] == ["  seed: must be >= 0, got -1", "  price_max: must be > 0, got -1"]


def test_very_many_faults_are_cut_with_a_count() -> None:
    content = smallest(avs=[av(data=-1)] * 50)
    with pytest.raises(ScenarioError, match=r"50 problems[\s\S]*\.\.\. and 30 more"):
        scenario_from_mapping(content)


def test_a_scenario_may_be_json(tmp_path: Path) -> None:
    path = tmp_path / "my.json"
    path.write_text(json.dumps(smallest()), encoding="utf-8")
    assert load_game(path).n_rsus == 1


def test_a_plain_instance_is_a_game_but_not_a_scenario(tmp_path: Path) -> None:
    path = tmp_path / "game.yaml"
    path.write_text("{delta: [1], E: [1], q: [1], c: [1], p_max: 2, b_max: 2}", encoding="utf-8")
    assert load_game(path).n_avs == 1
    with pytest.raises(ScenarioError, match=r"game\.yaml: is a plain game instance"):
        load_scenario(path)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)  # fmt: skip
KEYS = sorted(Scenario.model_fields)


@st.composite
def almost_scenarios(draw: st.DrawFn) -> dict[Any, Any]:
    """A right scenario with some values replaced by anything."""
    content: dict[Any, Any] = smallest(avs=[av(), av()], rsus=[rsu(), rsu()])
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=4)):
        content[key] = draw(ANYTHING)
    for players, model in (("avs", av()), ("rsus", rsu(position=[0, 0], arrival_rate=1.0))):
        listed = content[players]
        if isinstance(listed, list) and listed and isinstance(listed[0], dict):
            key = draw(st.sampled_from(sorted(model)))
            listed[0] = {**listed[0], key: draw(ANYTHING)}
    return content


@settings(max_examples=150, deadline=None)
@given(
    almost_scenarios() | st.dictionaries(st.sampled_from(KEYS) | st.integers(), ANYTHING) | ANYTHING
)
def test_any_content_loads_or_is_a_scenario_error(content: Any) -> None:
    try:
        assert isinstance(scenario_from_mapping(content), Scenario)
    except ScenarioError as error:
        problems = error.problems
    else:
        return
    assert problems
    assert all("\n" not in line and (": " in line or "mapping" in line) for line in problems)


@settings(max_examples=100, deadline=None)
@given(content=almost_scenarios())
def test_what_loads_also_builds_or_is_a_scenario_error(
    content: dict[Any, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    message = str(path)
    try:
        assert isinstance(load_game(path), GameInstance)
    except ScenarioError as error:
        message = str(error)
    assert message.startswith(str(path))

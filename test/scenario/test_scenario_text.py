"""From bytes to values: YAML 1.2 scalars, positions of faults, hostile files."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.scenario import text as text_module
from veaat_migration.scenario.errors import ScenarioError
from veaat_migration.scenario.text import dump_yaml, parse_json, parse_yaml, read_file


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-3", 1e-3), ("1E5", 1e5), (".5", 0.5), ("5.", 5.0), ("-0.1e+2", -10.0), ("010", 10),
        ("+7", 7), ("no", "no"), ("on", "on"), ("yes", "yes"), ("true", True), ("FALSE", False),
        ("null", None), ("~", None), ("", None), ("12:30:00", "12:30:00"), ("0x1f", "0x1f"),
        ("2020-01-01", "2020-01-01"), ("1_000", "1_000"), ("-.inf", -math.inf), ("'5'", "5"),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(written: str, value: Any) -> None:
    assert parse_yaml(f"key: {written}") == {"key": value}


def test_not_a_number_is_read_as_such() -> None:
    assert math.isnan(parse_yaml("key: .nan")["key"])


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("a: [1, 2", "line [12], column [0-9]+: malformed YAML: while parsing a flow sequence"),
        ("a: 1\nb:\n  - c\n d: 2", "line 4, column 2: malformed YAML"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: malformed YAML: key 'a' is given twice"),
        ("a: &x 1\nb: *x", r"line 2, column 4: .*aliases \(\*name\) are not supported"),
        ("a: !!python/object:os.system {}", r"line 1, column 4: .*tags .* are not supported"),
        ("a: !!int abc", "tags .* are not supported"),
        ("? [1, 2]\n: 3", "line 1, column 3: .*a key must be plain text"),
        ("a: 1\n---\nb: 2", "malformed YAML: expected a single document"),
        ("a: " + "[" * 40 + "]" * 40, "line 1, column 35: .*nested more than 32 deep"),
        ("a: \x00", "malformed YAML"),
        ("a: " + "9" * 5000, "malformed YAML: .*digits"),
        ("\tkey: 1", "line 1, column 1: malformed YAML"),
    ],
)
def test_faults_in_yaml_have_line_and_column(written: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message) as caught:
        parse_yaml(written)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('{"a": 1,\n "b" 2}', "line 2, column 6: malformed JSON"),
        ('{"a": 1, "a": 2}', "key 'a' is given twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "malformed JSON: .*digits"),
        ("", "line 1, column 1: malformed JSON"),
    ],
)
def test_faults_in_json_are_scenario_errors(written: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        parse_json(written)


def test_a_missing_file_a_folder_and_an_impossible_name_are_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"none\.yaml: no such file"):
        read_file(tmp_path / "none.yaml")
    with pytest.raises(ScenarioError, match="is a folder, not a file"):
        read_file(tmp_path)
    with pytest.raises(ScenarioError, match="cannot be read"):
        read_file(tmp_path / "\0")
    with pytest.raises(ScenarioError, match="cannot be read: "):
        read_file(tmp_path / ("x" * 1000))


def test_a_huge_file_is_refused_before_it_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_module, "MAX_BYTES", 1024**2)
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"#" * (1024**2 + 1))
    with pytest.raises(ScenarioError, match=r"huge\.yaml: is larger than 1 MiB"):
        read_file(path)


def test_yaml_that_would_take_minutes_to_parse_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "MAX_YAML_EVENTS", 100)
    with pytest.raises(ScenarioError, match="more than 100 values; give so much data as JSON"):
        parse_yaml("[" + "1," * 200 + "]")


def test_binary_content_is_refused_and_a_byte_order_mark_is_not(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_bytes(b"a: \xff\xfe")
    with pytest.raises(ScenarioError, match=r"is not UTF-8 text \(byte 3\)"):
        read_file(path)
    path.write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_file(path) == {"a": 1}


def test_faults_are_reported_with_the_file_name(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"broken\.json: line 1, column 2: malformed JSON"):
        read_file(path)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@settings(deadline=None)
@given(VALUES)
def test_what_is_written_is_read_as_the_same_value(value: Any) -> None:
    written = f"key: {dump_yaml(value)}"
    assert "\n" not in written
    assert parse_yaml(written) == {"key": value}


@settings(deadline=None)
@given(st.text(alphabet="ab:-[]{}#&*!?|>'\"%,1.e \n\t~", max_size=40))
def test_any_text_parses_or_is_a_scenario_error(written: str) -> None:
    for parse in (parse_yaml, parse_json):
        fault = "malformed"
        try:
            parse(written)
        except ScenarioError as error:
            fault = str(error)
        assert "malformed" in fault

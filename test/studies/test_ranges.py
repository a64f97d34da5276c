"""Values as text: what each form means, and what means nothing."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.errors import VeaatError
from veaat_migration.studies.errors import StudyError
from veaat_migration.studies.ranges import MAX_VALUES, is_count, parse_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("5", (5,)),
        ("10,20,30", (10, 20, 30)),
        ("2:20:6", (2, 8, 14, 20)),
        ("2:21:6", (2, 8, 14, 20)),
        ("2:5", (2, 3, 4, 5)),
        ("5:2", (5, 4, 3, 2)),
        ("5:1:-2", (5, 3, 1)),
        ("3:3", (3,)),
        ("0.1:0.5:0.1", (0.1, 0.2, 0.3, 0.4, 0.5)),
        ("-0.2:0.2:0.2", (-0.2, 0.0, 0.2)),
        ("lin:0:1:5", (0.0, 0.25, 0.5, 0.75, 1.0)),
        ("lin:3:9:1", (3.0,)),
        ("log:1:100:3", (1.0, 10.0, 100.0)),
        ("log:100:0.01:3", (100.0, 1.0, 0.01)),
        ("1,2,5:20:5", (1, 2, 5, 10, 15, 20)),
        (" 1 , 2 ", (1, 2)),
        ("1,1,1:2", (1, 2)),
        ("1e-3,.5,1.", (0.001, 0.5, 1.0)),
        ("additive,multiplicative", ("additive", "multiplicative")),
        ("true,false,null,no", (True, False, None, "no")),
        ("1,true", (1, True)),
    ],
)
def test_each_form_has_its_values(text: str, values: tuple[object, ...]) -> None:
    parsed = parse_values(text)
    assert parsed == values
    assert list(map(type, parsed)) == list(map(type, values))


@pytest.mark.parametrize(
    "text",
    ["", "1,", ",1", "1:2:0", "1:5:-1", "5:1:1", "1:2:3:4", "a:b", "1:x", "log:0:1:3", "log:-1:1:3",
     "log:1:2", "lin:1:2:0", "lin:1:2:1.5", "lin:1:2:1e9", "0:1e9:1e-9", "1:1e999", "[1]", "{a: 1}",
     "*x", "a: b", "1:inf", "nan:1", "::", "log:1:2:3:4"],
)  # fmt: skip
def test_what_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(StudyError):
        parse_values(text)


def test_numbers_of_players_are_whole() -> None:
    assert parse_values("log:1:1000:7", whole=True) == (1, 3, 10, 32, 100, 316, 1000)
    assert parse_values("lin:1:4:7", whole=True) == (1, 2, 3, 4)
    for text in ("1.5", "2:3:0.5", "0:3", "-1", "three", "true", "2.0"):
        with pytest.raises(StudyError, match="must be whole numbers from 1"):
            parse_values(text, whole=True)


NUMBERS = st.decimals(-1000, 1000, places=3, allow_nan=False)


@given(NUMBERS, st.decimals("0.001", 100, places=3), st.integers(0, 200))
def test_a_range_goes_in_even_steps_from_its_start_to_its_end(start, step, count) -> None:
    values = parse_values(f"{start}:{start + count * step}:{step}")
    assert len(values) == count + 1
    assert values[0] == float(start)
    assert values[-1] == float(start + count * step)
    # Each value is the float that its shortest decimal reads as: no 0.30000000000000004.
    assert all(value == float(start + k * step) for k, value in enumerate(values))


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 50))
def test_a_logarithmic_range_is_ordered_and_keeps_its_ends(start, end, count) -> None:
    values = parse_values(f"log:{start!r}:{end!r}:{count}")
    assert values[0] == pytest.approx(start, rel=1e-9)
    assert values[-1] == pytest.approx(end, rel=1e-9)
    assert list(values) == sorted(values, reverse=start > end)
    if len(values) == count:
        steps = [math.log(b / a) for a, b in itertools.pairwise(values)]
        assert max(steps) - min(steps) < 1e-8 + 1e-7 * abs(steps[0])


@given(st.text(alphabet="0123456789.:,-+elogin ", max_size=30), st.booleans())
def test_any_text_is_a_bounded_list_of_values_or_an_error(text: str, whole: bool) -> None:
    try:
        values = parse_values(text, whole=whole)
    except VeaatError:
        return
    assert 1 <= len(values) <= MAX_VALUES
    if whole:
        assert all(is_count(value) for value in values)

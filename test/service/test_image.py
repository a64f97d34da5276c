"""Images of twins."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.service.image import (
    CRUISE_SPEED,
    MAX_HEADER,
    ImageError,
    cruise_speed_of,
    make_image,
)


def test_an_image_has_its_size_and_says_what_it_is():
    image = make_image(3, 10_000, cruise_speed=8.5)
    assert len(image) == 10_000
    assert cruise_speed_of(image[:MAX_HEADER]) == 8.5
    assert image == make_image(3, 10_000, cruise_speed=8.5)
    assert image != make_image(4, 10_000, cruise_speed=8.5)


def test_it_does_not_compress():
    assert len(zlib.compress(make_image(1, 50_000))) > 49_000


def test_one_that_is_too_small_is_refused():
    with pytest.raises(ImageError, match=r"^size: must be at least \d+ bytes, got 10$"):
        make_image(1, 10)


@given(st.binary(max_size=100))
def test_any_bytes_may_be_an_image(content: bytes):
    assert cruise_speed_of(content) == CRUISE_SPEED


@pytest.mark.parametrize("value", ["null", "-1", "1e9", '"fast"', "NaN"])
def test_a_senseless_speed_is_the_usual_one(value: str):
    head = f'VEAAT1 {{"cruise_speed": {value}}}\n'.encode()
    assert cruise_speed_of(head) == CRUISE_SPEED

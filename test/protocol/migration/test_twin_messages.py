"""Whatever arrives, nothing breaks and nothing moves."""

from __future__ import annotations

import dataclasses
import math
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.protocol.migration.codes import CopyKind, Phase
from veaat_migration.protocol.migration.messages import Message, is_well_formed

from .scene import Scene

GARBAGE = [None, "7", 1.5, -1, math.nan, math.inf, [], 2**70, b"x", "x" * 2000, True]
small = st.integers(0, 4)
values = {
    "int": small | st.integers(0, 2**64 - 1),
    "float": st.floats(0, 1e6),
    "bool": st.booleans(),
    "bytes": st.binary(max_size=64) | st.binary(min_size=32, max_size=32),
    "str": st.text(max_size=10),
    "Phase": st.sampled_from(Phase),
    "ErrorCode": st.just(0),
    "CopyKind": st.sampled_from(CopyKind),
}


def any_of(kind: type) -> st.SearchStrategy:
    fields = {item.name: values[item.type] for item in dataclasses.fields(kind)}
    return st.builds(kind, **fields)


messages = st.one_of([any_of(kind) for kind in get_args(Message)])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), messages), max_size=20), st.booleans())
def test_random_messages_never_raise(arrivals, moving) -> None:
    """They may move a twin only if they are a plausible word of the AV to an RSU."""
    scene = Scene()
    scene.move(1)
    if moving:
        scene.begin(2)
        scene.wait(0.4)
    for number, message in arrivals:
        site = scene.av() if number == 0 else scene.rsu(number)
        scene.world.step(site, lambda machine, now, m=message: machine.on_message(m, now))
    scene.wait(1.0)
    assert len(scene.actors()) <= 1


@pytest.mark.parametrize("kind", get_args(Message))
def test_a_field_of_a_wrong_type_is_rejected(kind: type) -> None:
    plain = {"int": 1, "float": 1.0, "bool": True, "bytes": bytes(32), "str": "", "Phase": Phase(1)}
    names = {item.name: item.type for item in dataclasses.fields(kind)}
    plain |= {"ErrorCode": dataclasses.MISSING, "CopyKind": CopyKind(1)}
    good = kind(**{n: plain[t] for n, t in names.items() if plain[t] is not dataclasses.MISSING})
    assert is_well_formed(good)
    scene = Scene()
    for name, type_ in names.items():
        for junk in GARBAGE:
            fits = (type_ == "float" and junk in (1.5, True)) or (type_ == "bool" and junk is True)
            fits = fits or (type_ == "bytes" and junk == b"x" and name not in ("digest",))
            fits = fits or (type_ == "str" and junk == "7")
            fits = fits or (name in ("sent", "echo_sent") and junk == -1)
            if fits:
                continue
            bad = dataclasses.replace(good, **{name: junk})
            assert not is_well_formed(bad), (name, junk)
            for site in (scene.av(), scene.rsu(1)):
                before = site.machine.rejected
                assert site.machine.on_message(bad, 1.0) == []
                assert site.machine.rejected == before + 1


@pytest.mark.parametrize("junk", GARBAGE)
def test_what_is_no_message_is_counted(junk) -> None:
    scene = Scene()
    for site in (scene.av(), scene.rsu(1)):
        assert site.machine.on_message(junk, 1.0) == []
        assert site.machine.rejected == 1

"""Our reading and writing of serialized messages agrees with that of the RMW."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.ros

VALUES = {
    "boolean": st.booleans(),
    "uint8": st.integers(0, 2**8 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "double": st.floats(allow_nan=False),
}
NAMES = ("PriceOffer", "BandwidthBid", "Settlement")


def message_class(name: str) -> Any:
    from veaat_migration import msg

    return getattr(msg, name)


@st.composite
def messages(draw: st.DrawFn) -> Any:
    kind = message_class(draw(st.sampled_from(NAMES)))
    message = kind()
    message.header.stamp.sec = draw(st.integers(0, 2**31 - 1))
    message.header.stamp.nanosec = draw(st.integers(0, 10**9 - 1))
    message.header.frame_id = draw(st.sampled_from(["", "m", "map", "a longer frame"]))
    for name, type_name in kind.get_fields_and_field_types().items():
        item = type_name.removeprefix("sequence<").removesuffix(">")
        if name != "header":
            value = VALUES[item]
            if item != type_name:
                value = st.lists(value, max_size=5)
            setattr(message, name, draw(value))
    return message


def fields_of(message: Any) -> dict[str, Any]:
    return {
        name: tuple(value) if hasattr(value := getattr(message, name), "__len__") else value
        for name in message.get_fields_and_field_types()
        if name != "header"
    }


@given(messages())
def test_what_the_rmw_wrote_is_read(message: Any):
    from rclpy.serialization import serialize_message

    from veaat_migration.nodes.wire import Codec

    codec = Codec(type(message))
    for _ in range(2):  # the second time by the layout of the first
        assert codec.decode(serialize_message(message))._asdict() == fields_of(message)


@given(messages())
def test_what_we_write_is_read_by_the_rmw(message: Any):
    from rclpy.serialization import deserialize_message

    from veaat_migration.nodes.wire import Codec

    codec = Codec(type(message))
    stamp = message.header.stamp
    nanoseconds = stamp.sec * 10**9 + stamp.nanosec
    written = codec.encode(nanoseconds, codec.getter()(message))
    read = deserialize_message(written, type(message))
    assert fields_of(read) == fields_of(message)
    assert read.header.stamp == stamp
    assert read.header.frame_id == ""


@given(messages(), messages())
def test_a_layout_of_the_same_size_does_not_mislead(first: Any, second: Any):
    from rclpy.serialization import serialize_message

    from veaat_migration.nodes.wire import Codec

    codecs = {name: Codec(message_class(name)) for name in NAMES}
    for message in (first, second, first):
        data = serialize_message(message)
        padded = data + bytes(512 - len(data)) if len(data) < 512 else data
        codec = codecs[type(message).__name__]
        assert codec.decode(padded)._asdict() == fields_of(message)


@given(st.sampled_from(NAMES), st.binary(max_size=200))
def test_junk_is_refused_or_read_but_never_fatal(name: str, junk: bytes):
    from veaat_migration.nodes.wire import Codec, WireError

    for data in (junk, b"\0\1\0\0" + junk):
        try:
            Codec(message_class(name)).decode(data)
        except WireError:
            continue


@given(messages(), st.data())
def test_a_message_cut_short_is_refused(message: Any, data: st.DataObject):
    from rclpy.serialization import serialize_message

    from veaat_migration.nodes.wire import Codec, WireError

    codec = Codec(type(message))
    whole = codec.encode(0, codec.getter()(message))
    codec.decode(serialize_message(message))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(WireError):
        codec.decode(whole[:cut])


def test_another_encapsulation_is_refused():
    from veaat_migration.nodes.wire import Codec, WireError

    codec = Codec(message_class("PriceOffer"))
    good = codec.encode(0, (1, 2, 3, 4.0, 5.0, False, 0, (), ()))
    codec.decode(good)
    for begin in (b"\0\0\0\0", b"\0\3\0\0", b"\0\7\0\0", b""):
        with pytest.raises(WireError):
            codec.decode(begin + good[4:])


def test_an_absurd_length_costs_nothing():
    from veaat_migration.nodes.wire import Codec, WireError

    codec = Codec(message_class("BandwidthBid"))
    good = bytearray(codec.encode(0, (1, 2, 3, False, (), (), (), (), ())))
    struct.pack_into("<I", good, 44, 2**32 - 1)
    with pytest.raises(WireError, match="longer than the message"):
        codec.decode(bytes(good))


def test_only_numbers_are_supported():
    from std_msgs.msg import Float64MultiArray

    from veaat_migration.nodes.wire import Codec

    with pytest.raises(ValueError, match=r"NodeStatus\.policy: string is not supported"):
        Codec(message_class("NodeStatus"))
    with pytest.raises(ValueError, match="must begin with a header"):
        Codec(Float64MultiArray)


def test_the_machines_know_the_fields_by_their_place():
    from veaat_migration import msg
    from veaat_migration.protocol.reading import PlainBid, PlainOffer

    for plain, kind in ((PlainBid, msg.BandwidthBid), (PlainOffer, msg.PriceOffer)):
        assert ("header", *plain._fields) == tuple(kind.get_fields_and_field_types())

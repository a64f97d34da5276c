"""Positions straight out of serialized odometry."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.nodes.odometry import read_odometry
from veaat_migration.nodes.wire import ENCAPSULATION, WireError


def odometry(stamp: tuple[int, int], frame: bytes, child: bytes, *rest: float) -> bytes:
    """Plain CDR: alignment counts from behind the encapsulation."""
    data = struct.pack("<iI", *stamp)
    for text in (frame, child):
        data += b"\0" * (-len(data) % 4)
        data += struct.pack("<I", len(text) + 1) + text + b"\0"
    data += b"\0" * (-len(data) % 8)
    return ENCAPSULATION + data + struct.pack(f"<{len(rest)}d", *rest)


NAMES = st.binary(max_size=20).filter(lambda name: b"\0" not in name)


@given(frame=NAMES, child=NAMES)
def test_the_position_is_found_behind_names_of_any_length(frame: bytes, child: bytes):
    sample = read_odometry(odometry((12, 500_000_000), frame, child, 1.5, -2.5, 0.5, 9.0))
    assert sample.stamp == 12.5
    assert sample.position == (1.5, -2.5, 0.5)
    assert sample.frame == frame.decode("utf-8", "replace")


@given(st.binary(max_size=200))
def test_other_bytes_are_refused_or_read_as_something(data: bytes):
    for content in (data, ENCAPSULATION + data):
        try:
            sample = read_odometry(content)
        except WireError:
            continue
        assert len(sample.position) == 3


def test_what_is_not_finite_is_left_to_the_reader():
    sample = read_odometry(odometry((0, 0), b"map", b"", math.nan, math.inf, 0.0))
    assert math.isnan(sample.position[0])


def test_a_cut_message_is_refused():
    data = odometry((12, 0), b"map", b"base_link", 1.0, 2.0, 3.0)
    for size in range(len(data)):
        with pytest.raises(WireError):
            read_odometry(data[:size])


@pytest.mark.ros
def test_it_agrees_with_rclpy():
    from nav_msgs.msg import Odometry
    from rclpy.serialization import serialize_message

    message = Odometry(child_frame_id="base_link")
    message.header.frame_id = "odom"
    message.header.stamp.sec, message.header.stamp.nanosec = 1_700_000_000, 250_000_000
    place = message.pose.pose.position
    place.x, place.y, place.z = 10.0, -20.0, 30.0
    sample = read_odometry(serialize_message(message))
    assert sample == (1_700_000_000.25, "odom", (10.0, -20.0, 30.0))

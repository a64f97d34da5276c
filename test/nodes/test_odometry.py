"""Positions straight out of serialized odometry."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veaat_migration.nodes.odometry import read_odometry, turned
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
    message.pose.pose.orientation.z = message.pose.pose.orientation.w = math.sqrt(0.5)
    message.twist.twist.linear.x, message.twist.twist.linear.y = 3.0, 1.0
    sample = read_odometry(serialize_message(message))
    assert sample[:3] == (1_700_000_000.25, "odom", (10.0, -20.0, 30.0))
    assert sample.velocity == pytest.approx((-1.0, 3.0))


def test_the_velocity_is_turned_into_the_frame_of_the_position():
    half = 0.5 * math.radians(30.0)
    forward = turned((0.0, 0.0, math.sin(half), math.cos(half)), 2.0, 0.0)
    assert forward == pytest.approx((2.0 * math.cos(math.radians(30.0)), 1.0))
    # A quaternion need not be of length 1.
    longer = turned((0.0, 0.0, 3 * math.sin(half), 3 * math.cos(half)), 2.0, 0.0)
    assert longer == pytest.approx(forward)


def test_a_velocity_without_an_orientation_is_not_known():
    assert all(map(math.isnan, turned((0.0, 0.0, 0.0, 0.0), 2.0, 0.0)))
    assert turned((0.0, 0.0, 0.0, 0.0), 0.0, 0.0) == (0.0, 0.0)
    short = read_odometry(odometry((12, 0), b"map", b"", 1.0, 2.0, 3.0))
    assert all(map(math.isnan, short.velocity))

"""Stamp, frame, position and velocity straight out of a serialized ``nav_msgs/Odometry``.

Odometry comes many times between two bids, and rclpy takes longer to build its 36-element
covariances than a policy takes to decide.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import NamedTuple

from veaat_migration.nodes.wire import ENCAPSULATION, WireError

_STAMP = struct.Struct("<4xiII")
_LENGTH = struct.Struct("<I")
_POSITION = struct.Struct("<3d")
_MOTION = struct.Struct("<24x4d288x2d")
"""Behind the position: orientation, covariance, linear velocity in the vehicle's frame."""
_HEAD = 4
"""Bytes of the encapsulation, from which alignment is counted."""


class Sample(NamedTuple):
    """One position."""

    stamp: float
    """[s]"""
    frame: str
    position: tuple[float, float, float]
    """[m]"""
    velocity: tuple[float, float] = (math.nan, math.nan)
    """In the frame of the position [m/s]; NaN: not known."""


def read_odometry(data: bytes) -> Sample:
    """Read what is needed of a message.

    Raises:
        WireError: the bytes are no such message, or in another form than plain CDR.
    """
    if not data.startswith(ENCAPSULATION):
        raise WireError("not plain CDR, little endian")
    try:
        seconds, nanoseconds, length = _STAMP.unpack_from(data)
        begin = _STAMP.size
        end = begin + length
        frame = data[begin : end - 1].decode("utf-8", "replace")
        place = _aligned(end, 4)
        (length,) = _LENGTH.unpack_from(data, place)
        place = _aligned(place + 4 + length, 8)
        position = _POSITION.unpack_from(data, place)
    except struct.error as error:
        raise WireError(str(error)) from error
    velocity = (math.nan, math.nan)
    if len(data) >= place + _MOTION.size:
        *orientation, forward, left = _MOTION.unpack_from(data, place)
        velocity = turned(orientation, forward, left)
    return Sample(seconds + 1e-9 * nanoseconds, frame, position, velocity)


def turned(quaternion: Sequence[float], forward: float, left: float) -> tuple[float, float]:
    """A velocity in the vehicle's frame as one in the frame of its position [m/s].

    Args:
        quaternion: orientation x, y, z, w; without meaning (length 0): the velocity is unknown.
        forward: [m/s]
        left: [m/s]
    """
    x, y, z, w = quaternion
    length = x * x + y * y + z * z + w * w
    if not 0.0 < length < math.inf:
        return (0.0, 0.0) if forward == left == 0.0 else (math.nan, math.nan)
    cosine = 1.0 - 2.0 * (y * y + z * z) / length
    sine = 2.0 * (x * y + w * z) / length
    return forward * cosine - left * sine, forward * sine + left * cosine


def _aligned(place: int, width: int) -> int:
    return place + (_HEAD - place) % width

"""Stamp, frame and position straight out of a serialized ``nav_msgs/Odometry``.

Odometry comes many times between two bids, and rclpy takes longer to build its 36-element
covariances than a policy takes to decide.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from veaat_migration.nodes.wire import ENCAPSULATION, WireError

_STAMP = struct.Struct("<4xiII")
_LENGTH = struct.Struct("<I")
_POSITION = struct.Struct("<3d")
_HEAD = 4
"""Bytes of the encapsulation, from which alignment is counted."""


class Sample(NamedTuple):
    """One position."""

    stamp: float
    """[s]"""
    frame: str
    position: tuple[float, float, float]
    """[m]"""


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
    return Sample(seconds + 1e-9 * nanoseconds, frame, position)


def _aligned(place: int, width: int) -> int:
    return place + (_HEAD - place) % width

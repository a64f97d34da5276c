"""A twin's image: a header that says what it is, and as many bytes as its model and history have.

The bytes stand for a model and a history that we do not ship; they are drawn by a seed, do not
compress, and have to arrive as they left like those of any other twin.
"""

from __future__ import annotations

import json

import numpy as np

from veaat_migration.errors import VeaatError

MAGIC = b"VEAAT1 "
CRUISE_SPEED = 13.9
"""Of a twin whose image says nothing about it [m/s]."""
MAX_HEADER = 4096


class ImageError(VeaatError, ValueError):
    """An image cannot be made; the message says why."""


def make_image(
    av_id: int, size: int, *, seed: int = 0, cruise_speed: float = CRUISE_SPEED
) -> bytes:
    """The image of an AV's twin, the same for the same arguments.

    Args:
        av_id: whose.
        size: of all of it [bytes].
        seed: of the bytes behind the header.
        cruise_speed: configuration of the agent [m/s].

    Raises:
        ImageError: the size has no room for the header.
    """
    configuration = json.dumps({"av_id": av_id, "cruise_speed": cruise_speed})
    header = MAGIC + configuration.encode() + b"\n"
    if size < len(header):
        raise ImageError(f"size: must be at least {len(header)} bytes, got {size}")
    rest = np.random.default_rng([seed, av_id]).bytes(size - len(header))
    return header + rest


def cruise_speed_of(head: bytes) -> float:
    """The configured speed [m/s], from the beginning of an image; the usual one if it has none."""
    line = head[:MAX_HEADER].partition(b"\n")[0]
    if not line.startswith(MAGIC):
        return CRUISE_SPEED
    try:
        speed = float(json.loads(line[len(MAGIC) :])["cruise_speed"])
    except (ValueError, KeyError, TypeError):
        return CRUISE_SPEED
    return speed if 0.0 <= speed <= 100.0 else CRUISE_SPEED

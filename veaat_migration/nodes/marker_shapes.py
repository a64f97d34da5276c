"""What is drawn in three dimensions, as plain values: no ROS."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

Colour = tuple[float, float, float, float]
"""Red, green, blue and opacity, each 0 to 1."""
Point = tuple[float, float, float]
"""x, y, z [m]."""

SIDES = 64
"""Corners of a circle."""


class Form(IntEnum):
    """Kinds of shapes; numbers as in ``visualization_msgs/Marker``."""

    CYLINDER = 3
    LINE_LIST = 5
    CUBE_LIST = 6
    TEXT = 9
    TRIANGLE_LIST = 11


Key = tuple[str, int]
"""Namespace and number of a marker."""


@dataclass(frozen=True)
class Shape:
    """One marker. Lists hold any number of things, so that a city is a handful of markers."""

    namespace: str
    number: int
    form: Form
    scale: Point
    """Size [m]; of lines x is the width, of texts z the height of a letter."""
    colour: Colour
    place: Point = (0.0, 0.0, 0.0)
    points: tuple[Point, ...] = ()
    colours: tuple[Colour, ...] = ()
    """One for each point; empty: all have ``colour``."""
    text: str = ""

    @property
    def key(self) -> Key:
        """What tells this marker from the others."""
        return self.namespace, self.number


def rgba(hexadecimal: str, opacity: float = 1.0) -> Colour:
    """A colour written as #rrggbb."""
    red, green, blue = (int(hexadecimal[k : k + 2], 16) / 255.0 for k in (1, 3, 5))
    return red, green, blue, opacity


def circle(x: float, y: float, z: float, radius: float) -> tuple[Point, ...]:
    """A horizontal circle as a list of lines."""
    corners = [
        (x + radius * math.cos(angle), y + radius * math.sin(angle), z)
        for angle in (2.0 * math.pi * k / SIDES for k in range(SIDES))
    ]
    return tuple(corner for k in range(SIDES) for corner in (corners[k], corners[(k + 1) % SIDES]))


def arrowhead(x: float, y: float, z: float, heading: float, length: float) -> tuple[Point, ...]:
    """A flat triangle that points where a vehicle goes.

    Args:
        x: of its middle [m].
        y: of its middle [m].
        z: [m]
        heading: from the x axis counter-clockwise [rad].
        length: [m]
    """
    along, across = math.cos(heading) * length, math.sin(heading) * length
    return (
        (x + 0.6 * along, y + 0.6 * across, z),
        (x - 0.4 * along - 0.35 * across, y - 0.4 * across + 0.35 * along, z),
        (x - 0.4 * along + 0.35 * across, y - 0.4 * across - 0.35 * along, z),
    )


def between(source: Point, target: Point, share: float) -> Point:
    """A point on the way from one to the other."""
    x, y, z = (a + (b - a) * share for a, b in zip(source, target, strict=True))
    return x, y, z


def finite(values: Sequence[float], limit: float) -> bool:
    """Whether all of some coordinates can be drawn."""
    return all(abs(value) <= limit for value in values)

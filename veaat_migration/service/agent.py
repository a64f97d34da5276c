"""A light embodied agent: sense, model, plan, act. All that it remembers is a twin's live state.

Sense: the AV's position and velocity. Model: an alpha-beta filter of both. Plan: keep to the way
and approach the cruising speed, which the twin's configuration names. Act: speed and heading. A
step is a pure function of the state before and of what was sensed, so any RSU goes on where another
one stopped, and the digest of all steps that the state carries shows whether one was left out.
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from typing import NamedTuple

_LAYOUT = struct.Struct("<4sQQQd4d32s")
_MAGIC = b"SMPA"
_SENSED = struct.Struct("<QQd4d")
ALPHA = 0.6
"""Share of a new position that the model believes at once."""
BETA = 0.3
"""The same for velocities."""
ACCELERATION = 1.5
"""By which the plan approaches its speed [m/s^2]."""
PLAN_AHEAD = 1.0
"""Time for which an action is meant [s]."""
FARTHEST = 1e8
"""Largest coordinate of an AV, more than any map projection has [m]."""
FASTEST = 1e3
"""Largest part of an AV's velocity [m/s]."""
LONGEST_STEP = 5.0
"""After a longer silence the model begins anew [s]."""


class Sensed(NamedTuple):
    """What an AV has told its twin."""

    session: int
    """Of the AV."""
    sequence: int
    """Counts in the session, from 1."""
    stamp: float
    """When it was sensed, on the AV's clock [s]."""
    x: float
    """[m]"""
    y: float
    vx: float
    """[m/s]"""
    vy: float

    @property
    def is_sound(self) -> bool:
        """Whether all numbers make sense: a single wild one would stay in the model for long."""
        return (
            self.sequence >= 1
            and math.isfinite(self.stamp)
            and abs(self.x) <= FARTHEST
            and abs(self.y) <= FARTHEST
            and abs(self.vx) <= FASTEST
            and abs(self.vy) <= FASTEST
        )


class Action(NamedTuple):
    """What the AV is to do."""

    session: int
    """Of the telemetry that is answered."""
    sequence: int
    speed: float
    """[m/s]"""
    heading: float
    """From the x axis counter-clockwise [rad]."""


@dataclass(frozen=True, slots=True)
class Mind:
    """An agent's live state."""

    steps: int = 0
    session: int = 0
    sequence: int = 0
    stamp: float = math.nan
    x: float = math.nan
    y: float = math.nan
    vx: float = 0.0
    vy: float = 0.0
    history: bytes = bytes(32)
    """Digest of all that was sensed, in its order."""

    def to_bytes(self) -> bytes:
        """As a twin's live state."""
        numbers = (self.steps, self.session, self.sequence, self.stamp)
        return _LAYOUT.pack(_MAGIC, *numbers, self.x, self.y, self.vx, self.vy, self.history)

    @classmethod
    def from_bytes(cls, live: bytes) -> Mind:
        """Out of a twin's live state; one of another form, such as an empty one, is a new mind."""
        if len(live) != _LAYOUT.size or live[:4] != _MAGIC:
            return cls()
        return cls(*_LAYOUT.unpack(live)[1:])

    def has_answered(self, sensed: Sensed) -> bool:
        """Whether this, or something newer, was answered already."""
        return (sensed.session, sensed.sequence) <= (self.session, self.sequence)


class Agent:
    """The thinking of one twin; what it is set to does not change while it lives."""

    def __init__(self, cruise_speed: float) -> None:
        """Set the speed that it tries to reach [m/s]."""
        self._cruise = cruise_speed

    def step(self, before: Mind, sensed: Sensed) -> tuple[Mind, Action]:
        """Think once; ``sensed`` must be sound and not yet answered."""
        x, y, vx, vy = self._model(before, sensed)
        history = hashlib.sha256(before.history + _SENSED.pack(*sensed)).digest()
        mind = Mind(
            before.steps + 1, sensed.session, sensed.sequence, sensed.stamp, x, y, vx, vy, history
        )
        return mind, self._plan(mind)

    def _model(self, before: Mind, sensed: Sensed) -> tuple[float, float, float, float]:
        """Position and velocity, by what was expected and what was sensed."""
        passed = sensed.stamp - before.stamp
        if before.session != sensed.session or not 0.0 < passed <= LONGEST_STEP:
            return sensed.x, sensed.y, sensed.vx, sensed.vy
        expected = before.x + before.vx * passed, before.y + before.vy * passed
        return (
            expected[0] + ALPHA * (sensed.x - expected[0]),
            expected[1] + ALPHA * (sensed.y - expected[1]),
            before.vx + BETA * (sensed.vx - before.vx),
            before.vy + BETA * (sensed.vy - before.vy),
        )

    def _plan(self, mind: Mind) -> Action:
        speed = math.hypot(mind.vx, mind.vy)
        change = min(max(self._cruise - speed, -ACCELERATION), ACCELERATION) * PLAN_AHEAD
        heading = math.atan2(mind.vy, mind.vx)
        return Action(mind.session, mind.sequence, max(speed + change, 0.0), heading)

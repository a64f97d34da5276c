"""Where AVs drove: their odometry in a bag, thinned while it is read, at the steps of a replay."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.analysis.bag_files import find_bag, read_file
from veaat_migration.analysis.definitions import typestore_from
from veaat_migration.analysis.storage import Channel, FileReport, RawMessage

ODOMETRY = "nav_msgs/msg/Odometry"
FARTHEST = 1e8
"""A place farther away than this is none [m]."""

FloatArray = npt.NDArray[np.float64]


@dataclass
class Way:
    """Places of one AV, in the order of time."""

    times: array[int] = field(default_factory=lambda: array("q"))
    """When the recorder received them [ns since the epoch]."""
    x: array[float] = field(default_factory=lambda: array("d"))
    """[m]"""
    y: array[float] = field(default_factory=lambda: array("d"))
    """[m]"""

    def add(self, time: int, x: float, y: float) -> None:
        """One more place; what is no place, or not later than the one before, is left out."""
        if abs(x) < FARTHEST and abs(y) < FARTHEST and (not self.times or time > self.times[-1]):
            self.times.append(time)
            self.x.append(x)
            self.y.append(y)

    def at(self, moments: npt.NDArray[np.int64], gap: int) -> FloatArray:
        """Places at some moments, between two samples on the straight line.

        Args:
            moments: [ns since the epoch], shape [T], increasing.
            gap: longest time between two samples in which the AV counts as there [ns].

        Returns:
            [m], shape [T, 2]; NaN where the AV was not heard of.
        """
        places = np.full((len(moments), 2), np.nan)
        if not self.times:
            return places
        times = np.array(self.times, np.int64)
        after = np.searchsorted(times, moments, side="left")
        before = np.searchsorted(times, moments, side="right") - 1
        last = len(times) - 1
        # Beyond the ends the nearest sample stands for both sides.
        span = np.where(
            (before < 0) | (after > last),
            2 * np.abs(moments - times[np.clip(before, 0, last)]),
            times[np.minimum(after, last)] - times[np.maximum(before, 0)],
        )
        here = span <= gap
        origin = times[0]
        for axis, values in enumerate((self.x, self.y)):
            line = np.interp((moments - origin) / 1e9, (times - origin) / 1e9, np.array(values))
            places[here, axis] = line[here]
        return places


def read_ways(path: Path, namespace: str, interval: float) -> dict[int, Way]:
    """The ways of all AVs whose odometry is in a bag, by id: topics ``av_N/...`` of that type.

    Only what is kept is decoded, so that an hour of a city costs seconds.

    Args:
        path: bag folder, a folder with one bag in it, or a storage file.
        namespace: of the game.
        interval: shortest time between two places of one AV that are kept [s].

    Raises:
        BagError: there is no bag.
    """
    bag = find_bag(path)
    topic = re.compile(rf"{re.escape(namespace.rstrip('/'))}/av_([0-9]{{1,10}})/[^/]+")

    def wanted(channel: Channel) -> bool:
        return (
            channel.message_type == ODOMETRY
            and channel.encoding == "cdr"
            and topic.fullmatch(channel.topic) is not None
        )

    ways: dict[int, Way] = {}
    for file in bag.files:
        report = FileReport(file, file.stat().st_size)
        found = read_file(file, report, wanted, messages_compressed=bag.messages_compressed)
        _collect(ways, found, topic, round(interval * 1e9))
    return ways


def _collect(
    ways: dict[int, Way], found: Iterable[RawMessage], topic: re.Pattern[str], interval: int
) -> None:
    store: Any = None
    due: dict[str, int] = {}
    for raw in found:
        name = raw.channel.topic
        if raw.receive_time < due.get(name, 0):
            continue
        if store is None:
            store, _ = typestore_from([(ODOMETRY, raw.channel.definition)])
        try:
            place = store.deserialize_cdr(raw.data, ODOMETRY).pose.pose.position
            x, y = float(place.x), float(place.y)
        except Exception:  # damaged bytes make the generated decoder fail in many ways
            continue
        due[name] = raw.receive_time + interval
        match = topic.fullmatch(name)
        if match is not None:
            ways.setdefault(int(match[1]), Way()).add(raw.receive_time, x, y)

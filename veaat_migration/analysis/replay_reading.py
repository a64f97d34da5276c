"""Reads replays back: from a file with a check of every part, and positions out of differences."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.analysis.replay_data import FORMAT, NOBODY, VERSION, Phase, ReplayError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MAX_SIZE = 1 << 30
"""Most bytes of a file, unpacked."""
_GZIP_MAGIC = b"\x1f\x8b"


def load_replay(path: Path) -> dict[str, Any]:
    """Read a replay file (JSON, plain or gzip) and check it.

    Raises:
        ReplayError: it cannot be read, is no replay, or a part of it is wrong; says which.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            if packed:
                with gzip.open(raw) as stream:
                    content = stream.read(MAX_SIZE + 1)
            else:
                content = raw.read(MAX_SIZE + 1)
    except FileNotFoundError as error:
        raise ReplayError(f"{path}: no such file") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ReplayError(f"{path}: the compressed file is truncated or damaged") from error
    except OSError as error:
        raise ReplayError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_SIZE:
        raise ReplayError(f"{path}: larger than {MAX_SIZE >> 20} MiB")
    try:
        replay = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ReplayError(f"{path}: is no JSON: {error}") from error
    try:
        check_replay(replay)
    except ReplayError as error:
        raise ReplayError(f"{path}: {error}") from error
    checked: dict[str, Any] = replay
    return checked


def check_replay(replay: Any) -> None:
    """Check every part of a replay.

    Raises:
        ReplayError: with the path of the part, such as ``vehicles[3].spans[0]``.
    """
    if not isinstance(replay, dict) or replay.get("format") != FORMAT:
        raise ReplayError(f'is no replay: "format" must be "{FORMAT}"')
    if replay.get("version") != VERSION:
        raise ReplayError(
            f"is a replay of version {replay.get('version')!r}; this program reads {VERSION}"
        )
    for key, kind in (("title", str), ("description", str)):
        _require(isinstance(replay.get(key), kind), key, "must be text")
    for key in ("resolution", "speed"):
        _require(_is_number(replay.get(key)) and replay[key] > 0, key, "must be a number > 0")
    for key in ("times", "rsus", "roads", "vehicles", "events", "charts"):
        _require(isinstance(replay.get(key), list), key, "must be a list")
    _require(_are_integers(replay["times"]) and replay["times"], "times", "must be integers")
    _require(all(step > 0 for step in replay["times"][1:]), "times", "must increase")
    sizes = len(replay["times"]), len(replay["vehicles"]), len(replay["rsus"])
    for where, rsu in _numbered(replay, "rsus"):
        numbers = all(_is_number(rsu.get(key)) for key in ("x", "y", "radius"))
        _require(numbers and isinstance(rsu.get("name"), str), where, "needs name, x, y, radius")
    for n, road in enumerate(replay["roads"]):
        right = isinstance(road, list) and len(road) == 2 and all(map(_are_integers, road))
        _require(right and len(road[0]) == len(road[1]), f"roads[{n}]", "must be two lists")
    for where, vehicle in _numbered(replay, "vehicles"):
        _check_vehicle(where, vehicle, sizes[0], sizes[2])
    for n, event in enumerate(replay["events"]):
        right = (
            isinstance(event, list)
            and len(event) == 5
            and _are_integers([event[0], event[2], event[3]])
        )
        _require(right, f"events[{n}]", "must be [time, kind, vehicle, rsu, text]")
        known = NOBODY <= event[2] < sizes[1] and NOBODY <= event[3] < sizes[2]
        texts = isinstance(event[1], str) and isinstance(event[4], str)
        _require(known and texts, f"events[{n}]", "names an unknown vehicle or RSU")
    for where, chart in _numbered(replay, "charts"):
        _check_chart(where, chart, sizes[2])


def _check_vehicle(where: str, vehicle: dict[str, Any], steps: int, rsus: int) -> None:
    _require(isinstance(vehicle.get("name"), str), where, "needs a name")
    for key in ("spans", "twin"):
        _require(isinstance(vehicle.get(key), list), f"{where}.{key}", "must be a list")
    free = 0
    for n, span in enumerate(vehicle["spans"]):
        path = f"{where}.spans[{n}]"
        right = isinstance(span, list) and len(span) == 3 and _are_integers(span[:1])
        right = right and _are_integers(span[1]) and _are_integers(span[2])
        _require(right, path, "must be [first step, x, y]")
        inside = free <= span[0] and 0 < len(span[1]) == len(span[2]) <= steps - span[0]
        _require(inside, path, "does not fit the steps")
        free = span[0] + len(span[1])
    for n, entry in enumerate(vehicle["twin"]):
        right = _are_integers(entry) and len(entry) in (4, 5)
        right = right and 0 <= entry[1] < len(Phase)
        right = right and all(NOBODY <= rsu < rsus for rsu in entry[2:4])
        right = right and all(detail >= 0 for detail in entry[4:])
        _require(right, f"{where}.twin[{n}]", "must be [time, phase, rsu, target(, detail)]")


def _check_chart(where: str, chart: dict[str, Any], rsus: int) -> None:
    for key in ("title", "unit"):
        _require(isinstance(chart.get(key), str), f"{where}.{key}", "must be text")
    _require(isinstance(chart.get("lines"), list), f"{where}.lines", "must be a list")
    for path, line in _numbered(chart, "lines"):
        right = isinstance(line.get("name"), str) and _are_integers([line.get("rsu")])
        right = right and NOBODY <= line["rsu"] < rsus and _are_integers(line.get("times"))
        right = right and isinstance(line.get("values"), list)
        right = right and all(map(_is_number, line["values"]))
        right = right and len(line["times"]) == len(line["values"])
        _require(right, f"{where}.{path}", "needs name, rsu, and as many times as values")


def _numbered(parent: dict[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for n, item in enumerate(parent[key]):
        _require(isinstance(item, dict), f"{key}[{n}]", "must be a mapping")
        yield f"{key}[{n}]", item


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _are_integers(value: Any) -> bool:
    # type() rather than isinstance: true and false are no numbers here.
    return isinstance(value, list) and all(type(item) is int for item in value)


def _require(right: Any, where: str, message: str) -> None:
    if not right:
        raise ReplayError(f"{where}: {message}")


def step_times(replay: dict[str, Any]) -> FloatArray:
    """Times of the steps [s], shape [T]."""
    return np.cumsum(np.array(replay["times"], dtype=np.int64)) / 1000.0


def positions_of(replay: dict[str, Any], vehicle: int) -> FloatArray:
    """Where a vehicle is at each step [m], shape [T, 2]; NaN: it is not there."""
    places = np.full((len(replay["times"]), 2), np.nan)
    for first, xs, ys in replay["vehicles"][vehicle]["spans"]:
        here = np.column_stack([np.cumsum(xs), np.cumsum(ys)]) * replay["resolution"]
        places[first : first + len(xs)] = here
    return places


def road_points(replay: dict[str, Any]) -> list[FloatArray]:
    """Points of every road [m], shapes [n, 2]."""
    return [
        np.column_stack([list(accumulate(axis)) for axis in road]) * replay["resolution"]
        for road in replay["roads"]
        if road[0]
    ]


def twins_at(replay: dict[str, Any], times: FloatArray) -> IntArray:
    """Index of the RSU that owns each twin at each time [s], or NOBODY; shape [T, V]."""
    hosts = np.full((len(times), len(replay["vehicles"])), NOBODY, dtype=np.int64)
    moments = np.round(times * 1000.0).astype(np.int64)
    for column, vehicle in enumerate(replay["vehicles"]):
        if vehicle["twin"]:
            entries = np.array([entry[:3] for entry in vehicle["twin"]], dtype=np.int64)
            last = np.searchsorted(entries[:, 0], moments, side="right") - 1
            hosts[:, column] = np.where(last >= 0, entries[np.maximum(last, 0), 2], NOBODY)
    return hosts

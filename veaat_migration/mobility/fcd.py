"""SUMO floating-car data (``sumo --fcd-output trace.xml.gz``): reading and writing.

Both work timestep by timestep, so that a trace of any length needs little memory.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, cast
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from veaat_migration.mobility.traffic import Snapshot, TraceError, Vehicle

ROOT = "fcd-export"
_GZIP_MAGIC = b"\x1f\x8b"
_COORDINATE_LIMIT = 1e7


def read_fcd(path: Path) -> Iterator[Snapshot]:
    """Snapshots of a trace, plain or gzip-compressed, one per timestep; persons are ignored.

    Raises:
        TraceError: while iterating: the file cannot be read, is truncated or is no such trace.
    """
    last: float | None = None
    try:
        with _open(path) as stream:
            for snapshot in _snapshots(stream):
                if last is not None and snapshot.time <= last:
                    raise TraceError(f"timestep {snapshot.time:g} s comes after {last:g} s")
                last = snapshot.time
                yield snapshot
    except FileNotFoundError as error:
        raise TraceError(f"{path}: no such file") from error
    except ElementTree.ParseError as error:
        raise TraceError(f"{path}: malformed XML{_reached(last)}: {error}") from error
    except (EOFError, zlib.error) as error:
        raise TraceError(
            f"{path}: the compressed file is truncated or damaged{_reached(last)}"
        ) from error
    except TraceError as error:
        raise TraceError(f"{path}: {error}") from error
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror or error}") from error


def write_fcd(path: Path, snapshots: Iterable[Snapshot]) -> None:
    """Write a trace, gzip-compressed if the name ends in ``.gz``; the same input, the same bytes.

    Raises:
        TraceError: the file cannot be written.
    """
    try:
        with path.open("wb") as raw:
            if path.suffix == ".gz":
                with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
                    _write(cast("IO[bytes]", packed), snapshots)
            else:
                _write(raw, snapshots)
    except OSError as error:
        raise TraceError(f"{path}: cannot be written: {error.strerror or error}") from error


def _open(path: Path) -> IO[bytes]:
    """By content rather than by name: a renamed file opens as well."""
    with path.open("rb") as raw:
        compressed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    return cast("IO[bytes]", gzip.open(path, "rb")) if compressed else path.open("rb")


def _snapshots(stream: IO[bytes]) -> Iterator[Snapshot]:
    root: Any = None
    for event, element in ElementTree.iterparse(stream, events=("start", "end")):
        if root is None:
            root = element
            if root.tag != ROOT:
                raise TraceError(
                    f"is no SUMO floating-car data: its root is <{root.tag}>, not <{ROOT}> "
                    "(sumo writes that with --fcd-output)"
                )
        elif event == "end" and element.tag == "timestep":
            yield _snapshot(element)
            root.clear()  # forget the timestep, or memory would grow with the trace


def _snapshot(element: Any) -> Snapshot:
    text = element.get("time")
    if text is None:
        raise TraceError("a timestep lacks the attribute time")
    time = _seconds(text)
    vehicles = tuple(_vehicle(child, time) for child in element.iterfind("vehicle"))
    return Snapshot(time, vehicles)


def _vehicle(element: Any, time: float) -> Vehicle:
    name = element.get("id")
    if not name:
        raise TraceError(f"timestep {time:g} s: a vehicle lacks the attribute id")
    x, y = (_number(element, name, time, key) for key in ("x", "y"))
    if not (abs(x) <= _COORDINATE_LIMIT and abs(y) <= _COORDINATE_LIMIT):
        raise TraceError(f"timestep {time:g} s: vehicle '{name}' is at ({x:g}, {y:g})")
    return Vehicle(
        id=name,
        x=x,
        y=y,
        speed=_number(element, name, time, "speed", optional=True),
        angle=_number(element, name, time, "angle", optional=True),
        lane=element.get("lane", ""),
        lane_position=_number(element, name, time, "pos", optional=True),
    )


def _number(element: Any, name: str, time: float, key: str, optional: bool = False) -> float:
    text = element.get(key)
    if text is None:
        if optional:
            return math.nan
        raise TraceError(
            f"timestep {time:g} s: vehicle '{name}' lacks the attribute {key}; "
            "x and y are needed (see sumo's --fcd-output.attributes)"
        )
    try:
        return float(text)
    except ValueError as error:
        raise TraceError(
            f"timestep {time:g} s: vehicle '{name}': {key} must be a number, got '{text}'"
        ) from error


def _seconds(text: str) -> float:
    """Seconds, or [days:]hours:minutes:seconds (sumo --human-readable-time)."""
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if not parts or len(parts) > 4 or not all(math.isfinite(part) for part in parts):
        raise TraceError(f"a timestep's time must be a number of seconds, got '{text}'")
    return sum(
        part * unit for part, unit in zip(reversed(parts), (1, 60, 3600, 86400), strict=False)
    )


def _reached(last: float | None) -> str:
    return " before the first timestep" if last is None else f" after timestep {last:g} s"


def _write(stream: IO[bytes], snapshots: Iterable[Snapshot]) -> None:
    stream.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<{ROOT}>\n'.encode())
    for snapshot in snapshots:
        lines = [f'    <timestep time="{snapshot.time:.2f}">\n']
        for vehicle in snapshot.vehicles:
            attributes = [
                f"id={quoteattr(vehicle.id)}",
                f'x="{vehicle.x:.2f}"',
                f'y="{vehicle.y:.2f}"',
            ]
            for key, value in (
                ("angle", vehicle.angle),
                ("speed", vehicle.speed),
                ("pos", vehicle.lane_position),
            ):
                if math.isfinite(value):
                    attributes.append(f'{key}="{value:.2f}"')
            if vehicle.lane:
                attributes.append(f"lane={quoteattr(vehicle.lane)}")
            lines.append(f"        <vehicle {' '.join(attributes)}/>\n")
        lines.append("    </timestep>\n")
        stream.write("".join(lines).encode())
    stream.write(f"</{ROOT}>\n".encode())

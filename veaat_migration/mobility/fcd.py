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
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import quoteattr

from veaat_migration.mobility.fcd_parser import ROOT, FcdParser
from veaat_migration.mobility.traffic import Snapshot, TraceError

_GZIP_MAGIC = b"\x1f\x8b"
_PIECE = 64 * 1024


def read_fcd(path: Path) -> Iterator[Snapshot]:
    """Snapshots of a trace, plain or gzip-compressed, one per timestep; persons are ignored.

    What comes before a damage is given first. Memory does not grow with the length of the trace.

    Raises:
        TraceError: while iterating: the file cannot be read, is truncated, is no such trace,
            has a vehicle twice in a timestep, or timesteps that do not come in order.
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
    except ExpatError as error:
        raise TraceError(f"{path}: malformed XML{_reached(last)}: {error}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
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


def _open(path: Path) -> gzip.GzipFile | IO[bytes]:
    """By content rather than by name: a renamed file opens as well."""
    with path.open("rb") as raw:
        compressed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    return gzip.open(path, "rb") if compressed else path.open("rb")


def _snapshots(stream: Any) -> Iterator[Snapshot]:
    """Complete timesteps, also those of a piece that ends in an error."""
    parser = FcdParser()
    more = True
    while more:
        # read1 gives what it has before it fails on a cut archive; read would lose that.
        piece = stream.read1(_PIECE)
        more = bool(piece)
        failure: TraceError | ExpatError | None = None
        try:
            parser.feed(piece)
        except (TraceError, ExpatError) as error:
            failure = error
        yield from parser.take()
        if failure is not None:
            raise failure


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

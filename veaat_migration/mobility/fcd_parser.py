"""Push parser of SUMO floating-car data: bytes in, whole timesteps out, bounded memory."""

from __future__ import annotations

import math
from typing import NoReturn
from xml.parsers import expat

from veaat_migration.mobility.traffic import Snapshot, TraceError, Vehicle

ROOT = "fcd-export"
MAX_VEHICLES = 100_000
"""Most vehicles of one timestep; they are in memory at once."""
MAX_SILENCE = 16 * 1024 * 1024
"""Most bytes without an element: an endless attribute or comment must not fill the memory."""
_COORDINATE_LIMIT = 1e7
_NAN = "nan"


class FcdParser:
    """Takes a trace in pieces of any size and gives the timesteps that are complete."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.EntityDeclHandler = self._entity
        self._depth = 0
        self._time: float | None = None
        """Of the open timestep; None: none is open."""
        self._vehicles: list[Vehicle] = []
        self._ids: set[str] = set()
        self._complete: list[Snapshot] = []
        self._silence = 0

    def feed(self, data: bytes) -> None:
        """Parse more bytes; no bytes: the end of the trace.

        Raises:
            TraceError: it is no such trace, or something in it has no meaning.
            xml.parsers.expat.ExpatError: it is no XML. Timesteps before stay available.
        """
        self._silence += len(data)
        self._parser.Parse(data, not data)
        if self._silence > MAX_SILENCE:
            raise TraceError(f"no element within {MAX_SILENCE >> 20} MiB: this is no FCD trace")

    def take(self) -> list[Snapshot]:
        """The timesteps that became complete since the last call, in order."""
        complete, self._complete = self._complete, []
        return complete

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._silence = 0
        depth = self._depth
        self._depth = depth + 1
        if depth == 2:
            if tag == "vehicle" and self._time is not None:
                self._vehicle(attributes)
        elif depth == 1:
            if tag == "timestep":
                self._time = _seconds(attributes)
        elif depth == 0 and tag != ROOT:
            raise TraceError(
                f"is no SUMO floating-car data: its root is <{tag}>, not <{ROOT}> "
                "(sumo writes that with --fcd-output)"
            )

    def _end(self, tag: str) -> None:
        self._silence = 0
        self._depth -= 1
        if self._depth == 1 and tag == "timestep" and self._time is not None:
            self._complete.append(Snapshot(self._time, tuple(self._vehicles)))
            self._time = None
            self._vehicles = []
            self._ids = set()

    def _vehicle(self, attributes: dict[str, str]) -> None:
        get = attributes.get
        try:
            name = attributes["id"]
            x, y = float(attributes["x"]), float(attributes["y"])
            vehicle = Vehicle(
                name,
                x,
                y,
                float(get("speed", _NAN)),
                float(get("angle", _NAN)),
                get("lane", ""),
                float(get("pos", _NAN)),
            )
        except (KeyError, ValueError):
            self._explain(attributes)
        if not name:
            self._explain(attributes)
        if not (abs(x) <= _COORDINATE_LIMIT and abs(y) <= _COORDINATE_LIMIT):
            raise TraceError(f"{self._when}: vehicle '{name}' is at ({x:g}, {y:g})")
        if name in self._ids:
            raise TraceError(f"{self._when}: vehicle '{name}' appears twice")
        if len(self._ids) >= MAX_VEHICLES:
            raise TraceError(f"{self._when}: more than {MAX_VEHICLES} vehicles")
        self._ids.add(name)
        self._vehicles.append(vehicle)

    @property
    def _when(self) -> str:
        return f"timestep {self._time:g} s"

    def _explain(self, attributes: dict[str, str]) -> NoReturn:
        """Say what is wrong with a vehicle."""
        name = attributes.get("id")
        if not name:
            raise TraceError(f"{self._when}: a vehicle lacks the attribute id")
        for key in ("x", "y"):
            if key not in attributes:
                raise TraceError(
                    f"{self._when}: vehicle '{name}' lacks the attribute {key}; "
                    "x and y are needed (see sumo's --fcd-output.attributes)"
                )
        for key in ("x", "y", "speed", "angle", "pos"):
            text = attributes.get(key, _NAN)
            try:
                float(text)
            except ValueError:
                raise TraceError(
                    f"{self._when}: vehicle '{name}': {key} must be a number, got '{text:.40}'"
                ) from None
        raise AssertionError("the vehicle is right")

    def _entity(self, *_: object) -> None:
        raise TraceError("declares XML entities, which no FCD trace needs: refused")


def _seconds(attributes: dict[str, str]) -> float:
    """Seconds, or [days:]hours:minutes:seconds (sumo --human-readable-time)."""
    text = attributes.get("time")
    if text is None:
        raise TraceError("a timestep lacks the attribute time")
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if not parts or len(parts) > 4 or not all(math.isfinite(part) for part in parts):
        raise TraceError(f"a timestep's time must be a number of seconds, got '{text:.40}'")
    return sum(
        part * unit for part, unit in zip(reversed(parts), (1, 60, 3600, 86400), strict=False)
    )

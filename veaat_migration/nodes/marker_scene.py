"""What is known of a city from what its nodes say, and the shapes that show it: no ROS.

Knows nothing but public messages and the time at which each came. Whoever is not heard of any
more is drawn grey (RSUs) or not at all (AVs), and forgotten in the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from veaat_migration.analysis.replay_data import rsu_colours
from veaat_migration.nodes.marker_shapes import (
    Colour,
    Form,
    Key,
    Point,
    Shape,
    arrowhead,
    between,
    circle,
    finite,
    rgba,
)
from veaat_migration.protocol.migration.codes import CopyKind, Phase

FARTHEST = 1e7
"""A place farther away than this is none [m]."""
MOST = 10_000
"""Most AVs, and most RSUs, that are remembered."""
GREY = "#8a95a3"
INK = "#20262e"
SLOW = 0.3
"""A vehicle below this speed keeps its heading [m/s]."""
ODOMETRY_TIMEOUT = 1.0
"""Age at which an AV's odometry is no longer fresher than what its status says [s]."""
SILENT = 1
"""``TwinStatus.STANDING_SILENT``."""
_GOLDEN = 2.39996
"""Angle by which things on a spiral keep away from each other [rad]."""


@dataclass(frozen=True)
class Look:
    """How large things are, and how long they stay."""

    size: float = 20.0
    """Length of a vehicle; all other sizes follow [m]."""
    timeout: float = 5.0
    """Silence after which an AV is gone and an RSU grey [s]."""
    forget: float = 60.0
    """Silence after which an RSU is gone [s]."""
    labels: bool = True
    """Names beside the vehicles."""


@dataclass
class _Rsu:
    host: Any = None
    """Its last ``HostStatus``."""
    heard: float = -math.inf
    """When that came."""
    price: float = math.nan
    priced: float = -math.inf
    """When its last offer came."""
    place: tuple[float, float] | None = None


@dataclass
class _Av:
    status: Any = None
    """Its last ``TwinStatus``."""
    heard: float = -math.inf
    """Of its status."""
    place: tuple[float, float] | None = None
    placed: float = -math.inf
    """When its place was told."""
    heading: float | None = None
    driven: float = -math.inf
    """When its odometry came, which is fresher than what its status says."""


class Scene:
    """Takes messages, gives shapes."""

    def __init__(self, look: Look) -> None:
        """Begin knowing nobody."""
        self._look = look
        self._rsus: dict[int, _Rsu] = {}
        self._avs: dict[int, _Av] = {}
        self.refused = 0
        """Messages of more participants than can be remembered."""

    # What is heard ----------------------------------------------------------------------------

    def on_host(self, status: Any, now: float) -> None:
        """A ``HostStatus``, at a time [s] of any clock that never goes back."""
        rsu = self._rsu(int(status.rsu_id))
        if rsu is not None:
            rsu.host, rsu.heard = status, now
            if finite((status.x, status.y), FARTHEST):
                rsu.place = float(status.x), float(status.y)

    def on_offer(self, offer: Any, now: float) -> None:
        """A ``PriceOffer``; ``now`` is as for :meth:`on_host`."""
        rsu = self._rsu(int(offer.rsu_id))
        if rsu is not None:
            rsu.price = math.nan if offer.closing else float(offer.price)
            rsu.priced = now

    def on_twin(self, status: Any, now: float) -> None:
        """A ``TwinStatus``; ``now`` is as for :meth:`on_host`."""
        av = self._av(int(status.av_id))
        if av is not None:
            av.status, av.heard = status, now
            if now - av.driven > ODOMETRY_TIMEOUT:
                self._move(av, float(status.x), float(status.y), now)

    def on_odometry(
        self, av_id: int, x: float, y: float, velocity: tuple[float, float], now: float
    ) -> None:
        """Where an AV is [m] and how it moves [m/s; NaN: not known]."""
        av = self._av(av_id)
        if av is not None and finite((x, y), FARTHEST):
            av.driven = now
            self._move(av, x, y, now)
            if math.hypot(*velocity) > SLOW:
                av.heading = math.atan2(velocity[1], velocity[0])

    def _rsu(self, rsu_id: int) -> _Rsu | None:
        if rsu_id not in self._rsus and len(self._rsus) >= MOST:
            self.refused += 1
            return None
        return self._rsus.setdefault(rsu_id, _Rsu())

    def _av(self, av_id: int) -> _Av | None:
        if av_id not in self._avs and len(self._avs) >= MOST:
            self.refused += 1
            return None
        return self._avs.setdefault(av_id, _Av())

    def _move(self, av: _Av, x: float, y: float, now: float) -> None:
        if not finite((x, y), FARTHEST):
            return
        if av.place is not None and math.hypot(x - av.place[0], y - av.place[1]) > 0.5:
            av.heading = math.atan2(y - av.place[1], x - av.place[0])
        av.place, av.placed = (x, y), now

    # What is shown ----------------------------------------------------------------------------

    def shapes(self, now: float) -> list[Shape]:
        """Everything to be seen now."""
        self._forget(now)
        return [*self._draw_rsus(now), *self._draw_avs(now)]

    def _forget(self, now: float) -> None:
        look = self._look
        self._rsus = {
            j: rsu
            for j, rsu in self._rsus.items()
            if now - max(rsu.heard, rsu.priced) <= look.forget
        }
        self._avs = {
            i: av for i, av in self._avs.items() if now - max(av.heard, av.placed) <= look.timeout
        }

    def _colour(self, rsu_id: int, opacity: float = 1.0) -> Colour:
        # By number and not by order, so that an RSU keeps its colour when others come and go.
        return rgba(_PALETTE[(rsu_id - 1) % len(_PALETTE)] if rsu_id else GREY, opacity)

    def _site(self, rsu_id: int) -> tuple[float, float] | None:
        rsu = self._rsus.get(rsu_id)
        return None if rsu is None else rsu.place

    def _draw_rsus(self, now: float) -> Iterator[Shape]:
        size = self._look.size
        for rsu_id, rsu in sorted(self._rsus.items()):
            if rsu.place is None or rsu.host is None:
                continue
            x, y = rsu.place
            alive = now - rsu.heard <= self._look.timeout
            colour = self._colour(rsu_id) if alive else rgba(GREY)
            yield Shape(
                "rsus", rsu_id, Form.CYLINDER, (0.6 * size, 0.6 * size, 3.0 * size), colour,
                (x, y, 1.5 * size),
            )  # fmt: skip
            radius = float(rsu.host.coverage_radius)
            if alive and 0.0 < radius <= FARTHEST:
                yield Shape(
                    "coverage", rsu_id, Form.CYLINDER, (2 * radius, 2 * radius, 0.05 * size),
                    self._colour(rsu_id, 0.12), (x, y, 0.0),
                )  # fmt: skip
                yield Shape(
                    "edges", rsu_id, Form.LINE_LIST, (0.1 * size, 0.0, 0.0), colour,
                    points=circle(x, y, 0.06 * size, radius),
                )  # fmt: skip
            yield Shape(
                "prices", rsu_id, Form.TEXT, (0.0, 0.0, 1.5 * size), rgba(INK),
                (x, y, 5.5 * size), text=_about(rsu_id, rsu, alive=alive),
            )  # fmt: skip

    def _draw_avs(self, now: float) -> Iterator[Shape]:
        size = self._look.size
        triangles: list[Point] = []
        tints: list[Colour] = []
        twins, links, transfers = _Cloud(), _Cloud(), _Cloud()
        seats: dict[int, int] = {}
        for av_id, av in sorted(self._avs.items()):
            here = av.place if now - av.placed <= self._look.timeout else None
            status = av.status
            owner = 0 if status is None else int(status.owner_rsu_id)
            if here is not None:
                heading = 0.0 if av.heading is None else av.heading
                triangles += arrowhead(*here, 0.2 * size, heading, size)
                tints += [self._colour(owner)] * 3
                if self._look.labels:
                    yield Shape(
                        "labels", av_id, Form.TEXT, (0.0, 0.0, 0.9 * size), rgba(INK),
                        (here[0], here[1], 1.6 * size), text=f"AV {av_id}",
                    )  # fmt: skip
            if status is None:
                continue
            home = None if here is None else (here[0], here[1], 0.8 * size)
            source = home if owner == 0 else self._seat(owner, seats)
            target = int(status.target_rsu_id)
            if source is None:
                continue
            place, opacity = source, 0.35 if status.standing == SILENT else 1.0
            if int(status.phase) not in (Phase.IDLE, Phase.CONNECTED) and target not in (0, owner):
                end = self._seat(target, seats)
                if end is not None:
                    share = _share(status)
                    place = between(source, end, share)
                    transfers.add(source, self._colour(target))
                    transfers.add(place, self._colour(target))
                    transfers.add(place, self._colour(target, 0.3))
                    transfers.add(end, self._colour(target, 0.3))
                    yield Shape(
                        "phases", av_id, Form.TEXT, (0.0, 0.0, 0.9 * size), rgba(INK),
                        (place[0], place[1], place[2] + size), text=_progress(status, share),
                    )  # fmt: skip
            twins.add(place, self._colour(owner, opacity))
            if home is not None and owner:
                links.add((home[0], home[1], 0.2 * size), self._colour(owner, 0.35))
                links.add(source, self._colour(owner, 0.35))
        if triangles:
            yield Shape(
                "vehicles", 0, Form.TRIANGLE_LIST, (1.0, 1.0, 1.0), rgba(GREY),
                points=tuple(triangles), colours=tuple(tints),
            )  # fmt: skip
        edge = 0.5 * size
        for name, form, scale, cloud in (
            ("twins", Form.CUBE_LIST, (edge, edge, edge), twins),
            ("links", Form.LINE_LIST, (0.06 * size, 0.0, 0.0), links),
            ("transfers", Form.LINE_LIST, (0.25 * size, 0.0, 0.0), transfers),
        ):
            if cloud.points:
                points, colours = tuple(cloud.points), tuple(cloud.colours)
                yield Shape(name, 0, form, scale, rgba(GREY), points=points, colours=colours)

    def _seat(self, rsu_id: int, seats: dict[int, int]) -> Point | None:
        """The next place for a twin at an RSU: on a spiral around the top of its mast."""
        site = self._site(rsu_id)
        if site is None:
            return None
        number = seats[rsu_id] = seats.get(rsu_id, -1) + 1
        size = self._look.size
        radius, angle = size * (0.9 + 0.35 * math.sqrt(number)), _GOLDEN * number
        return site[0] + radius * math.cos(angle), site[1] + radius * math.sin(angle), 3.0 * size


class _Cloud:
    """Points with their colours."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.colours: list[Colour] = []

    def add(self, point: Point, colour: Colour) -> None:
        self.points.append(point)
        self.colours.append(colour)


class Canvas:
    """Remembers what is on the screen of whoever listens, to take away what is gone."""

    def __init__(self) -> None:
        """Begin with an empty screen."""
        self._shown: set[Key] = set()

    def update(self, shapes: list[Shape]) -> list[Key]:
        """What must be taken away so that only ``shapes`` are left."""
        keys = {shape.key for shape in shapes}
        gone = sorted(self._shown - keys)
        self._shown = keys
        return gone


def _share(status: Any) -> float:
    """How far a twin has come on its way to its target."""
    phase = int(status.phase)
    if phase > Phase.TRANSFERRING:
        return 1.0
    if phase < Phase.TRANSFERRING or not status.bytes_total:
        return 0.0
    return min(int(status.bytes_done) / int(status.bytes_total), 1.0)


def _progress(status: Any, share: float) -> str:
    phase = int(status.phase)
    if phase == Phase.TRANSFERRING:
        return f"{100.0 * share:.0f} %"
    if phase == Phase.QUEUED:
        return f"queued, {int(status.queue_position)} ahead"
    try:
        return Phase(phase).name.lower().replace("reinst", "re-inst")
    except ValueError:
        return f"phase {phase}"


def _about(rsu_id: int, rsu: _Rsu, *, alive: bool) -> str:
    lines = [f"RSU {rsu_id}"]
    if not alive:
        return "\n".join([*lines, "silent"])
    if math.isfinite(rsu.price):
        lines.append(f"{rsu.price:.2f} money/MHz")
    twins = sum(int(kind) == CopyKind.OWNER for kind in rsu.host.kinds)
    lines.append(f"{twins} twin{'s' * (twins != 1)}, {int(rsu.host.queue_length)} jobs")
    return "\n".join(lines)


_PALETTE = rsu_colours(64)

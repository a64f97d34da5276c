"""Processes that die at random, also in the middle of a write, and come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from veaat_migration.protocol.migration.simulation.audit import Audit
from veaat_migration.protocol.migration.simulation.world import Killed, Site, World


@dataclass(frozen=True)
class Weather:
    """How much goes wrong."""

    rsu_life: float = 30.0
    """Mean time between two deaths of an RSU, exponential [s]; infinite: it never dies."""
    av_life: float = 60.0
    """The same of an AV [s]."""
    down: tuple[float, float] = (0.2, 3.0)
    """Range of the time until a process is back [s]."""
    torn: float = 0.002
    """Share of writes to a disk at which the process dies, just before or just after it."""
    rsu_wipe: float = 0.0
    """Share of an RSU's deaths in which its disk is lost."""
    av_wipe: float = 0.0
    """The same of an AV."""


class Fragile:
    """A disk whose process may die of writing to it."""

    WRITES = frozenset(("write", "erase", "append_image", "drop_image", "save"))

    def __init__(self, disk: Any, storm: Storm) -> None:
        """Stand before ``disk``."""
        self._disk = disk
        self._storm = storm

    def __getattr__(self, name: str) -> Any:
        """A method of the disk."""
        method = getattr(self._disk, name)
        if name not in self.WRITES:
            return method

        def risky(*arguments: Any) -> Any:
            fate = self._storm.fate()
            if fate == "before":
                raise Killed
            result = method(*arguments)
            if fate == "after":
                raise Killed
            return result

        return risky


class Storm:
    """Kills and restarts the processes of a world until it is over."""

    PERIOD = 0.1
    """Time between two looks at who is dead [s]."""

    def __init__(self, world: World, weather: Weather, audit: Audit | None = None) -> None:
        """Begin now; ``audit`` is told of lost disks."""
        self.world = world
        self.weather = weather
        self.over = False
        self._audit = audit
        self._returning: set[int] = set()
        for site in (*world.rsus.values(), *world.avs.values()):
            site.disk = Fragile(site.disk, self)
            self._schedule(site)
        self._look()

    def end(self) -> None:
        """No more deaths; everybody comes back."""
        self.over = True
        self.world.start_all()

    def fate(self) -> str:
        """What becomes of a process that writes: ``before``, ``after`` (it dies) or nothing."""
        if self.over or self.world.random.random() >= self.weather.torn:
            return ""
        return self.world.random.choice(("before", "after"))

    def _schedule(self, site: Site) -> None:
        weather = self.weather
        life = weather.rsu_life if site.address.role == "rsu" else weather.av_life
        if life < float("inf"):
            time = self.world.now + self.world.random.expovariate(1.0 / life)
            self.world.at(time, self._kill, site)

    def _kill(self, site: Site) -> None:
        if self.over:
            return
        rsu = site.address.role == "rsu"
        share = self.weather.rsu_wipe if rsu else self.weather.av_wipe
        wipe = self.world.random.random() < share
        self.world.kill(site, wipe=wipe)
        if wipe:
            site.disk = Fragile(site.disk, self)
            if self._audit is not None:
                self._audit.disk_lost()
        self._schedule(site)

    def _look(self) -> None:
        """Let who is dead come back after a while."""
        for site in (*self.world.rsus.values(), *self.world.avs.values()):
            if site.machine is None and id(site) not in self._returning:
                self._returning.add(id(site))
                back = self.world.now + self.world.random.uniform(*self.weather.down)
                self.world.at(back, self._return, site)
        if not self.over:
            self.world.at(self.world.now + self.PERIOD, self._look)

    def _return(self, site: Site) -> None:
        self._returning.discard(id(site))
        self.world.start(site)

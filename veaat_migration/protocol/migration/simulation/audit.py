"""What must never happen to a twin, watched from outside while a simulation runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from veaat_migration.protocol.migration.feedback import OwnerChanged, Report
from veaat_migration.protocol.migration.simulation.world import Site, World
from veaat_migration.protocol.migration.twin import image_digest


@dataclass
class _Life:
    """The true history of one twin."""

    states: list[bytes]
    """Live state of each version."""
    digest: bytes
    may_fall_back: bool = False
    """A recovery, or a lost disk, may have cost the newest versions."""
    served: float = 0.0
    last_act: float = 0.0
    gaps: list[float] = field(default_factory=list)


class Audit:
    """Acts as every twin that may act, and compares what it finds with what it did."""

    def __init__(self, world: World, *, period: float = 0.05) -> None:
        """Begin to watch; every acting twin changes its state each ``period`` [s]."""
        self.world = world
        self.violations: list[str] = []
        """Two owners at once, or a state that no owner ever left behind."""
        self.fallbacks = 0
        """Times that a recovery lost the newest changes."""
        self.acts = 0
        self._period = period
        self._lives = {
            i: _Life([twin.live], image_digest(twin.image)) for i, twin in world.twins.items()
        }
        world.on_step.append(self._check_step)
        world.on_report.append(self._note)
        world.at(world.now, self._tick)

    def disk_lost(self) -> None:
        """Say that an RSU's disk was wiped: newest changes may be gone."""
        for life in self._lives.values():
            life.may_fall_back = True

    def actors(self, av_id: int) -> list[int]:
        """RSUs that act as owner of a twin now."""
        world = self.world
        return [
            j
            for j, host in world.hosts().items()
            if host.acts(av_id, world.rsus[j].clock(world.now))
        ]

    def intact(self, av_id: int) -> bool:
        """Whether exactly one RSU acts, with the right bytes."""
        actors = self.actors(av_id)
        if len(actors) != 1:
            return False
        twin = self.world.hosts()[actors[0]].twin(av_id)
        life = self._lives[av_id]
        return (
            twin is not None
            and image_digest(twin.image) == life.digest
            and twin.version == len(life.states) - 1
            and twin.live == life.states[-1]
        )

    def downtimes(self, av_id: int) -> list[float]:
        """Interruptions of a twin's service that were longer than two periods [s]."""
        return self._lives[av_id].gaps

    def _note(self, av_id: int, report: Report) -> None:
        if isinstance(report, OwnerChanged) and report.recovered:
            self._lives[av_id].may_fall_back = True

    def _check_step(self, site: Site) -> None:
        if site.address.role != "rsu":
            return
        host, now = site.machine, site.clock(self.world.now)
        for av_id in host.custody.held:
            if host.acts(av_id, now) and len(self.actors(av_id)) > 1:
                self._violate(av_id, f"RSUs {self.actors(av_id)} act at once")

    def _tick(self) -> None:
        for av_id in self.world.avs:
            actors = self.actors(av_id)
            if len(actors) > 1:
                self._violate(av_id, f"RSUs {actors} act at once")
            for rsu_id in actors:
                self._act(av_id, rsu_id)
        self.world.at(self.world.now + self._period, self._tick)

    def _act(self, av_id: int, rsu_id: int) -> None:
        world, life = self.world, self._lives[av_id]
        host = world.hosts()[rsu_id]
        found = host.live(av_id)
        assert found is not None
        version, live = found
        self._compare(av_id, life, version, live)
        changed = hashlib.sha256(live + av_id.to_bytes(4, "big")).digest()

        def update(_: object, now: float) -> list[object]:
            if host.update(av_id, changed, now):
                life.states.append(changed)
                self.acts += 1
            return []

        world.step(world.rsus[rsu_id], update)
        gap = world.now - life.last_act
        if life.last_act and gap > 2 * self._period:
            life.gaps.append(gap)
        life.last_act = world.now

    def _compare(self, av_id: int, life: _Life, version: int, live: bytes) -> None:
        newest = len(life.states) - 1
        if version >= len(life.states) or life.states[version] != live:
            # A write may have reached the disk while the process died of it.
            expected = hashlib.sha256(life.states[-1] + av_id.to_bytes(4, "big")).digest()
            if version == newest + 1 and live == expected:
                life.states.append(live)
                return
            self._violate(av_id, f"version {version} is a state that never was")
        elif version < newest:
            if not life.may_fall_back:
                self._violate(av_id, f"fell back from version {newest} to {version}")
            self.fallbacks += 1
        del life.states[version + 1 :]
        life.may_fall_back = False

    def _violate(self, av_id: int, what: str) -> None:
        self.violations.append(f"{self.world.now:.3f} s, av {av_id}: {what}")

"""The machines of a fleet: every RSU and AV runs the real protocol of docs/twins.md.

Wraps the simulated world of ``protocol/migration/simulation``: this module names its vehicles,
refuses twins for want of bandwidth, and audits that each twin has one owner and its right bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator

from veaat_migration.fleet.population import City
from veaat_migration.fleet.settings import PROTOCOL, Settings
from veaat_migration.protocol.migration.codes import CopyKind
from veaat_migration.protocol.migration.custody import Custody
from veaat_migration.protocol.migration.feedback import Report
from veaat_migration.protocol.migration.messages import Address, Proposal
from veaat_migration.protocol.migration.simulation.storm import Storm, Weather
from veaat_migration.protocol.migration.simulation.world import Faults, World
from veaat_migration.protocol.migration.twin import Twin, image_digest
from veaat_migration.protocol.migration.vehicle import Output, TwinVehicle


class Plant:
    """All machines; time is that of the world, 0 at the start of the trace."""

    def __init__(
        self,
        city: City,
        settings: Settings,
        seed: int,
        *,
        on_report: Callable[[int, Report], None],
        admit: Callable[[int, Proposal], str],
    ) -> None:
        """Start the RSUs.

        Args:
            city: its RSUs, which have the ids 1 to R.
            settings: loss and deaths.
            seed: of network, queues and deaths.
            on_report: called with an AV's id and what its machine reports.
            admit: why an RSU (its id) refuses a twin.
        """
        servers = {j: rsu.server for j, rsu in enumerate(city.rsus, start=1)}
        world = World({}, servers, config=PROTOCOL, faults=Faults(loss=settings.loss), seed=seed)
        world.on_report.append(on_report)
        world.admit = admit
        self.world = world
        self.violations: list[str] = []
        """What must never happen: two owners at once, or a state that never was."""
        self.acts = 0
        """Steps of the service by owners, each compared with the true history."""
        self._states: dict[int, int] = {}
        self._images: dict[int, bytes] = {}
        world.start_all()
        if settings.rsu_life < float("inf"):
            weather = Weather(
                rsu_life=settings.rsu_life, av_life=float("inf"), down=settings.rsu_down, torn=0.0
            )
            Storm(world, weather)

    def appear(self, av_id: int, twin: Twin) -> None:
        """A vehicle comes onto the map, with its twin at home."""
        self._states[av_id] = 0
        self._images[av_id] = image_digest(twin.image)
        self.world.add_av(av_id, twin)

    def disappear(self, av_id: int) -> None:
        """A vehicle ends its journey."""
        del self._states[av_id], self._images[av_id]
        self.world.faults.muted.discard(Address("av", av_id))
        self.world.remove_av(av_id)

    def hear(self, av_ids: Iterable[int], covered: Iterable[bool]) -> None:
        """Say which AVs some RSU covers: the others neither hear nor are heard."""
        muted = self.world.faults.muted
        for av_id, heard in zip(av_ids, covered, strict=True):
            address = Address("av", av_id)
            if not heard:
                muted.add(address)
            else:
                muted.discard(address)

    def vehicle(self, av_id: int) -> TwinVehicle:
        """An AV's machine; AVs do not die here."""
        machine = self.world.vehicle(av_id)
        assert machine is not None
        return machine

    def order(self, av_id: int, act: Callable[[TwinVehicle, float], list[Output]]) -> None:
        """Let an AV's machine do something now."""
        self.world.step(self.world.avs[av_id], act)

    def alive(self) -> set[int]:
        """Ids of the RSUs that live."""
        return set(self.world.hosts())

    def serve(self) -> dict[int, int]:
        """One step of the service of every twin that may act now; RSU (id) by AV.

        Each step compares the state that the owner holds with what the last step left, and counts
        up. A twin with two owners, or with a state that was never its newest, is a violation.
        """
        world, acting = self.world, dict[int, int]()
        for rsu_id, host in world.hosts().items():
            now = world.rsus[rsu_id].clock(world.now)
            for av_id, copy in list(host.custody.held.items()):
                if copy.kind is not CopyKind.OWNER or not host.acts(av_id, now):
                    continue
                if av_id in acting:
                    self._violate(av_id, f"RSUs {acting[av_id]} and {rsu_id} act at once")
                acting[av_id] = rsu_id
                count = self._states[av_id]
                if copy.live != struct.pack("<Q", count) or copy.version != count:
                    self._violate(av_id, f"version {copy.version} at RSU {rsu_id}, not {count}")
                self._states[av_id] = copy.version + 1
                host.update(av_id, struct.pack("<Q", copy.version + 1), now)
        self.acts += len(acting)
        return acting

    def check_all(self) -> None:
        """At the end: each deployed twin is owned once, by whom its AV says, with its own bytes."""
        copies: dict[int, list[int]] = {}
        for rsu_id, custody in self._custodies():
            for av_id, copy in custody.held.items():
                vehicle = self.world.vehicle(av_id)
                if vehicle is None or copy.kind not in (CopyKind.OWNER, CopyKind.FROZEN):
                    continue
                if copy.epoch == vehicle.arbiter.ownership.epoch:
                    copies.setdefault(av_id, []).append(rsu_id)
                    if image_digest(custody.image(copy)) != self._images[av_id]:
                        self._violate(av_id, f"the image at RSU {rsu_id} is not its own")
        for av_id in self.world.avs:
            vehicle = self.vehicle(av_id)
            owner, owners = vehicle.owner_id, copies.get(av_id, [])
            # Decided, but the verdict is still on its way: the target holds a prepared copy.
            pending = vehicle.feedback is not None or not owners
            if owner and owners != [owner] and not (pending and self._holds(owner, av_id)):
                self._violate(av_id, f"owner {owner}, but RSUs {owners} hold it as theirs")

    def _holds(self, rsu_id: int, av_id: int) -> bool:
        return any(
            number == rsu_id and any(copy.kind >= CopyKind.PREPARED for copy in custody.of(av_id))
            for number, custody in self._custodies()
        )

    def _custodies(self) -> Iterator[tuple[int, Custody]]:
        """What each RSU holds, also of dead ones: their disks live on."""
        for rsu_id, site in self.world.rsus.items():
            host = site.machine
            yield rsu_id, Custody(rsu_id, site.disk) if host is None else host.custody

    def _violate(self, av_id: int, what: str) -> None:
        self.violations.append(f"{self.world.now:.3f} s, av {av_id}: {what}")

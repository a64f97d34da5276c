"""RSUs and AVs in simulated time, over a network that loses, repeats and delays messages.

Deterministic by seed; nothing sleeps. Processes may be killed at any event, or at any write to
their disk, and come back with or without it.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.custody import Custody
from veaat_migration.protocol.migration.feedback import Report
from veaat_migration.protocol.migration.host import TwinHost
from veaat_migration.protocol.migration.messages import (
    Address,
    Envelope,
    Message,
    Proposal,
    is_for,
)
from veaat_migration.protocol.migration.store import AT_HOME, MemoryJournal, MemoryStore
from veaat_migration.protocol.migration.twin import Twin
from veaat_migration.protocol.migration.vehicle import TwinVehicle
from veaat_migration.protocol.migration.workbench import Workbench

NANOSECONDS = 10**9
IDLE_WAKEUPS = 10_000
"""Alarms at one moment that are too many to be right."""


@dataclass
class Faults:
    """What the network does to messages."""

    loss: float = 0.0
    duplication: float = 0.0
    latency: tuple[float, float] = (0.001, 0.001)
    """Range of the delay, uniform [s]; a wide one reorders."""
    cut: set[tuple[Address, Address]] = field(default_factory=set)
    """Links from a sender to a receiver that carry nothing."""
    muted: set[Address] = field(default_factory=set)
    """Sites that nobody hears and that hear nobody: AVs out of every coverage."""


@dataclass(frozen=True)
class Server:
    """Queue and compute of an RSU."""

    arrival_rate: float = 4.0
    """lambda_j [1/s]"""
    service_rate: float = 10.0
    """mu_j [1/s]"""
    compute: float = 40.0
    """f_j [GHz]"""


class Killed(Exception):  # noqa: N818 - no error, the end of a process
    """Raised by a store in the middle of a step: the process dies there."""


@dataclass
class Site:
    """One process and its disk."""

    address: Address
    disk: Any
    machine: Any = None
    """:class:`TwinHost` or :class:`TwinVehicle`; None: dead."""
    armed: float | None = None
    lives: int = 0
    rate: float = 1.0
    """How fast its clock runs."""
    offset: float = 0.0
    """What its clock shows at the beginning [s]."""

    def clock(self, now: float) -> float:
        """What its clock shows at a time of the world [s]."""
        return self.offset + self.rate * now

    def when(self, clock: float) -> float:
        """Time of the world at which its clock shows ``clock`` [s]."""
        return (clock - self.offset) / self.rate


class World:
    """All machines, their disks, the network and the time."""

    def __init__(
        self,
        twins: dict[int, Twin],
        servers: dict[int, Server],
        *,
        config: MigrationConfig | None = None,
        faults: Faults | None = None,
        clock_drift: float = 0.0,
        seed: int = 0,
    ) -> None:
        """Make the sites; nothing lives before :meth:`start_all`.

        Args:
            twins: of each AV, by its id, as it is before the first deployment.
            servers: of each RSU, by its id.
            config: of all machines.
            faults: of the network; may be changed while it runs.
            clock_drift: most by which a clock runs slow or fast, as a share; with any, clocks also
                show different times.
            seed: of everything random.
        """
        self.config = config or MigrationConfig()
        self.faults = faults or Faults()
        self.random = random.Random(seed)
        self.now = 0.0
        self.twins = twins
        self.servers = servers
        self.rsus = {j: Site(Address("rsu", j), MemoryStore()) for j in servers}
        self.avs = {i: Site(Address("av", i), MemoryJournal(AT_HOME)) for i in twins}
        self.on_report: list[Callable[[int, Report], None]] = []
        """Called with the AV's id and what its machine reports."""
        self.on_step: list[Callable[[Site], None]] = []
        """Called after each step of a machine."""
        self.admit: Callable[[int, Proposal], str] | None = None
        """Why an RSU (its id) refuses a proposed twin, for those that start from now on; None:
        every twin is welcome."""
        self.delivered = 0
        self._woken = (0.0, 0)
        self.kills = 0
        self._seed = seed
        for site in (*self.rsus.values(), *self.avs.values()):
            if clock_drift:
                site.rate = 1.0 + self.random.uniform(-clock_drift, clock_drift)
                site.offset = self.random.uniform(0.0, 1000.0)
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = itertools.count()

    # Time -------------------------------------------------------------------------------------

    def at(self, time: float, action: Callable[..., None], *arguments: Any) -> None:
        """Do something at a time."""
        heapq.heappush(self._events, (max(time, self.now), next(self._count), action, arguments))

    def run(self, until: float, *, stop: Callable[[], bool] | None = None) -> None:
        """Let time pass, until ``stop`` says so after an event."""
        while self._events and self._events[0][0] <= until:
            self.now, _, action, arguments = heapq.heappop(self._events)
            action(*arguments)
            if stop is not None and stop():
                return
        self.now = max(self.now, until)

    # Processes --------------------------------------------------------------------------------

    def add_av(self, av_id: int, twin: Twin) -> None:
        """Let an AV whose twin was never deployed appear, and start its process."""
        self.twins[av_id] = twin
        site = self.avs[av_id] = Site(Address("av", av_id), MemoryJournal(AT_HOME))
        self.start(site)

    def remove_av(self, av_id: int) -> None:
        """Let an AV end its journey: its process ends and RSUs forget its twin, dead ones too."""
        self.avs.pop(av_id).machine = None
        del self.twins[av_id]
        for site in self.rsus.values():
            host = site.machine
            if host is None:
                Custody(site.address.number, site.disk).drop(av_id)
            else:
                host.retire(av_id)

    def site(self, address: Address) -> Site:
        """The site of an address."""
        return (self.rsus if address.role == "rsu" else self.avs)[address.number]

    def hosts(self) -> dict[int, TwinHost]:
        """RSUs that live."""
        return {j: site.machine for j, site in self.rsus.items() if site.machine is not None}

    def vehicle(self, av_id: int) -> TwinVehicle | None:
        """An AV's machine; None: it is dead."""
        machine: TwinVehicle | None = self.avs[av_id].machine
        return machine

    def start_all(self) -> None:
        """Start every process that is dead."""
        for site in (*self.rsus.values(), *self.avs.values()):
            if site.machine is None:
                self.start(site)

    def start(self, site: Site) -> None:
        """Start a process on its disk."""
        if site.machine is not None:
            return
        site.lives += 1
        try:
            self._begin(site)
        except Killed:
            self.kill(site)

    def _begin(self, site: Site) -> None:
        number = site.address.number
        session = int(self.now * NANOSECONDS) + site.lives
        if site.address.role == "av":
            site.machine = TwinVehicle(
                number,
                self.config,
                site.disk,
                session=session,
                now=site.clock(self.now),
                twin=self.twins[number],
            )
            self._arm(site)
            return
        server = self.servers[number]
        generator = np.random.default_rng([self._seed, number, site.lives])
        bench = Workbench(server.arrival_rate, server.service_rate, server.compute, generator)
        admit = None if self.admit is None else partial(self.admit, number)
        site.machine = TwinHost(number, self.config, site.disk, bench, session=session, admit=admit)
        self.step(site, lambda host, now: host.start(now))

    def kill(self, site: Site, *, wipe: bool = False) -> None:
        """End a process without a word; ``wipe``: its disk is lost as well."""
        if site.machine is not None:
            self.kills += 1
        site.machine = site.armed = None
        if wipe:
            site.disk = MemoryStore() if site.address.role == "rsu" else MemoryJournal()

    def step(self, site: Site, act: Callable[[Any, float], list[Any]]) -> None:
        """Let a machine do something, by its own clock, and send what it returns."""
        machine = site.machine
        if machine is None:
            return
        try:
            outputs = act(machine, site.clock(self.now))
        except Killed:
            self.kill(site)
            return
        for output in outputs:
            if isinstance(output, Envelope):
                self._send(site.address, output)
            else:
                for listener in self.on_report:
                    listener(site.address.number, output)
        if site.machine is machine:
            self._arm(site)
            for observer in self.on_step:
                observer(site)

    # Network ----------------------------------------------------------------------------------

    def _send(self, sender: Address, envelope: Envelope) -> None:
        to, message = envelope
        if to.number and not is_for(message, to):
            raise RuntimeError(f"{message} is sent to {to}")
        if to.number == 0:
            for site in self.rsus.values():
                self._carry(sender, site, message)
        elif to.number in (self.rsus if to.role == "rsu" else self.avs):
            self._carry(sender, self.site(to), message)

    def _carry(self, sender: Address, site: Site, message: Message) -> None:
        faults, draw = self.faults, self.random
        if faults.cut and (sender, site.address) in faults.cut:
            return
        if faults.muted and not faults.muted.isdisjoint((sender, site.address)):
            return
        copies = 1 + (faults.duplication > 0.0 and draw.random() < faults.duplication)
        for _ in range(copies):
            if faults.loss == 0.0 or draw.random() >= faults.loss:
                arrival = self.now + draw.uniform(*faults.latency)
                self.at(arrival, self._deliver, site, message)

    def _deliver(self, site: Site, message: Message) -> None:
        if site.machine is not None:
            self.delivered += 1
            self.step(site, lambda machine, now: machine.on_message(message, now))

    def _arm(self, site: Site) -> None:
        due = site.machine.next_wakeup
        if due is not None and due != site.armed:
            site.armed = due
            self.at(site.when(due), self._wake, site, due)

    def _wake(self, site: Site, due: float) -> None:
        if site.armed == due:
            site.armed = None
            self._check_progress(site)
            # Rounding must not make it early: it would be woken again and again.
            self.step(site, lambda machine, now: machine.on_timer(max(now, due)))

    def _check_progress(self, site: Site) -> None:
        """Find a machine that asks to be woken again and again and does nothing."""
        time, count = self._woken
        self._woken = (self.now, count + 1 if time == self.now else 0)
        if count > IDLE_WAKEUPS:
            raise RuntimeError(f"{site.address} wakes up at {self.now} s for ever")

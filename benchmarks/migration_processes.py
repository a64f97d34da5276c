"""Twins that move between real processes, which are killed (SIGKILL) at random and come back.

    python benchmarks/migration_processes.py                 5 minutes, 6 RSUs, 4 AVs
    python benchmarks/migration_processes.py --seconds 20

Each RSU and AV is a process of its own with its records in files; they talk by UDP on this
machine, so what is sent to a dead process is lost. AVs migrate all the time. Owners change their
twins' states, a hash chain, and note each change in a file; afterwards all notes of a twin, ordered
by time, must be one chain: an owner too many, a lost or a damaged state would break it. Exit status
1 if one does, or if a twin is not served in the end.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from veaat_migration.protocol.migration.codes import Phase
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.feedback import Outcome
from veaat_migration.protocol.migration.file_store import FileJournal, FileStore
from veaat_migration.protocol.migration.host import TwinHost
from veaat_migration.protocol.migration.messages import Address, Envelope
from veaat_migration.protocol.migration.store import AT_HOME
from veaat_migration.protocol.migration.twin import Twin, image_digest
from veaat_migration.protocol.migration.vehicle import TwinVehicle
from veaat_migration.protocol.migration.workbench import Workbench

CONFIG = MigrationConfig(chunk_size=1000, recovery_timeout=60.0)
STEP = 0.05
"""Time between two changes of a state, and two looks of an AV at its migration [s]."""
SETTLE = 20.0
"""Longest time in which all twins must be served when the killing is over [s]."""


def image(av_id: int) -> bytes:
    """The image of an AV's twin."""
    return random.Random(av_id).randbytes(9_500)


def successor(av_id: int, live: bytes) -> bytes:
    """The state after a state."""
    return hashlib.sha256(live + av_id.to_bytes(4, "big")).digest()


class Process(ABC):
    """One machine with a socket, a clock and files."""

    def __init__(self, folder: Path, address: Address, ports: dict[Address, int]) -> None:
        """Open the socket; ``ports`` has that of everybody."""
        self.folder = folder
        self.address = address
        self._ports = ports
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", ports[address]))
        self._next_step = 0.0

    def run(self) -> None:
        """Work until killed."""
        machine = self.make()
        while True:
            now = time.monotonic()
            if now >= self._next_step:
                self._next_step = now + STEP
                self.send(self.step(machine, now))
            wakeup = machine.next_wakeup
            if wakeup is not None and wakeup <= now:
                self.send(machine.on_timer(now))
                continue
            until = self._next_step if wakeup is None else min(wakeup, self._next_step)
            self._socket.settimeout(max(until - now, 1e-4))
            try:
                message = pickle.loads(self._socket.recv(65_536))
            except TimeoutError:
                continue
            self.send(machine.on_message(message, time.monotonic()))

    def send(self, outputs: list[Any]) -> None:
        """Send what a machine returned; what nobody can receive is lost."""
        for output in outputs:
            if not isinstance(output, Envelope):
                self.note(output)
                continue
            to, message = output
            everybody = [a for a in self._ports if a.role == to.role]
            for receiver in everybody if to.number == 0 else [to]:
                if receiver in self._ports:
                    data = pickle.dumps(message)
                    self._socket.sendto(data, ("127.0.0.1", self._ports[receiver]))

    def write(self, *values: Any) -> None:
        """Append a line to this process's notes."""
        path = self.folder / f"{self.address.role}{self.address.number}.notes"
        with path.open("a") as file:
            file.write(json.dumps(values) + "\n")

    @abstractmethod
    def make(self) -> Any:
        """The machine."""

    @abstractmethod
    def step(self, machine: Any, now: float) -> list[Any]:
        """What its user does from time to time."""

    def note(self, report: Any) -> None:  # noqa: B027 - only AVs make reports
        """Take a report."""


class RsuProcess(Process):
    """An RSU that serves the twins it owns."""

    def make(self) -> TwinHost:
        """The RSU's machine on its folder."""
        number = self.address.number
        store = FileStore(self.folder / f"rsu{number}", sync=False)
        bench = Workbench(4.0, 10.0, 40.0, np.random.default_rng(time.time_ns()))
        host = TwinHost(number, CONFIG, store, bench, session=time.time_ns())
        self.send(host.start(time.monotonic()))
        return host

    def step(self, machine: TwinHost, now: float) -> list[Any]:
        """Change the state of each twin that may be changed, and note it."""
        for av_id in list(machine.custody.held):
            found = machine.live(av_id)
            if found is None or not machine.acts(av_id, now):
                continue
            version, live = found
            changed = successor(av_id, live)
            if machine.update(av_id, changed, now):
                twin = machine.twin(av_id)
                assert twin is not None
                sound = image_digest(twin.image) == image_digest(image(av_id))
                self.write(now, av_id, version + 1, changed.hex(), sound)
        return []


class AvProcess(Process):
    """An AV that migrates all the time."""

    def make(self) -> TwinVehicle:
        """The AV's machine on its file."""
        number = self.address.number
        journal = FileJournal(self.folder / f"av{number}" / "twin.json", sync=False)
        if journal.load() is None:
            journal.save(AT_HOME)
        twin = Twin(image(number), data=100.0, cycles=4.0)
        now, session = time.monotonic(), time.time_ns()
        return TwinVehicle(number, CONFIG, journal, session=session, now=now, twin=twin)

    def step(self, machine: TwinVehicle, now: float) -> list[Any]:
        """Ask for a migration, and choose where to."""
        shown = machine.feedback
        if shown is None:
            quiet = (self.folder / "quiet").exists() and machine.owner_id
            return machine.request(now) if not quiet and random.random() < 0.1 else []
        if shown.phase >= Phase.NEGOTIATING and shown.target_id == 0:
            rsus = [a.number for a in self._ports if a.role == "rsu"]
            target = random.choice([j for j in rsus if j != machine.owner_id])
            return machine.choose(target, random.uniform(20.0, 60.0), 12.2, now)
        return []

    def note(self, report: Any) -> None:
        """Note how migrations end."""
        if isinstance(report, Outcome):
            self.write(report.error.name, report.moved)


def free_ports(addresses: list[Address]) -> dict[Address, int]:
    """A port for everybody."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in addresses]
    for item in sockets:
        item.bind(("127.0.0.1", 0))
    ports = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return dict(zip(addresses, ports, strict=True))


def storm(seconds: float, n_rsus: int, n_avs: int, seed: int, folder: Path) -> dict[str, Any]:
    """Let processes migrate twins, kill them at random, and judge their notes."""
    draw = random.Random(seed)
    addresses = [Address("rsu", j) for j in range(1, n_rsus + 1)]
    addresses += [Address("av", i) for i in range(1, n_avs + 1)]
    ports = free_ports(addresses)
    table = json.dumps([[a.role, a.number, port] for a, port in ports.items()])

    def start(address: Address) -> subprocess.Popen[bytes]:
        command = [sys.executable, __file__, "--be", address.role, str(address.number)]
        return subprocess.Popen([*command, "--folder", str(folder), "--ports", table])

    running = {address: start(address) for address in addresses}
    back: dict[Address, float] = {}
    kills = 0
    try:
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            for address in [a for a, t in back.items() if t <= now]:
                del back[address]
                running[address] = start(address)
            alive = [a for a in addresses if a not in back]
            for address in alive:
                if running[address].poll() is not None:
                    raise RuntimeError(f"{address} ended by itself")
            if draw.random() < 0.1 and len(alive) > len(addresses) // 2:
                victim = draw.choice(alive)
                running[victim].send_signal(signal.SIGKILL)
                running[victim].wait()
                kills += 1
                back[victim] = now + draw.uniform(0.0, 2.0)
            time.sleep(0.1)
        for address in back:
            running[address] = start(address)
        (folder / "quiet").touch()
        begin = time.monotonic()
        while not (served := all_served(folder, n_avs, after=begin + 3.0)):
            if time.monotonic() > begin + SETTLE:
                break
            time.sleep(0.5)
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    steps, problems = judge(folder, n_avs)
    outcomes = Counter(
        json.loads(line)[0] + (", moved" if json.loads(line)[1] else "")
        for path in folder.glob("av*.notes")
        for line in path.read_text().splitlines()
    )
    return {
        "seconds": seconds,
        "kills": kills,
        "outcomes": dict(outcomes),
        "changes_of_states": steps,
        "problems": problems,
        "all_served_in_the_end": served,
    }


def notes(folder: Path, n_avs: int) -> dict[int, list[tuple[float, int, str, bool, str]]]:
    """What owners noted, by AV, ordered by time; a line cut short by a death is left out."""
    found: dict[int, list[tuple[float, int, str, bool, str]]] = {i: [] for i in range(1, n_avs + 1)}
    for path in folder.glob("rsu*.notes"):
        for line in path.read_text().splitlines():
            try:
                now, av_id, version, live, sound = json.loads(line)
            except ValueError:
                continue
            found[av_id].append((now, version, live, sound, path.stem))
    return {av_id: sorted(lines) for av_id, lines in found.items()}


def all_served(folder: Path, n_avs: int, after: float) -> bool:
    """Whether each twin has been served after a time."""
    return all(lines and lines[-1][0] > after for lines in notes(folder, n_avs).values())


def judge(folder: Path, n_avs: int) -> tuple[int, list[str]]:
    """Number of changes, and where the notes are not one chain."""
    problems, steps = [], 0
    for av_id, lines in notes(folder, n_avs).items():
        version, live = 0, b""
        for now, noted, state, sound, rsu in lines:
            steps += 1
            if noted <= version:
                problems.append(f"av {av_id}, {now:.3f} s: {rsu} made version {noted} again")
            # A process may die between a change and its note, once for each death.
            while version < noted:
                live, version = successor(av_id, live), version + 1
            if state != live.hex():
                problems.append(f"av {av_id}, {now:.3f} s: {rsu} has another version {noted}")
            if not sound:
                problems.append(f"av {av_id}, {now:.3f} s: {rsu} has a damaged image")
    return steps, problems


def main() -> int:
    """Run, print, and say by the exit status whether all went well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300.0, help="of killing (300)")
    parser.add_argument("--rsus", type=int, default=6)
    parser.add_argument("--avs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1, help="of who is killed when")
    parser.add_argument("--be", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--ports", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.be:
        role, number = options.be
        ports = {Address(r, n): port for r, n, port in json.loads(options.ports)}
        kind = RsuProcess if role == "rsu" else AvProcess
        kind(options.folder, Address(role, int(number)), ports).run()
    with tempfile.TemporaryDirectory() as folder:
        result = storm(options.seconds, options.rsus, options.avs, options.seed, Path(folder))
    print(json.dumps(result, indent=2))
    return 0 if result["all_served_in_the_end"] and not result["problems"] else 1


if __name__ == "__main__":
    sys.exit(main())

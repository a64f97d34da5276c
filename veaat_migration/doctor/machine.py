"""Checks of the machine: shared memory, clock, processor, disk. Facts in, findings out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from veaat_migration.doctor.finding import Finding, fail, ok, skip, warn

LEAST_SHARED_MEMORY = 16 << 20
"""Free shared memory below which Fast DDS falls back to the network's loopback [B]."""
MANY_SEGMENTS = 200
"""Segments of Fast DDS that suggest that programs died and left theirs behind."""
LEAST_DISK, LITTLE_DISK = 500 << 20, 5 << 30
"""Free space without which a recording soon ends, and with which it does not today [B]."""
LARGEST_CLOCK_ERROR = 0.1
"""Error of the clock beyond which stamps of different machines cannot be compared [s]."""
JETPACKS = {35: 5, 36: 6, 38: 7}
"""JetPack by the major number of its L4T release."""


@dataclass(frozen=True)
class ClockFacts:
    """State of the kernel's clock."""

    synchronised: bool
    """Whether a service keeps it."""
    largest_error: float
    """[s]"""


@dataclass(frozen=True)
class MachineFacts:
    """The machine that this runs on. None: cannot be told here."""

    shared_memory_free: int | None
    """Of /dev/shm [B]."""
    shared_memory_segments: int
    """Left or in use by Fast DDS."""
    foreign_segments: int
    """Of another user and not writable for this one."""
    clock: ClockFacts | None
    governors: tuple[str, ...]
    """Of each processor; empty: the machine does not tell."""
    model: str
    """From the device tree; empty: none."""
    l4t: int | None
    """Major number of the L4T release of a Jetson."""
    power_mode: str
    """Of a Jetson, such as "MAXN"; empty: cannot be told."""
    disk_path: str
    disk_free: int | None
    """[B]"""


def check_shared_memory(facts: MachineFacts) -> Finding:
    """Space for messages between processes of one machine."""
    free = facts.shared_memory_free
    if free is None:
        return warn(
            "shared memory",
            "/dev/shm is not there",
            "in a container start it with --ipc=host; without it messages go over the loopback",
        )
    found = f"{_size(free)} free in /dev/shm"
    if facts.foreign_segments:
        return warn(
            "shared memory",
            f"{found}; {facts.foreign_segments} segments belong to another user",
            "run all nodes of a machine as one user, or messages between them may not arrive; "
            "left over ones are removed by a restart or 'fastdds shm clean'",
        )
    if free < LEAST_SHARED_MEMORY:
        return warn(
            "shared memory", found, "give containers --shm-size=256m or --ipc=host, or clean up"
        )
    if facts.shared_memory_segments > MANY_SEGMENTS:
        return warn(
            "shared memory",
            f"{found}; {facts.shared_memory_segments} segments of Fast DDS",
            "if few nodes are running these are left over: 'fastdds shm clean'",
        )
    return ok("shared memory", found)


def check_clock(facts: MachineFacts) -> Finding:
    """Whether a service keeps the clock right."""
    clock = facts.clock
    if clock is None:
        return skip("clock", "the kernel does not tell whether its clock is kept right")
    advice = (
        "set up chrony (NTP) or PTP, see docs/deployment.md; the game itself does not need it, "
        "but delays and recordings of several machines mean nothing without"
    )
    if not clock.synchronised:
        return warn("clock", "no service keeps this clock right", advice)
    found = f"kept right, error at most {1e3 * clock.largest_error:.3g} ms"
    if clock.largest_error > LARGEST_CLOCK_ERROR:
        return warn("clock", found, advice)
    return ok("clock", found)


def check_governor(facts: MachineFacts) -> Finding:
    """Whether the processor runs at full speed."""
    if not facts.governors:
        return skip("processor", "the machine does not tell its frequency governor")
    kinds = Counter(facts.governors)
    found = ", ".join(f"{name} ({count})" for name, count in sorted(kinds.items()))
    slow = set(kinds) - {"performance", "schedutil"}
    if slow:
        return warn(
            "processor",
            f"frequency governor {found}",
            "rounds are answered later while the processor wakes up; 'sudo jetson_clocks' on a "
            "Jetson, else 'cpupower frequency-set -g performance'",
        )
    return ok("processor", f"frequency governor {found}")


def check_jetson(facts: MachineFacts) -> Finding | None:
    """Model, JetPack and power mode; None where this is no Jetson."""
    if facts.l4t is None and "jetson" not in facts.model.lower():
        return None
    model = facts.model or "unknown model"
    if facts.l4t is None:
        return warn(
            "jetson", f"{model}, L4T unknown", "a container needs /etc/nv_tegra_release mounted"
        )
    jetpack = JETPACKS.get(facts.l4t)
    found = f"{model}, L4T {facts.l4t}" + (f" (JetPack {jetpack})" if jetpack else "")
    if facts.power_mode:
        found += f", power mode {facts.power_mode}"
    if facts.l4t < 36:
        return fail("jetson", found, "JetPack 6 (Humble) or 7 (Jazzy) is needed: flash the device")
    if not facts.power_mode:
        return ok("jetson", f"{found}, power mode unknown ('sudo nvpmodel -q' tells)")
    return ok("jetson", found)


def check_disk(facts: MachineFacts) -> Finding:
    """Space for recordings."""
    if facts.disk_free is None:
        return fail(
            "disk", f"{facts.disk_path} does not exist", "make the folder, or name another one"
        )
    found = f"{_size(facts.disk_free)} free in {facts.disk_path}"
    if facts.disk_free < LEAST_DISK:
        return fail("disk", found, "make room, or record elsewhere (--bags)")
    if facts.disk_free < LITTLE_DISK:
        return warn("disk", found, "enough for short recordings only; make room before long ones")
    return ok("disk", found)


def _size(count: int) -> str:
    """Bytes for people."""
    for unit, step in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= step:
            return (
                f"{count / step:.3g} {unit}" if count < 1000 * step else f"{count // step} {unit}"
            )
    return f"{count} B"

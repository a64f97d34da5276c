"""How fast and with how much memory traffic is followed: traces, coverage, links, prediction.

First a generated fleet (500 vehicles by default) drives through a town; its trace is written,
then read back and followed past 12 RSUs in steps of 1 s and of 0.1 s: position, coverage with
hysteresis, links with fading, prediction of leaving. Printed are the seconds of trace per second
of work, and how often the prediction is right. With --trace a trace of your own takes its place.

Then a trace of --gigabytes is written to the disk (steps of the same fleet, again and again) and
read in a process of its own, whose peak memory the system reports (bar: 200 MiB).

    tools/run python benchmarks/mobility.py                    # about two minutes
    tools/run python benchmarks/mobility.py --gigabytes 0.1    # about half a minute
    tools/run python benchmarks/mobility.py --trace town.xml.gz --gigabytes 0
"""

# ruff: noqa: E402 - the number of threads must be set before numpy is imported
from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from veaat_migration.mobility.driving import drive
from veaat_migration.mobility.fcd import read_fcd, write_fcd
from veaat_migration.mobility.fleet import Fleet
from veaat_migration.mobility.placement import place_rsus
from veaat_migration.mobility.prediction import path_time_to_exit
from veaat_migration.mobility.roads import grid_town
from veaat_migration.mobility.streams import look_ahead
from veaat_migration.mobility.traffic import Snapshot, observe

RADIUS = 300.0
"""Of the RSUs [m]."""
HORIZON = 10.0
"""Of the prediction of leaving [s]."""
_READ = "import sys; from pathlib import Path; from veaat_migration.mobility.fcd import read_fcd"
_COUNT = """
import resource
steps = vehicles = 0
for snapshot in read_fcd(Path(sys.argv[1])):
    steps += 1
    vehicles += len(snapshot.vehicles)
print(steps, vehicles, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def make_trace(path: Path, vehicles: int, seconds: float) -> None:
    """Let a fleet drive through a town and write its trace."""
    generator = np.random.default_rng(1)
    town = grid_town(9, 7, 200.0, generator)
    began = time.perf_counter()
    write_fcd(path, drive(town, vehicles, seconds, generator))
    taken = time.perf_counter() - began
    print(f"driving {vehicles} vehicles for {seconds:g} s: {seconds / taken:.0f} x real time")


def sites_for(trace: Path, rsus: int) -> np.ndarray:
    """Places of RSUs that cover the traffic of the first minute."""
    start = next(read_fcd(trace)).time
    traffic = observe(read_fcd(trace), start + 60.0)
    return place_rsus(traffic.places, traffic.weights, rsus, RADIUS).sites


def follow(trace: Path, sites: np.ndarray, interval: float) -> None:
    """Follow the fleet of a trace and print how fast that was."""
    began = time.perf_counter()
    views = vehicles = changes = leaving = 0
    first = last = 0.0
    for view in Fleet(read_fcd(trace), sites, RADIUS).every(interval):
        first = view.scene.time if not views else first
        last = view.scene.time
        views += 1
        vehicles += len(view.scene.ids)
        changes += len(view.coverage.changes)
        leaving += int(view.leaving_within(HORIZON).sum())
        view.candidates(HORIZON)
    taken = time.perf_counter() - began
    print(
        f"following in steps of {interval:g} s: {views} views, {vehicles / views:.0f} vehicles "
        f"x {len(sites)} RSUs, {changes} changes of connection: {taken:.2f} s for "
        f"{last - first:g} s of trace, {(last - first) / taken:.0f} x real time"
    )


def judge_prediction(trace: Path, sites: np.ndarray) -> None:
    """How often constant velocity is right about who leaves within the horizon, and prints it."""
    told = came = both = 0
    fleet = Fleet(read_fcd(trace), sites, RADIUS, fading=False)
    for ahead in look_ahead(read_fcd(trace), HORIZON):
        view = fleet.at(ahead.now.time)
        if view is None or ahead.times[-1] < ahead.now.time + HORIZON:
            break
        predicted = view.leaving_within(HORIZON)
        for row in np.flatnonzero(view.coverage.connected >= 0)[:: len(sites)].tolist():
            path = ahead.paths[view.scene.ids[row]]
            site = view.sites[view.coverage.connected[row]]
            if len(path) < len(ahead.times):
                continue  # it ends its journey before
            leaves = path_time_to_exit(ahead.times, path, site, RADIUS) <= HORIZON
            told += bool(predicted[row])
            came += leaves
            both += leaves and bool(predicted[row])
    print(
        f"who leaves the RSU within {HORIZON:g} s, by constant velocity: {told} told, {came} came; "
        f"{100 * both / max(told, 1):.0f} % of those told came, "
        f"{100 * both / max(came, 1):.0f} % of those who came were told"
    )


def repeated(steps: list[Snapshot], size: float, path: Path) -> Iterator[Snapshot]:
    """The same steps again and again with new times until the file has ``size`` [bytes]."""
    moment = 0
    while moment < len(steps) or path.stat().st_size < size:
        yield Snapshot(float(moment), steps[moment % len(steps)].vehicles)
        moment += 1


def stream_large(folder: Path, source: Path, gigabytes: float) -> None:
    """Write a large trace, read it in another process and print time and peak memory."""
    steps = [snapshot for _, snapshot in zip(range(60), read_fcd(source), strict=False)]
    path = folder / "large.xml"
    write_fcd(path, repeated(steps, gigabytes * 1e9, path))
    size = path.stat().st_size
    began = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-c", _READ + _COUNT, str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    taken = time.perf_counter() - began
    count, vehicles, peak = map(int, result.stdout.split())
    print(
        f"streaming {size / 1e9:.2f} GB ({count} steps, {vehicles / 1e6:.1f} million positions): "
        f"{taken:.0f} s, {size / 1e6 / taken:.0f} MB/s, peak memory {peak / 1024:.0f} MiB"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trace", type=Path, metavar="FILE", help="follow this FCD trace")
    parser.add_argument("--vehicles", type=int, default=500)
    parser.add_argument("--rsus", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--gigabytes", type=float, default=1.0, help="size of the large trace")
    args = parser.parse_args()
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trace = args.trace
        if trace is None:
            trace = folder / "town.xml.gz"
            make_trace(trace, args.vehicles, args.seconds)
        sites = sites_for(trace, args.rsus)
        for interval in (1.0, 0.1):
            follow(trace, sites, interval)
        judge_prediction(trace, sites)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory of this process so far: {peak:.0f} MiB")
        if args.gigabytes > 0:
            stream_large(folder, trace, args.gigabytes)


if __name__ == "__main__":
    main()

"""A fleet against its bars: do delays agree with the model, is it fast and small, is any twin lost?

    tools/run python benchmarks/fleet.py model    delays, pooled seeds until 10,000 migrations
    tools/run python benchmarks/fleet.py speed    500 vehicles x 12 RSUs for 300 s (--trace FILE)
    tools/run python benchmarks/fleet.py faults   5 % loss and deaths, 10,000 migrations
    tools/run python benchmarks/fleet.py stream   a simulation on a long file, peak memory
    tools/run python benchmarks/fleet.py links    what a link that moves does to delays

Without --trace a generated town of 500 vehicles takes the place of a city. ``model`` holds links as
they were when bandwidth was bought, as D / (b s) has it, and compares means of completed
migrations between RSUs; the standard error says what chance alone does: with 10,000 migrations the
mean queue of a perfect simulation is beyond 3 % about once in ten. Times are CPU times of one
process, so that others on the machine do not count. Exit status 1 when a bar is missed.
"""

# ruff: noqa: E402 - the number of threads must be set before numpy is imported
from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from veaat_migration.fleet.metrics import summary
from veaat_migration.fleet.places import Excerpt, placed
from veaat_migration.fleet.policies import make_policy
from veaat_migration.fleet.population import reseeded
from veaat_migration.fleet.riders import Record
from veaat_migration.fleet.settings import Settings
from veaat_migration.fleet.simulation import Simulation
from veaat_migration.fleet.town import Town, write_town
from veaat_migration.mobility.fcd import read_fcd, write_fcd
from veaat_migration.mobility.traffic import Snapshot

TOLERANCE = 0.03
VEHICLES, RSUS, RADIUS, SECONDS = 500, 12, 300.0, 300.0
MEMORY, STREAM_MEMORY = 2048.0, 200.0
"""Bars of the peak memory [MiB]."""
PARTS = ("transfer", "queue", "compute", "total")


def excerpt_of(options: argparse.Namespace, folder: Path) -> Excerpt:
    """The given trace, or a town."""
    if options.trace is not None:
        return Excerpt(options.trace, vehicles=VEHICLES)
    path = folder / "town.xml"
    write_town(path, Town(vehicles=VEHICLES, seconds=SECONDS))
    return Excerpt(path)


def drive(
    excerpt: Excerpt, settings: Settings, seed: int, policy: str = "best_response"
) -> tuple[Record, float]:
    """One run and its CPU time [s]."""
    site = placed(excerpt, RSUS, RADIUS)
    began = time.process_time()
    city = reseeded(site.city, seed, given=False)
    record = Simulation(
        excerpt.snapshots(), city, make_policy(policy, RSUS, seed), settings=settings, seed=seed
    ).run()
    return record, time.process_time() - began


def runs_until(
    count: int, excerpt: Excerpt, settings: Settings, seed: int, policy: str = "nearest"
) -> Iterator[Record]:
    """Seeds from ``seed`` on until so many twins have moved."""
    moved = 0
    while moved < count:
        record, _ = drive(excerpt, settings, seed, policy)
        moved += sum(m.moved for m in record.migrations)
        seed += 1
        print(f"  seed {seed - 1}: {moved} migrations so far", file=sys.stderr, flush=True)
        yield record


def model(options: argparse.Namespace, folder: Path) -> bool:
    """Means of the parts of the delay beside their formulas."""
    excerpt = excerpt_of(options, folder)
    held = Settings(follow_link=False)
    done = [
        m
        for record in runs_until(options.count, excerpt, held, options.seed)
        for m in record.migrations
        if m.completed and np.isfinite(m.queue)
    ]
    print(f"{len(done)} migrations, links held")
    good = True
    for name in PARTS:
        measured = np.array([getattr(m, name) for m in done])
        formula = np.array(
            [m.expected if name == "total" else getattr(m, f"expected_{name}") for m in done]
        )
        difference = float(measured.mean() / formula.mean() - 1.0)
        noise = float((measured - formula).std() / np.sqrt(len(done)) / formula.mean())
        good &= abs(difference) <= TOLERANCE
        print(
            f"  {name:9} {measured.mean():.4f} s, formula {formula.mean():.4f} s: "
            f"{difference:+.2%} (standard error {noise:.2%})"
        )
    return good


def links(options: argparse.Namespace, folder: Path) -> bool:
    """Mean transfers over links that move or stay, beside the model's D / (b s)."""
    excerpt = excerpt_of(options, folder)
    for name, settings in (
        ("distance and fading followed", Settings()),
        ("distance followed, no fading", Settings(fading=False)),
        ("held, with fading", Settings(follow_link=False)),
    ):
        done = [m for m in drive(excerpt, settings, options.seed)[0].migrations if m.completed]
        measured = np.mean([m.transfer for m in done])
        formula = np.mean([m.expected_transfer for m in done])
        print(f"  {name:29} transfer {measured:.3f} s, D / (b s) {formula:.3f} s: "
              f"{measured / formula - 1.0:+.1%} ({len(done)} migrations)")  # fmt: skip
    return True


def speed(options: argparse.Namespace, folder: Path) -> bool:
    """Seconds of trace per second of CPU, and peak memory."""
    excerpt = excerpt_of(options, folder)
    record, taken = drive(excerpt, Settings(), options.seed)
    length = record.end - record.start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    print(
        f"{record.meters.most_vehicles} vehicles x {RSUS} RSUs for {length:g} s: {taken:.1f} s of "
        f"CPU, {length / taken:.1f} x real time on one core; peak memory {peak:.0f} MiB; "
        f"{len(record.migrations)} requests, {record.games} games of up to "
        f"{record.largest_game[0]} x {record.largest_game[1]}, {record.messages} messages"
    )
    return taken <= length and peak <= MEMORY


def faults(options: argparse.Namespace, folder: Path) -> bool:
    """Loss and deaths: is any twin lost, doubled or changed?"""
    excerpt = excerpt_of(options, folder)
    storm = Settings(loss=0.05, rsu_life=60.0)
    outcomes: Counter[str] = Counter()
    moved = kills = steps = 0
    violations: list[str] = []
    for record in runs_until(options.count, excerpt, storm, options.seed):
        outcomes.update(m.outcome for m in record.migrations)
        moved += sum(m.moved for m in record.migrations)
        kills += record.kills
        steps += record.checked_steps
        violations += record.violations
    print(f"{moved} migrations, {kills} deaths, {steps} service steps compared")
    print(f"  outcomes: {dict(outcomes.most_common())}")
    print(f"  violations: {len(violations)} {violations[:5]}")
    return not violations


def stream(options: argparse.Namespace, folder: Path) -> bool:
    """The whole simulation on a file of ``--gigabytes``, by few vehicles: memory must not grow."""
    excerpt = excerpt_of(options, folder)
    steps = [s for _, s in zip(range(int(SECONDS)), read_fcd(excerpt.path), strict=False)]
    path = folder / "long.xml"

    def again() -> Iterator[Snapshot]:
        k = 0
        while k < len(steps) or path.stat().st_size < options.gigabytes * 1e9:
            yield Snapshot(float(k), steps[k % len(steps)].vehicles)
            k += 1

    write_fcd(path, again())
    size = path.stat().st_size / 1e9
    record, taken = drive(Excerpt(path, vehicles=options.vehicles), Settings(), options.seed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    result = summary(record)
    print(
        f"{size:.2f} GB, {result['seconds']:.0f} s of trace, {options.vehicles} vehicles at once "
        f"simulated, {result['requests']} requests: {taken:.0f} s of CPU, peak {peak:.0f} MiB"
    )
    return peak <= STREAM_MEMORY


def main() -> int:
    """Run one part; the exit status says whether its bar is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {"model": model, "speed": speed, "faults": faults, "stream": stream, "links": links}
    parser.add_argument("part", choices=parts)
    parser.add_argument("--trace", type=Path, help="SUMO FCD instead of the town")
    parser.add_argument("--count", type=int, default=10_000, help="migrations (10000)")
    parser.add_argument("--seed", type=int, default=1, help="first seed (1)")
    parser.add_argument("--gigabytes", type=float, default=1.0, help="of the long trace (1)")
    parser.add_argument("--vehicles", type=int, default=20, help="simulated of it at once (20)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        good = parts[options.part](options, Path(folder))
    print("met" if good else "MISSED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

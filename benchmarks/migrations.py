"""Migrations of twins in simulated time: do delays agree with the model, and is any twin lost?

    python benchmarks/migrations.py                    both parts, 10,000 migrations each
    python benchmarks/migrations.py --count 1000       shorter
    python benchmarks/migrations.py --part faults --lost-disks 0.1

Part ``model``: a perfect network; the mean of each part of the delay beside its formula (transfer
D / (b s), M/M/1 wait lambda / (mu (mu - lambda)), re-instantiation C / f). Part ``faults``: 5 %
of all messages lost, 5 % doubled, delays of up to 0.2 s that reorder them, clocks that drift,
processes killed at random and in the middle of writes; an audit acts as every owner and compares
states.
Deterministic by ``--seed``; exit status 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np

from veaat_migration.game.delay import queueing_delay, reinstantiation_delay, transmission_delay
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.simulation.audit import Audit
from veaat_migration.protocol.migration.simulation.storm import Storm, Weather
from veaat_migration.protocol.migration.simulation.traffic import Habits, Traffic
from veaat_migration.protocol.migration.simulation.world import Faults, Server, World
from veaat_migration.protocol.migration.twin import Twin

TOLERANCE = 0.03
"""Relative difference between means that is allowed."""
QUIET = 60.0
"""Time after a storm in which all twins must be found well [s]."""


@dataclass(frozen=True)
class Part:
    """One part of the delay, means over all migrations [s]."""

    measured: float
    formula: float
    difference: float
    """Relative."""
    standard_error: float
    """Of ``measured``, relative: what chance alone does."""


def twins(count: int, draw: np.random.Generator) -> dict[int, Twin]:
    """Twins as large as in docs/model.md: 25 to 100 MB, 2 to 20 Gcycles."""
    return {
        i: Twin(
            draw.bytes(4000),
            data=float(draw.uniform(200.0, 800.0)),
            cycles=float(draw.uniform(2.0, 20.0)),
        )
        for i in range(1, count + 1)
    }


def servers(count: int, draw: np.random.Generator) -> dict[int, Server]:
    """RSUs as in docs/model.md."""
    rates = zip(
        draw.uniform(2.0, 6.0, count),
        draw.uniform(8.0, 12.0, count),
        draw.uniform(20.0, 60.0, count),
        strict=True,
    )
    return {j: Server(*map(float, rate)) for j, rate in enumerate(rates, start=1)}


def compare_with_model(count: int, seed: int, n_avs: int = 50, n_rsus: int = 12) -> dict[str, Part]:
    """Migrate ``count`` times between RSUs; measured means beside those of the formulas."""
    draw = np.random.default_rng(seed)
    world = World(
        twins(n_avs, draw),
        servers(n_rsus, draw),
        config=MigrationConfig(chunk_size=1000),
        seed=seed,
    )
    traffic = Traffic(world, Habits(pause=5.0))
    # As many as begin, not as many as end first: those would be the short ones.
    traffic.limit = count + n_avs
    world.start_all()
    world.run(1e9, stop=lambda: len(traffic.timings) == count)
    timings = traffic.timings
    formulas = {
        "transfer": [
            float(transmission_delay(world.twins[t.av_id].data, t.bandwidth * 12.2))
            for t in timings
        ],
        "queue": [
            float(queueing_delay(s.arrival_rate, s.service_rate))
            for s in (world.servers[t.target_id] for t in timings)
        ],
        "compute": [
            float(
                reinstantiation_delay(
                    world.twins[t.av_id].cycles, world.servers[t.target_id].compute
                )
            )
            for t in timings
        ],
    }
    formulas["total"] = [sum(parts) for parts in zip(*formulas.values(), strict=True)]
    return {
        name: _part(np.array([getattr(t, name) for t in timings]), np.array(expected))
        for name, expected in formulas.items()
    }


def _part(measured: np.ndarray, expected: np.ndarray) -> Part:
    formula = float(expected.mean())
    noise = (measured - expected).std() / np.sqrt(len(measured))
    return Part(
        float(measured.mean()),
        formula,
        float(measured.mean() / formula - 1.0),
        float(noise / formula),
    )


@dataclass(frozen=True)
class Survival:
    """What a storm did."""

    migrations: int
    """That moved a twin."""
    outcomes: dict[str, int]
    kills: int
    messages: int
    """Delivered."""
    simulated_seconds: float
    service_steps: int
    """Changes of states by owners, each compared with the true history."""
    violations: list[str]
    """Two owners at once, or a state that never was: must be empty."""
    fallbacks: int
    """Twins that lost their newest changes: 0 unless disks are lost."""
    not_well: list[int]
    """AVs whose twin is not served with the right bytes after the storm: must be empty."""
    at_home: list[int]
    """AVs that have to deploy their twin again; empty unless disks are lost."""


def survive(count: int, seed: int, lost_disks: float, n_avs: int = 10, n_rsus: int = 6) -> Survival:
    """Migrate until ``count`` twins have moved, in bad weather."""
    draw = np.random.default_rng(seed)
    world = World(
        twins(n_avs, draw),
        servers(n_rsus, draw),
        config=MigrationConfig(chunk_size=1000),
        faults=Faults(loss=0.05, duplication=0.05, latency=(0.001, 0.2)),
        clock_drift=0.005,
        seed=seed,
    )
    audit = Audit(world, period=0.1)
    traffic = Traffic(world, Habits(pause=1.0, cancel=0.05, overlap=0.05))
    weather = Weather(rsu_life=60.0, av_life=60.0, rsu_wipe=lost_disks, av_wipe=lost_disks)
    storm = Storm(world, weather, audit)
    world.start_all()
    world.run(1e9, stop=lambda: traffic.moved >= count or bool(audit.violations))
    storm.end()
    traffic.limit = 0
    world.faults = Faults()
    world.run(world.now + QUIET)
    at_home = [i for i in world.avs if (v := world.vehicle(i)) is not None and v.owner_id == 0]
    return Survival(
        traffic.moved,
        dict(traffic.outcomes),
        world.kills,
        world.delivered,
        world.now,
        audit.acts,
        audit.violations,
        audit.fallbacks,
        [i for i in world.avs if i not in at_home and not audit.intact(i)],
        at_home,
    )


def main() -> int:
    """Run, print, and say by the exit status whether the bars are met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=("model", "faults", "both"), default="both")
    parser.add_argument("--count", type=int, default=10_000, help="migrations (10000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--lost-disks", type=float, default=0.0, help="share of deaths that take the disk along (0)"
    )
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    figures: dict[str, object] = {}
    good = True
    begin = time.perf_counter()
    if options.part != "faults":
        parts = compare_with_model(options.count, options.seed)
        good &= all(abs(part.difference) <= TOLERANCE for part in parts.values())
        figures["model"] = {name: asdict(part) for name, part in parts.items()}
        if not options.json:
            print(f"{options.count} migrations on a perfect network")
            for name, part in parts.items():
                print(
                    f"  {name:9} {part.measured:.4f} s, formula {part.formula:.4f} s: "
                    f"{part.difference:+.2%} (standard error {part.standard_error:.2%})"
                )
    if options.part != "model":
        survival = survive(options.count, options.seed, options.lost_disks)
        good &= not (survival.violations or survival.not_well)
        good &= options.lost_disks > 0.0 or not (survival.fallbacks or survival.at_home)
        figures["faults"] = asdict(survival)
        if not options.json:
            print(f"{survival.migrations} migrations in bad weather")
            for name, value in asdict(survival).items():
                print(f"  {name}: {value}")
    figures["seconds"] = time.perf_counter() - begin
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print(f"{'met' if good else 'MISSED'}, {figures['seconds']:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

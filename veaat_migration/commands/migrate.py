"""Let twins migrate in a city: vehicles drive, ask, play the game, and their twins follow them.

Takes a SUMO trace (or makes a small town), places RSUs where the traffic is, chooses the vehicles
that cross most coverages, and starts one process for each RSU and AV. Each RSU sells bandwidth and
keeps twins in a folder; each AV asks for a migration before it leaves its RSU's coverage, buys
bandwidth in the game, and its twin's real bytes are transferred, queued, rebuilt and handed over
while it goes on serving. Shows what happens, and leaves a folder runs/<time>-<name>/ with the
recording (bag/), tables (CSV), plan.yaml, the scenario and the log of every node. Ctrl-C ends all
nodes cleanly and keeps what was recorded.

Examples:
  # a minute in a generated town: 4 AVs, 4 RSUs
  veaat migrate

  # two minutes of a real trace at twice its speed
  veaat migrate trace.xml.gz --start 450 --seconds 120 --speed 2 --avs 6 --rsus 8 --radius 250

  # a process for each node, dead ones are restarted: kill them and see
  veaat migrate --separate --respawn
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from veaat_migration.commands.arguments import add_process_options, finite, positive

if TYPE_CHECKING:
    from veaat_migration.bringup.city import City
    from veaat_migration.bringup.run_folder import RunFolder

SUMMARY = "let twins migrate between RSUs over ROS 2, on real or generated traffic"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "trace", nargs="?", type=Path, metavar="TRACE",
        help="SUMO floating-car data, .xml or .xml.gz (default: a generated town)",
    )  # fmt: skip
    city = parser.add_argument_group("city")
    city.add_argument(
        "--start", type=finite, metavar="S", help="time in the trace (default: its beginning)"
    )
    city.add_argument(
        "--seconds", type=positive, default=90.0, metavar="S",
        help="length of the trace to play (default: %(default)g)",
    )  # fmt: skip
    city.add_argument(
        "--speed", type=positive, default=1.5, metavar="X",
        help="seconds of trace per second (default: %(default)g)",
    )  # fmt: skip
    city.add_argument(
        "--avs", type=int, default=4, metavar="N", help="vehicles that take part (default: 4)"
    )
    city.add_argument("--rsus", type=int, default=4, metavar="N", help="RSUs (default: 4)")
    city.add_argument(
        "--radius", type=positive, default=250.0, metavar="M",
        help="coverage of an RSU (default: %(default)g)",
    )  # fmt: skip
    city.add_argument(
        "--seed", type=int, default=1, metavar="N", help="of all random numbers (default: 1)"
    )
    game = parser.add_argument_group("game and twins")
    game.add_argument(
        "--period", type=positive, default=0.2, metavar="S",
        help="time between two rounds of the game (default: %(default)g)",
    )  # fmt: skip
    game.add_argument(
        "--horizon", type=positive, default=10.0, metavar="S",
        help="AVs ask when they leave coverage within this time (default: %(default)g)",
    )  # fmt: skip
    game.add_argument(
        "--image-share", type=positive, default=1.0, metavar="SHARE",
        help="bytes that a twin really has, as a share of the data that its transfer counts as; "
        "less than 1 spares the machine (default: %(default)g)",
    )  # fmt: skip
    processes = parser.add_argument_group("processes")
    processes.add_argument(
        "--separate", action="store_true", help="a process for each node, not for each machine"
    )
    processes.add_argument("--respawn", action="store_true", help="restart machines that die")
    add_process_options(processes)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output", metavar="DIR", help="folder for the results (default: runs/<time>-<name>)"
    )
    output.add_argument(
        "--record", action=argparse.BooleanOptionalAction, default=True,
        help="record a bag and analyse it afterwards",
    )  # fmt: skip
    output.add_argument(
        "--markers", action="store_true",
        help="draw it for RViz (config/migration.rviz) and Foxglove "
        "(config/foxglove-migration.json) on the topic markers",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the city; 0 when all went well, 1 when a node failed, 130 after Ctrl-C."""
    from veaat_migration.bringup.environment import ros_environment
    from veaat_migration.bringup.migration_plan import (
        MigrationOptions,
        make_migration_plan,
        wall_time,
    )
    from veaat_migration.bringup.run_folder import RunFolder, default_path
    from veaat_migration.bringup.starter import Ending, Starter
    from veaat_migration.scenario.write import write_scenario

    environment, about_domain = ros_environment(args.domain_id)
    name = "town" if args.trace is None else args.trace.name.partition(".")[0]
    folder = RunFolder(Path(args.output) if args.output else default_path(f"migrate-{name}"))
    city = _city(args, folder.path, name)
    options = MigrationOptions(
        state=str(folder.path / "state"),
        seed=args.seed,
        speed=args.speed,
        period=args.period,
        horizon=args.horizon,
        image_share=args.image_share,
        composed=not args.separate,
        bag=str(folder.bag) if args.record else None,
        markers=args.markers,
        namespace=args.namespace,
        executor=args.executor,
    )
    plan = make_migration_plan(city, options)
    about = {"trace": str(city.trace), "seed": args.seed, "domain_id": environment["ROS_DOMAIN_ID"]}
    folder.write_plan(plan, about)
    write_scenario(folder.path / "scenario.yaml", city.scenario, ["made by veaat migrate"])
    print(
        f"{name}: {args.avs} AVs ({', '.join(city.vehicles)}) that cross {sum(city.crossings)} "
        f"coverages, {args.rsus} RSUs; {about_domain}"
    )
    print(f"{wall_time(city, options):g} s; results in {folder.path}", flush=True)
    outcome = Starter(plan, folder, environment, respawn=args.respawn).run()
    if args.record and folder.bag.exists():
        _analyse(folder)
    if outcome.signal_number is not None:
        return 128 + outcome.signal_number
    return 1 if outcome.deaths or outcome.ending is Ending.FAILED else 0


def _city(args: argparse.Namespace, folder: Path, name: str) -> City:
    from veaat_migration.bringup.city import make_city, write_town

    trace = args.trace
    if trace is None:
        trace = folder / "town.fcd.xml.gz"
        write_town(trace, (args.start or 0.0) + args.seconds + 1.0, args.seed)
    return make_city(
        trace.expanduser().resolve(),
        start=args.start,
        duration=args.seconds,
        n_avs=args.avs,
        n_rsus=args.rsus,
        radius=args.radius,
        seed=args.seed,
        name=name,
    )


def _analyse(folder: RunFolder) -> None:
    from veaat_migration.analysis.report import write_report
    from veaat_migration.analysis.summary import format_summary

    report = write_report(folder.bag, folder.path, plots=False, equilibrium=False)
    print()
    print(format_summary(report))
    print(f"see it: veaat replay {folder.path} -o replay.html")

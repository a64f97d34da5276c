"""Make, check and look at scenarios: who plays where, with which tasks and links.

A scenario is a YAML file. 'veaat solve FILE' computes its equilibrium and 'veaat sim FILE'
plays it. Units: positions and radii in m, times in s, twins in MB, bandwidth in MHz.

Examples:
  # 12 vehicles and 4 roadside units from a SUMO trace, at second 500
  veaat scenario from-fcd trace.xml.gz --time 500 --avs 12 --rsus 4 -o town.yaml --plot town.png

  # the same without any file, from a generated town
  veaat scenario from-roads --columns 6 --rows 4 --avs 6 --rsus 3 -o town.yaml

  # tables of players, distances, SNR and delays; a map
  veaat scenario show town.yaml --plot town.png

  # is this file (or are these files) right? All faults at once, with their paths
  veaat scenario check town.yaml other.yaml

  # every key, with unit, range and default
  veaat scenario keys
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from veaat_migration.commands.arguments import finite, positive

if TYPE_CHECKING:
    from veaat_migration.mobility.traffic import Polyline, Traffic

SUMMARY = "make, check and look at scenarios"

_FROM_FCD = """Make a scenario from SUMO floating-car data (sumo --fcd-output), plain or .gz.

RSUs are placed where they cover most of the traffic seen in the --window before --time (greedy
maximum coverage, then each site moves to its best place). AVs are drawn by --seed among the
vehicles at --time within --radius of an RSU, standing ones only if there are too few that move.
Each AV's task and each RSU's server are drawn by --seed: twins of 25-100 MB and 2-20 Gcycles,
satisfaction 20-30, delay sensitivity 1.5-2; RSUs of 20-60 GHz, 2-6 arrivals/s, 8-12 served/s.

Example:
  veaat scenario from-fcd trace.xml.gz --time 500 --avs 12 --rsus 4 -o bologna.yaml --plot map.png
"""
_FROM_ROADS = """Make a scenario from a generated town in which vehicles drive; no file needed.

Vehicles follow each other, stop at traffic lights and turn at random for --time seconds; the rest
is as in 'veaat scenario from-fcd'. The same options and seed give the same scenario.

Examples:
  veaat scenario from-roads --avs 6 --rsus 3 -o town.yaml
  veaat scenario from-roads --shape ring --rings 3 --spokes 8 --block 200 -o ring.yaml
  veaat scenario from-roads --write-fcd town.xml.gz -o town.yaml    # keep the traffic as well
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, summary: str, text: str) -> argparse.ArgumentParser:
        return actions.add_parser(
            name,
            help=summary,
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    fcd = action("from-fcd", "from a SUMO trace", _FROM_FCD)
    fcd.add_argument("trace", type=Path, metavar="TRACE", help="trace.xml or trace.xml.gz")
    fcd.add_argument(
        "--time", type=finite, required=True, metavar="S", help="moment in the trace [s]"
    )
    _recipe_options(fcd)
    roads = action("from-roads", "from a generated town", _FROM_ROADS)
    roads.add_argument("--shape", choices=("grid", "ring"), default="grid", help="default: grid")
    for option, default, text in (
        ("--columns", 6, "grid: blocks from west to east"),
        ("--rows", 4, "grid: blocks from south to north"),
        ("--rings", 3, "ring: ring roads"),
        ("--spokes", 8, "ring: radial roads"),
        ("--vehicles", 120, "vehicles on the road"),
    ):
        roads.add_argument(option, type=_count, default=default, metavar="N",
                           help=f"{text} (default {default})")  # fmt: skip
    roads.add_argument("--block", type=positive, default=200.0, metavar="M",
                       help="side of a block [m] (default 200)")  # fmt: skip
    roads.add_argument("--time", type=_duration, default=120.0, metavar="S",
                       help="drive this long, then take the scene [s] (default 120)")  # fmt: skip
    roads.add_argument("--write-fcd", type=Path, metavar="FILE",
                       help="also write the traffic as FCD, .xml or .xml.gz")  # fmt: skip
    _recipe_options(roads)
    show = action("show", "tables of players, links and delays", "Show a scenario as tables.")
    show.add_argument("file", type=Path, metavar="FILE", help="scenario file")
    show.add_argument("--plot", type=Path, metavar="FILE", help="draw a map (.png, .svg, .pdf)")
    check = action("check", "find all faults of files", "Check scenario or game instance files.")
    check.add_argument("files", type=Path, nargs="+", metavar="FILE")
    action("keys", "every key of a scenario", "List every key with unit, range and default.")


def _recipe_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--avs", type=_count, default=6, metavar="N", help="vehicles that play (default 6)")
    add("--rsus", type=_count, default=3, metavar="N", help="roadside units (default 3)")
    add("--seed", type=_seed, default=0, metavar="N", help="seed of every draw (default 0)")
    add("--radius", type=positive, default=500.0, metavar="M",
        help="coverage radius of an RSU [m] (default 500)")  # fmt: skip
    add("--window", type=_duration, default=60.0, metavar="S",
        help="traffic of this time before --time counts for coverage [s] (default 60)")  # fmt: skip
    add("--no-delay", action="store_true", help="do not enforce the AVs' longest tolerated delays")
    add("--delay-slack", type=positive, nargs=2, default=(0.9, 1.6), metavar=("LOW", "HIGH"),
        help="longest tolerated delays, as multiples of the delay that an AV has if it buys as "
        "it likes: spread from LOW to HIGH over the AVs; below 1 an AV has to buy more "
        "than it likes; every AV can meet its limit with b_max (default 0.9 1.6)")  # fmt: skip
    add("--capacity", type=positive, metavar="MHZ",
        help="expected load that each RSU can carry [MHz] (default: unlimited); such games can "
        "be solved, but not yet played by nodes")  # fmt: skip
    add("--name", help="name of the scenario (default: name of the output file)")
    add("-o", "--output", type=Path, metavar="FILE", help="file to write (default: print)")
    add("--plot", type=Path, metavar="FILE", help="draw a map (.png, .svg, .pdf)")


def run(args: argparse.Namespace) -> int:
    """Run one action."""
    actions = {"from-fcd": _from_fcd, "from-roads": _from_roads, "show": _show, "check": _check}
    if args.action == "keys":
        from veaat_migration.scenario.reference import reference_text

        print(reference_text())
        return 0
    return actions[args.action](args)


def _from_fcd(args: argparse.Namespace) -> int:
    from veaat_migration.mobility.fcd import read_fcd
    from veaat_migration.mobility.traffic import observe

    traffic = observe(read_fcd(args.trace), args.time, args.window)
    return _generate(args, traffic, f"{args.trace.name} at {traffic.time:g} s", None)


def _from_roads(args: argparse.Namespace) -> int:
    import numpy as np

    from veaat_migration.mobility.driving import drive
    from veaat_migration.mobility.fcd import read_fcd, write_fcd
    from veaat_migration.mobility.roads import grid_town, ring_town
    from veaat_migration.mobility.traffic import observe

    streams = np.random.SeedSequence(args.seed, spawn_key=(1,)).spawn(2)
    town, drivers = (np.random.default_rng(stream) for stream in streams)
    if args.shape == "grid":
        network = grid_town(args.columns, args.rows, args.block, town)
    else:
        network = ring_town(args.rings, args.spokes, args.block, town)
    snapshots = drive(network, args.vehicles, args.time, drivers)
    if args.write_fcd is not None:
        write_fcd(args.write_fcd, snapshots)
        snapshots = read_fcd(args.write_fcd)
    traffic = observe(snapshots, args.time, args.window)
    source = f"a generated {args.shape} town at {traffic.time:g} s"
    return _generate(args, traffic, source, network.lines)


def _generate(
    args: argparse.Namespace, traffic: Traffic, source: str, roads: tuple[Polyline, ...] | None
) -> int:
    import numpy as np

    from veaat_migration.scenario.generate import Recipe, scenario_from_traffic
    from veaat_migration.scenario.map import draw_map
    from veaat_migration.scenario.write import scenario_text, write_scenario

    name = args.name or (args.output.stem if args.output else "scenario")
    recipe = Recipe(
        name=name,
        n_avs=args.avs,
        n_rsus=args.rsus,
        seed=args.seed,
        radius=args.radius,
        enforce_delay=not args.no_delay,
        slack=tuple(args.delay_slack),
        capacity=args.capacity,
        description=f"From {source}",
    )
    made = scenario_from_traffic(traffic, recipe, roads)
    comments = [
        f"{recipe.description}: {args.avs} AVs x {args.rsus} RSUs",
        f"made by: veaat scenario {shlex.join(_command_line(args))}",
        "Every key: docs/scenarios.md or 'veaat scenario keys'; after editing: "
        "'veaat scenario show FILE'",
    ]
    if args.output is None:
        print(scenario_text(made.scenario, comments), end="")
    else:
        write_scenario(args.output, made.scenario, comments)
    if args.plot is not None:
        spots = np.array([(vehicle.x, vehicle.y) for vehicle in traffic.vehicles])
        draw_map(made.scenario, args.plot, spots)
    placement = made.placement
    print(
        f"{args.avs} AVs x {args.rsus} RSUs; {len(traffic.vehicles)} vehicles on the road, "
        f"{100 * placement.coverage:.0f} % of the traffic covered by RSUs, "
        f"{placement.mean_distance:.0f} m from the nearest on average",
        file=sys.stderr,
    )
    for path in filter(None, (args.output, args.plot, getattr(args, "write_fcd", None))):
        print(f"wrote {path}", file=sys.stderr)
    return 0


def _command_line(args: argparse.Namespace) -> list[str]:
    """The options that decide the content, file names without their folders."""
    words = [args.action]
    if args.action == "from-fcd":
        words.append(args.trace.name)
    keys = ["avs", "rsus", "time", "window", "seed", "radius"]
    if args.action == "from-roads":
        sizes = ["columns", "rows"] if args.shape == "grid" else ["rings", "spokes"]
        keys = ["shape", *sizes, "block", "vehicles", *keys]
    for key in keys:
        value = getattr(args, key)
        words += [f"--{key}", f"{value:g}" if isinstance(value, float) else str(value)]
    words += ["--delay-slack", *(f"{value:g}" for value in args.delay_slack)]
    if args.capacity is not None:
        words += ["--capacity", f"{args.capacity:g}"]
    return [*words, "--no-delay"] if args.no_delay else words


def _show(args: argparse.Namespace) -> int:
    from veaat_migration.scenario.load import load_scenario
    from veaat_migration.scenario.map import draw_map
    from veaat_migration.scenario.summary import summary

    scenario = load_scenario(args.file)
    print(summary(scenario))
    if args.plot is not None:
        draw_map(scenario, args.plot)
        print(f"wrote {args.plot}", file=sys.stderr)
    return 0


def _check(args: argparse.Namespace) -> int:
    from veaat_migration.scenario.errors import ScenarioError
    from veaat_migration.scenario.load import load_game

    status = 0
    for path in args.files:
        try:
            game = load_game(path)
        except ScenarioError as error:
            print(error, file=sys.stderr)
            status = 2
        else:
            print(f"{path}: right, {game.n_avs} AVs x {game.n_rsus} RSUs")
    return status


def _count(text: str) -> int:
    return _integer(text, 1, 100_000)


def _seed(text: str) -> int:
    return _integer(text, 0, 2**63 - 1)


def _integer(text: str, low: int, high: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from {low} to {high}, got {text!r}"
        )
    return value


def _duration(text: str) -> float:
    value = finite(text)
    if not 0 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"must be from 0 to 86400 s, got {text}")
    return value

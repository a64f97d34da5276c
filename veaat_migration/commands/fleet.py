"""Let a whole city drive, migrate and play, and compare policies on it.

SOURCE is a traffic trace (SUMO FCD, .xml or .xml.gz; metres, or longitudes and latitudes), or the
word 'town' for a generated one. Vehicles drive as in the trace, are predicted to leave the coverage
of the RSU that has their twin, ask for a migration, and play one game with all others that ask and
with the RSUs on their way. What they buy is carried out by the state machines of the real protocol:
transfer over a fading link, M/M/1 queue, re-instantiation, handover (docs/fleet.md). Every policy
meets the same fleet with the same seeds. The results folder gets
  report.html     start here: tables with 95 % intervals, pictures, what everything means
  summary.csv     mean and interval of every metric and policy
  runs.csv        one row per run; rsus.csv one per RSU of a run
  migrations.csv  one row per request
  pictures/       PNG and SVG
  replay-*.html   with --replay: the first seed's run to watch, and its data for 'veaat replay'
  runs/           finished runs: after Ctrl-C, a kill or a change of the arguments, the same command
                  goes on from there and repeats nothing that would come out the same

RSUs stand where they cover most of the traffic (--rsus, --radius), each seed draws their numbers;
or they are those of a scenario (--scenario), and vehicles are like its AVs.

  veaat fleet town -o FILE.xml.gz            writes the town's trace only
  veaat fleet train -o FILE.safetensors      trains the policy 'learned' (needs PyTorch)

Exit status: 0 done, 1 runs failed or a twin was not owned exactly once, 2 unusable,
130 interrupted.

Examples:
  # policies compared on a trace, five seeds each
  veaat fleet bologna.xml.gz --seeds 5

  # two policies on a generated town, with a replay of the first one
  veaat fleet town --policies best_response,nearest --seeds 2 --replay

  # ten minutes of a large trace, your own RSUs, bad weather
  veaat fleet city.xml.gz --start 25200 --end 25800 --scenario city.yaml --loss 0.05 --rsu-life 60
"""

from __future__ import annotations

import argparse
import math
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from veaat_migration.commands.arguments import finite, positive

if TYPE_CHECKING:
    from veaat_migration.fleet.comparison import Comparison, Wish
    from veaat_migration.fleet.places import Excerpt, Site
    from veaat_migration.fleet.town import Town

SUMMARY = "simulate a fleet on a traffic trace and compare policies"
_SHOWN = 5
_COST = 2.5e-4
"""CPU time for a second of a vehicle, about [s]."""
_LONG = 5.0
"""Minutes of a run that deserve a warning."""
_POLICIES = "best_response,learned,greedy,random,nearest,strongest"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", metavar="SOURCE", help="trace (.xml, .xml.gz), 'town' or 'train'")
    what = parser.add_argument_group("comparison")
    what.add_argument(
        "--policies", default=_POLICIES, metavar="A,B,...", help=f"(default: {_POLICIES})"
    )
    what.add_argument("--seeds", type=_count, default=5, metavar="N", help="seeds 1 to N (5)")
    what.add_argument(
        "--replay", nargs="?", const="", metavar="POLICY",
        help="write a replay of the first seed of POLICY (default: the first policy), or of 'all'",
    )  # fmt: skip
    traffic = parser.add_argument_group("traffic")
    traffic.add_argument("--start", type=finite, default=-math.inf, metavar="S",
                         help="first moment of the trace [s]")  # fmt: skip
    traffic.add_argument("--end", type=finite, default=math.inf, metavar="S",
                         help="last moment of the trace [s]")  # fmt: skip
    traffic.add_argument("--vehicles", type=_count, metavar="N",
                         help="at most so many at once (trace: all; town: 300)")  # fmt: skip
    town = parser.add_argument_group("town")
    town.add_argument("--shape", choices=("grid", "ring"), default="grid", help="(grid)")
    town.add_argument("--seconds", type=positive, default=300.0, metavar="S", help="driven (300)")
    town.add_argument("--town-seed", type=_whole, default=1, metavar="N", help="of the town (1)")
    city = parser.add_argument_group("RSUs")
    city.add_argument("--rsus", type=_count, default=12, metavar="N", help="to place (12)")
    city.add_argument("--radius", type=positive, default=400.0, metavar="M",
                      help="their coverage [m] (400)")  # fmt: skip
    city.add_argument("--scenario", type=Path, metavar="FILE",
                      help="RSUs and kinds of AVs of a scenario instead")  # fmt: skip
    weather = parser.add_argument_group("what goes wrong")
    weather.add_argument("--loss", type=finite, default=0.0, metavar="SHARE",
                         help="of messages that are lost (0)")  # fmt: skip
    weather.add_argument("--rsu-life", type=positive, default=math.inf, metavar="S",
                         help="mean time between two deaths of an RSU [s] (none)")  # fmt: skip
    weather.add_argument("--no-fading", action="store_true", help="links by distance only")
    weather.add_argument("--hold-links", action="store_true",
                         help="links stay as they are when bandwidth is bought")  # fmt: skip
    learning = parser.add_argument_group("learned policy")
    learning.add_argument("--weights", type=Path, metavar="FILE",
                          help="of 'learned' (default: those of the package)")  # fmt: skip
    learning.add_argument("--iterations", type=_count, default=8000, metavar="N",
                          help="train: batches of 128 games (8000)")  # fmt: skip
    learning.add_argument("--train-seed", type=_whole, default=1, metavar="N", help="train: (1)")
    running = parser.add_argument_group("running")
    running.add_argument("-j", "--jobs", type=_count, metavar="N", help="processes (one per core)")
    running.add_argument("--fresh", action="store_true", help="run everything again")
    running.add_argument("-o", "--output", type=Path, metavar="DIR",
                         help="folder for the results (default: runs/fleet-<name>); or, of a town, "
                         "the trace to write (.xml, .xml.gz)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Compare, or write a town."""
    from veaat_migration.fleet.comparison import compare
    from veaat_migration.parallel import default_jobs

    output: Path | None = args.output
    if args.source == "train":
        return _train(args, output)
    if output is not None and output.name.endswith((".xml", ".xml.gz")):
        return _write_town_only(args, output)
    folder = output or Path("runs") / f"fleet-{_name(args.source)}"
    excerpt = _excerpt(args, folder)
    wish = _wish(args, excerpt)
    print(wish.site.note, file=sys.stderr)
    _warn_of_length(wish)
    comparison = compare(
        wish, folder, jobs=args.jobs or default_jobs(), stream=sys.stderr, fresh=args.fresh
    )
    return _report(comparison, folder)


def _train(args: argparse.Namespace, path: Path | None) -> int:
    """Train the shared networks and write them."""
    from veaat_migration.commands.train import require_torch
    from veaat_migration.fleet.errors import FleetError

    if path is None or path.suffix != ".safetensors":
        raise FleetError("--output: say where to write the policy, a file named .safetensors")
    require_torch()
    from veaat_migration.fleet.training import Plan, train

    plan = Plan(iterations=args.iterations, seed=args.train_seed)
    command = f"veaat fleet train --iterations {plan.iterations} --train-seed {plan.seed}"
    weights = train(plan, command=command, show=lambda line: print(line, flush=True))
    try:
        path.write_bytes(weights.to_bytes())
    except OSError as error:
        raise FleetError(f"{path}: cannot be written: {error.strerror or error}") from error
    print(f"{weights.training}\nwrote {path}, digest {weights.digest}")
    return 0


def _warn_of_length(wish: Wish) -> None:
    """Say so where runs will take long, and how to make them shorter."""
    minutes = wish.site.vehicle_seconds * _COST / 60.0
    if minutes > _LONG:
        print(
            f"about {minutes:.0f} minutes of a core for each of "
            f"{len(wish.policies) * len(wish.seeds)} runs; --vehicles, --start and --end choose a "
            "part of the traffic",
            file=sys.stderr,
        )


def _write_town_only(args: argparse.Namespace, path: Path) -> int:
    from veaat_migration.fleet.errors import FleetError
    from veaat_migration.fleet.town import write_town

    if args.source != "town":
        raise FleetError(f"--output: must be a folder, got {path}")
    write_town(path, _town(args))
    print(f"wrote {path} ({path.stat().st_size / 1e6:.2f} MB)")
    return 0


def _excerpt(args: argparse.Namespace, folder: Path) -> Excerpt:
    from veaat_migration.fleet.places import Excerpt
    from veaat_migration.fleet.town import write_town

    if args.source != "town":
        return Excerpt(Path(args.source), args.start, args.end, args.vehicles)
    path = folder / "town.fcd.xml.gz"
    write_town(path, _town(args))
    return Excerpt(path, args.start, args.end)


def _town(args: argparse.Namespace) -> Town:
    from veaat_migration.fleet.town import Town

    blocks = (9, 7) if args.shape == "grid" else (5, 10)
    return Town(
        shape=args.shape,
        blocks=blocks,
        vehicles=args.vehicles or 300,
        seconds=args.seconds,
        seed=args.town_seed,
    )


def _wish(args: argparse.Namespace, excerpt: Excerpt) -> Wish:
    from veaat_migration.fleet.comparison import Wish
    from veaat_migration.fleet.settings import Settings

    policies = tuple(name.strip() for name in args.policies.split(",") if name.strip())
    replays: tuple[str, ...] = ()
    if args.replay is not None:
        replays = policies if args.replay == "all" else (args.replay or policies[0],)
    settings = Settings(
        loss=args.loss,
        rsu_life=args.rsu_life,
        fading=not args.no_fading,
        follow_link=not args.hold_links,
    )
    seeds = tuple(range(1, args.seeds + 1))
    site = _site(args, excerpt)
    return Wish(excerpt, site, policies, seeds, settings, replays, weights=args.weights)


def _site(args: argparse.Namespace, excerpt: Excerpt) -> Site:
    from veaat_migration.bringup.scenarios import find_scenario
    from veaat_migration.fleet.places import from_scenario, placed

    if args.scenario is not None:
        return from_scenario(find_scenario(str(args.scenario)))
    return placed(excerpt, args.rsus, args.radius)


def _report(comparison: Comparison, folder: Path) -> int:
    """Write files, print the table; the exit status."""
    from veaat_migration.fleet.errors import FleetError
    from veaat_migration.fleet.plots import draw_all
    from veaat_migration.fleet.report import PAGE, why_nothing, write_report
    from veaat_migration.fleet.tables import text_table, write_tables

    for task, reason in comparison.failed[:_SHOWN]:
        print(f"failed: {task.policy}, seed {task.seed}: {reason}", file=sys.stderr)
    if comparison.results:
        try:
            write_tables(folder, comparison)
            replays = _replays(comparison, folder)
            pictures = draw_all(folder / "pictures", comparison)
            command = shlex.join(["veaat", *sys.argv[1:]])
            write_report(folder / PAGE, comparison, pictures, command=command, replays=replays)
        except OSError as error:
            raise FleetError(f"{error.filename}: {error.strerror}") from error
        print(text_table(comparison))
        if not any(result["completed"] for result in comparison.results.values()):
            print(f"Nothing migrated. {why_nothing(next(iter(comparison.results.values())))}")
        print(f"wrote {folder / PAGE}")
    if comparison.interrupted:
        print(
            f"interrupted after {len(comparison.results)} of {len(comparison.tasks)} runs; the "
            "same command goes on from there",
            file=sys.stderr,
        )
        return 130
    sound = not any(result["violations"] for result in comparison.results.values())
    return 0 if sound and not comparison.failed else 1


def _replays(comparison: Comparison, folder: Path) -> list[Path]:
    """Pages of the replays that were asked for, with their data."""
    from veaat_migration.analysis.replay_page import write_page
    from veaat_migration.analysis.replay_reading import load_replay

    pages = []
    for task in comparison.tasks:
        if task.replay and (task.policy, task.seed) in comparison.results:
            data = folder / f"replay-{task.policy}.json.gz"
            data.write_bytes(task.replay_file.read_bytes())
            page = folder / f"replay-{task.policy}.html"
            write_page(page, load_replay(data))
            pages.append(page)
    return pages


def _name(source: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", Path(source).name.split(".")[0]) or "trace"


def _count(text: str) -> int:
    value = _whole(text)
    if not 1 <= value <= 100_000:
        raise argparse.ArgumentTypeError(f"must be from 1 to 100000, got {text}")
    return value


def _whole(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be a whole number >= 0, got {text!r}")
    return value

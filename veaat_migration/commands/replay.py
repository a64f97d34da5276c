"""Turn a run into a page that plays it: map, vehicles, twins, prices, events.

The page is one HTML file that needs no network: open it in any browser, play, pause, scrub, and
point at what you want to know. SOURCE is one of

  - a traffic trace (SUMO FCD, .xml or .xml.gz): who is covered by whom, and hand-overs. RSUs are
    those of --scenario, or placed where they cover most of the traffic (--rsus, --radius);
  - a run folder or bag of 'veaat sim': prices, bandwidth and money over time, on the map of the
    scenario (found by itself for a run folder, else --scenario). With --trace its AVs drive;
  - a run folder or bag of 'veaat migrate': AVs by their odometry, twins on their way between RSUs,
    how each migration ended, prices, age of twins, downtime;
  - a replay file (.json, .json.gz) as other tools and --json write it (docs/replay.md).

Examples:
  # one minute of a trace past 12 RSUs
  veaat replay trace.xml.gz --start 420 --end 480 --rsus 12 --radius 300 -o replay.html

  # the last simulation, and a picture for a document
  veaat replay runs/20250101-120000-town -o replay.html --png replay.png

  # twins that migrate, each position and transfer as it was recorded
  veaat replay runs/20250101-120000-migrate-town --step 0.5 -o replay.html

  # the data alone, and later the page from it
  veaat replay trace.xml.gz --json data.json.gz
  veaat replay data.json.gz -o replay.html
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veaat_migration.commands.arguments import finite, positive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from veaat_migration.analysis.replay_sources import MapOf
    from veaat_migration.mobility.traffic import Snapshot

SUMMARY = "make a page that plays a run or a trace"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("source", type=Path, metavar="SOURCE", help="trace, run folder, bag or replay file")
    add("-o", "--output", type=Path, metavar="FILE", help="page to write (.html)")
    add("--png", type=Path, metavar="FILE", help="also write a picture of the whole run")
    add("--json", type=Path, metavar="FILE", help="also write the data (.json or .json.gz)")
    add("--title", default="", help="heading (default: name of the source)")
    add("--scenario", type=Path, metavar="FILE", help="scenario with the places of the RSUs")
    add("--trace", type=Path, metavar="FILE", help="for a bag: traffic in which its AVs drive")
    add("--start", type=finite, default=-math.inf, metavar="S",
        help="first moment of the trace [s] (default: its beginning)")  # fmt: skip
    add("--end", type=finite, default=math.inf, metavar="S",
        help="last moment of the trace [s] (default: its end)")  # fmt: skip
    add("--step", type=positive, default=1.0, metavar="S",
        help="time between two positions in the page [s] (default 1)")  # fmt: skip
    add("--vehicles", type=_count, metavar="N",
        help="at most so many vehicles at once (default: all)")  # fmt: skip
    add("--rsus", type=_count, default=12, metavar="N",
        help="trace without --scenario: RSUs to place (default 12)")  # fmt: skip
    add("--radius", type=positive, default=300.0, metavar="M",
        help="trace without --scenario: their coverage [m] (default 300)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Write what was asked for."""
    from veaat_migration.analysis.replay_data import ReplayError, write_replay
    from veaat_migration.analysis.replay_page import write_page

    if not (args.output or args.png or args.json):
        raise ReplayError("say what to write: -o page.html, --png picture.png or --json data.json")
    replay = _replay(args)
    if args.title:
        replay["title"] = args.title
    if args.output:
        write_page(args.output, replay)
    if args.json:
        write_replay(args.json, replay)
    if args.png:
        from veaat_migration.analysis.replay_picture import draw_replay

        draw_replay(args.png, replay)
    for path in filter(None, (args.output, args.json, args.png)):
        print(f"wrote {path} ({path.stat().st_size / 1e6:.2f} MB)", file=sys.stderr)
    return 0


def _replay(args: argparse.Namespace) -> dict[str, Any]:
    names = args.source.name.lower()
    if names.endswith((".json", ".json.gz")):
        from veaat_migration.analysis.replay_reading import load_replay

        return load_replay(args.source)
    if names.endswith((".xml", ".xml.gz")):
        return _replay_of_trace(args)
    return _replay_of_bag(args)


def _traffic(args: argparse.Namespace, path: Path) -> Iterator[Snapshot]:
    from veaat_migration.mobility.fcd import read_fcd
    from veaat_migration.mobility.streams import between, limited

    snapshots = between(read_fcd(path), args.start, args.end)
    return limited(snapshots, args.vehicles) if args.vehicles else snapshots


def _replay_of_trace(args: argparse.Namespace) -> dict[str, Any]:
    from veaat_migration.analysis.replay_sources import map_of_scenario, replay_of_trace

    site = map_of_scenario(args.scenario) if args.scenario else _placed(args)
    if site.schematic:
        from veaat_migration.analysis.replay_data import ReplayError

        raise ReplayError(f"{args.scenario}: its RSUs have no positions: nobody could be covered")
    name = args.source.name.split(".")[0]
    text = f"Coverage and hand-overs of {args.source.name}; twins follow their vehicles at once."
    snapshots = _traffic(args, args.source)
    return replay_of_trace(snapshots, site, title=name, interval=args.step, description=text)


def _placed(args: argparse.Namespace) -> MapOf:
    """RSUs where most of the traffic is, and the roads it drives on."""
    from veaat_migration.analysis.replay_data import Place
    from veaat_migration.analysis.replay_sources import MapOf
    from veaat_migration.mobility.fcd import read_fcd
    from veaat_migration.mobility.placement import place_rsus
    from veaat_migration.mobility.streams import between
    from veaat_migration.mobility.traffic import observe

    # All traffic counts, also where --vehicles shows a part of it.
    last = -math.inf
    for snapshot in between(read_fcd(args.source), args.start, args.end):
        if snapshot.vehicles:
            last = snapshot.time
    seen = observe(between(read_fcd(args.source), args.start, args.end), last, math.inf)
    placement = place_rsus(seen.places, seen.weights, args.rsus, args.radius)
    digits = len(str(args.rsus))
    places = tuple(
        Place(f"rsu{j:0{digits}}", float(x), float(y), args.radius)
        for j, (x, y) in enumerate(placement.sites, start=1)
    )
    return MapOf(places, seen.roads)


def _replay_of_bag(args: argparse.Namespace) -> dict[str, Any]:
    from veaat_migration.analysis.reading import read_bag
    from veaat_migration.analysis.replay_data import ReplayError
    from veaat_migration.analysis.replay_migrations import has_migrations, replay_of_migrations
    from veaat_migration.analysis.replay_sources import (
        map_of_scenario,
        replay_of_game,
        scenario_of_run,
    )

    recording = read_bag(args.source)
    scenario = args.scenario or scenario_of_run(args.source)
    site = map_of_scenario(scenario) if scenario else None
    title = args.source.resolve().name
    if has_migrations(recording):
        if args.trace:
            raise ReplayError("--trace: the recording itself says where the AVs of twins drive")
        return replay_of_migrations(recording, site, title=title, interval=args.step)
    return replay_of_game(
        recording,
        site,
        title=title,
        snapshots=_traffic(args, args.trace) if args.trace else None,
        interval=args.step,
    )


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 100_000:
        raise argparse.ArgumentTypeError(f"must be from 1 to 100000, got {text}")
    return value

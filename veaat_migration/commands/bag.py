"""Analyse the recording of a game, without ROS.

Reads a rosbag2 folder (MCAP or SQLite, also unfinished, cut off, compressed or split) and prints
how the game went: rounds, round of convergence, final prices, demands and utilities against the
Stackelberg equilibrium, what a player could still gain by deviating, latencies, rejected
messages, and an audit of every charge against the bids. Tables (CSV, one per topic), figures
(PNG) and the same report as report.json are written beside the bag, to DIR_analysis.

Examples:
  # the recording of a simulation
  veaat bag runs/20250101-120000-base/bag

  # recorded by 'ros2 bag record' without the topic game_instance: say which game it was
  veaat bag my_bag --scenario config/base.yaml -o results

  # for scripts
  veaat bag my_bag --json --no-plots | jq .converged
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

SUMMARY = "analyse the recording of a game"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "bag", type=Path, metavar="DIR", help="bag folder, or an .mcap or .db3 file"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT",
        help="folder for tables and figures (default: DIR_analysis, beside the bag)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--plots", action=argparse.BooleanOptionalAction, default=True, help="draw figures"
    )
    parser.add_argument(
        "--equilibrium", action=argparse.BooleanOptionalAction,
        help="compare with the Stackelberg equilibrium (default: if that takes seconds)",
    )  # fmt: skip
    parser.add_argument(
        "--tolerance", type=_tolerance, default=0.01, metavar="SHARE",
        help="relative utility deviation that counts as converged (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--scenario", type=Path, metavar="FILE",
        help="scenario or instance file of the game, if the bag does not hold it",
    )  # fmt: skip
    parser.add_argument(
        "--namespace", metavar="NAME", help="which game, if the bag holds several (such as /veaat)"
    )


def run(args: argparse.Namespace) -> int:
    """Write and print the report; 0 unless nothing could be read."""
    from veaat_migration.analysis.report import write_report
    from veaat_migration.analysis.summary import format_summary

    report = write_report(
        args.bag,
        args.output or default_output(args.bag),
        tolerance=args.tolerance,
        scenario=args.scenario,
        namespace=args.namespace,
        plots=args.plots,
        equilibrium=args.equilibrium,
    )
    if args.json:
        print(json.dumps(report.to_mapping(), indent=2, allow_nan=False))
    else:
        print(format_summary(report))
    return 0


def default_output(bag: Path) -> Path:
    """``NAME_analysis`` beside the bag folder or file ``NAME``."""
    bag = bag.expanduser().absolute()
    return bag.with_name(f"{bag.name}_analysis")


def _tolerance(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0.0):
        raise argparse.ArgumentTypeError(f"must be a positive number such as 0.01, got {text}")
    return value

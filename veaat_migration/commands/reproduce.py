"""Reproduce the paper's evaluation: its Figures 3 to 10, and what is true of its claims.

Every method is trained with several seeds in every game, in parallel over the cores; figures share
the runs that they have in common. The results folder gets
  report.html        start here: claims, figures, tables; one file that needs nothing else
  figures/           figure-NN.png, .svg, and .csv with every curve and run
  claims.csv         claims with verdict, numbers and remark; also in summary.md
  methods.csv        final numbers of every run
  configuration.yaml everything that was run, with all defaults spelled out
  run.json           time, versions
  cells/             finished runs: after Ctrl-C, a kill or a change of a study, the same command
                     goes on from there and repeats nothing that would come out the same

The same seeds give the same tables on the same machine, but for times. docs/reproduction.md
explains what is run and why, and what came out.

--tune searches hyperparameters of every learning method with the same effort and writes tuned.yaml;
put beside the declaration (config/reproduce/) it is used from then on.

Exit status: 0 done, 1 runs failed, 2 unusable, 130 interrupted.

Examples:
  veaat reproduce --smoke                 # everything once in tiny, in two minutes
  veaat reproduce --figure 3              # only what Fig. 3 needs
  veaat reproduce --full                  # everything, 5 seeds (also without --full)
  veaat reproduce --executor ray          # on a Ray cluster: pip install 'veaat_migration[ray]'
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from veaat_migration.experiments.engine import Outcome
    from veaat_migration.experiments.executors import Executor

SUMMARY = "reproduce the paper's figures and test its claims"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--figure", action="append", default=[], metavar="N",
        help="run only what this figure needs (3 to 10, or sparsity); may be repeated",
    )  # fmt: skip
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--full", action="store_true", help="full length (the default)")
    size.add_argument("--smoke", action="store_true", help="tiny runs that show that all works")
    parser.add_argument(
        "--tune", action="store_true", help="search hyperparameters instead, the same for all"
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds 1 to N (default: 5)")
    parser.add_argument(
        "--file", type=Path, metavar="FILE",
        help="declaration of studies and figures (default: config/reproduce/paper.yaml)",
    )  # fmt: skip
    running = parser.add_argument_group("running")
    running.add_argument(
        "-j", "--jobs", type=int, metavar="N", help="runs at a time (default: one per core)"
    )
    running.add_argument(
        "--executor", choices=("local", "ray"), default="local",
        help="where runs happen: processes of this machine, or Ray (default: local)",
    )  # fmt: skip
    running.add_argument(
        "--ray-address", metavar="HOST:PORT", help="of the cluster (default: as Ray finds it)"
    )
    running.add_argument("--fresh", action="store_true", help="run everything again")
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o", "--output", type=Path, metavar="DIR",
        help="folder for the results (default: runs/reproduce, with -smoke or -tune)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run, draw, judge."""
    from veaat_migration.commands.train import require_torch

    require_torch()
    _check(args)
    file = args.file or _shipped("paper.yaml")
    return _tune(args, file) if args.tune else _reproduce(args, file)


def _reproduce(args: argparse.Namespace, file: Path) -> int:
    from veaat_migration.experiments.report import PAGE
    from veaat_migration.experiments.reproduction import Wish, reproduce
    from veaat_migration.progress import clock

    folder = args.output or Path("runs/reproduce-smoke" if args.smoke else "runs/reproduce")
    wish = Wish(
        file=file,
        figures=tuple(args.figure),
        smoke=args.smoke,
        seeds=args.seeds,
        fresh=args.fresh,
        command=shlex.join(["veaat", *sys.argv[1:]]),
    )
    done = reproduce(wish, folder, _executor(args), sys.stderr)
    status = _status(done.outcome, folder)
    if status == 130:
        return status
    for claim in done.claims:
        print(f"{claim.verdict.value:13}  Fig. {claim.figure:4}  {claim.text}")
    reused = f", {done.outcome.reused} of them from before" if done.outcome.reused else ""
    print(f"{len(done.outcome.results)} runs{reused}, {clock(done.wall_seconds)}")
    print(f"wrote {folder / PAGE}")
    return status


def _tune(args: argparse.Namespace, file: Path) -> int:
    from veaat_migration.experiments.tuning import RECORD, tune

    folder = args.output or Path("runs/reproduce-tune" + ("-smoke" if args.smoke else ""))
    outcome, record = tune(
        file,
        file.with_name("tuning.yaml"),
        folder,
        _executor(args),
        sys.stderr,
        smoke=args.smoke,
        fresh=args.fresh,
    )
    if record is None:
        return _status(outcome, folder)
    for name, method in record.methods.items():
        found = next(t.gaps for t in method.trials if t.changes == method.chosen)
        kept = "" if method.chosen else " (as shipped)"
        text = ", ".join(f"{100 * gap:.2f} %" for gap in found)
        shipped = ", ".join(f"{100 * gap:.2f} %" for gap in method.trials[0].gaps)
        print(f"{name:16} {text}{kept}; as shipped {shipped}")
    print(f"wrote {folder / RECORD}; copied to {file.parent} it is used from then on")
    return 0


def _status(outcome: Outcome, folder: Path) -> int:
    """Say what is missing; the exit status."""
    for cell, reason in outcome.failed:
        where = "" if cell.place is None else f" at {cell.place}"
        print(f"failed: {cell.method}{where}, seed {cell.seed}: {reason}", file=sys.stderr)
    if outcome.interrupted:
        print(
            f"interrupted after {len(outcome.results)} runs; the same command goes on from there "
            f"({folder})",
            file=sys.stderr,
        )
        return 130
    return 1 if outcome.failed else 0


def _executor(args: argparse.Namespace) -> Executor:
    from veaat_migration.experiments.executors import LocalExecutor, RayExecutor
    from veaat_migration.parallel import default_jobs

    if args.executor == "ray":
        return RayExecutor(args.ray_address, args.jobs)
    return LocalExecutor(args.jobs or default_jobs())


def _check(args: argparse.Namespace) -> None:
    from veaat_migration.experiments.errors import ExperimentError

    for option in ("seeds", "jobs"):
        value = getattr(args, option)
        if value is not None and value < 1:
            raise ExperimentError(f"--{option}: must be at least 1, got {value}")


def _shipped(name: str) -> Path:
    from veaat_migration.bringup.scenarios import find_config

    return find_config(f"reproduce/{name}")

"""Train the agents of a game, and prune them while they learn.

FILE is a training file (config/train/*.yaml, or the name of one there): a game, an algorithm and
whatever differs from the defaults. Every seed is a run of its own, in parallel over the cores.
The results folder gets
  seed-N/checkpoint.safetensors   everything; after Ctrl-C, a kill or a power cut the same command
                                  goes on from there, with the same numbers as without the break
  seed-N/log.csv, events.*        every iteration, for spreadsheets and for TensorBoard
  seed-N/result.json              final play, gap to the equilibrium, exploitability, times
  seed-N/policies/                the actors as they go onto vehicles (one file per agent)
  training.png                    curves of all seeds

What the live lines say: utilities of RSUs | AVs when they play without exploration, relative to
the exact Stackelberg equilibrium; exploitability, the most that any player could gain by another
price or demand; the share of hidden neurons that is pruned.

Exit status: 0 all seeds are finished, 1 a run failed, 2 an unusable file, 130 interrupted.

Examples:
  veaat train                                   # the base case, one seed
  veaat train config/train/base.yaml --seeds 5
  veaat train mappo --seeds 5 --jobs 2 --set environment.games=128
  veaat train --keys                            # everything that a training file can say
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from veaat_migration.learning.config import TrainingConfig
    from veaat_migration.learning.runs import SeedRun

SUMMARY = "train the agents of a game and prune them while they learn"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "file", metavar="FILE", nargs="?", default="base",
        help="training file, or the name of one in config/train (default: base)",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], dest="changes", metavar="KEY=VALUE",
        help="change a key of the file, such as pruning.sparsity=0.9; may be repeated",
    )  # fmt: skip
    parser.add_argument("--keys", action="store_true", help="list all keys and their defaults")
    running = parser.add_argument_group("running")
    running.add_argument("--seeds", type=int, default=1, metavar="N", help="runs (default: 1)")
    running.add_argument(
        "--first-seed",
        type=int,
        default=1,
        metavar="S",
        help="seeds are S, S + 1, ... (default: 1)",
    )
    running.add_argument(
        "-j", "--jobs", type=int, metavar="N", help="processes (default: one per core)"
    )
    running.add_argument(
        "--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu; one thread per seed)"
    )
    running.add_argument("--fresh", action="store_true", help="begin anew, forget checkpoints")
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o", "--output", type=Path, metavar="DIR",
        help="folder for the results (default: runs/train-<name of FILE>)",
    )  # fmt: skip
    output.add_argument(
        "--tensorboard", action=argparse.BooleanOptionalAction, default=True,
        help="write TensorBoard events (default: yes)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Train, report, draw."""
    require_torch()
    from veaat_migration.bringup.scenarios import find_training_file
    from veaat_migration.learning.config import describe_keys
    from veaat_migration.learning.display import Display
    from veaat_migration.learning.runs import Order, RunError, run_seeds
    from veaat_migration.learning.training_game import load_training_game
    from veaat_migration.parallel import default_jobs

    if args.keys:
        print(describe_keys())
        return 0
    file = find_training_file(args.file)
    config = _configuration(file, args.changes)
    _check(args)
    game = load_training_game(config, file)
    folder = args.output or Path("runs") / f"train-{_file_name(config.name or file.stem)}"
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    order = Order(
        config_file=file,
        config=config.model_dump(mode="json"),
        folder=folder,
        device=args.device,
        resume=not args.fresh,
        tensorboard=args.tensorboard,
    )
    display = Display(sys.stderr, game.instance.n_rsus)
    try:
        runs = run_seeds(order, seeds, args.jobs or default_jobs(), display.show)
    except KeyboardInterrupt:
        print(f"interrupted; the same command goes on from {folder}", file=sys.stderr)
        return 130
    failed = [run for run in runs if run.state != "finished"]
    _report(runs, config, folder)
    if failed:
        raise RunError("; ".join(f"seed {run.seed}: {run.error or run.state}" for run in failed))
    return 0


def _check(args: argparse.Namespace) -> None:
    from veaat_migration.learning.device import check_device
    from veaat_migration.learning.runs import RunError

    for option in ("seeds", "jobs"):
        value = getattr(args, option)
        if value is not None and value < 1:
            raise RunError(f"--{option}: must be at least 1, got {value}")
    if args.first_seed < 0:
        raise RunError(f"--first-seed: must be at least 0, got {args.first_seed}")
    check_device(args.device)


def require_torch() -> None:
    """Say how to install PyTorch where it is missing.

    Raises:
        VeaatError: it is missing.
    """
    from veaat_migration.errors import VeaatError

    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise VeaatError(
            "PyTorch is not installed: pip install 'veaat_migration[learning]', or in a clone "
            "'make train', which installs it"
        ) from error


def _configuration(file: Path, changes: Sequence[str]) -> TrainingConfig:
    import yaml

    from veaat_migration.learning.config import parse_config
    from veaat_migration.learning.runs import RunError
    from veaat_migration.scenario.text import read_file

    content: Any = read_file(file)
    origin = str(file)
    for change in changes:
        path, separator, text = change.partition("=")
        if not separator or not isinstance(content, dict):
            raise RunError(f"--set {change}: must be KEY=VALUE, such as iterations=300")
        part = content
        *parents, key = path.strip().split(".")
        for parent in parents:
            part = part.setdefault(parent, {})
            if not isinstance(part, dict):
                raise RunError(f"--set {change}: {parent} has no keys")
        try:
            part[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise RunError(f"--set {change}: not a value") from error
        origin = f"{file} with --set"
    return parse_config(content, origin)


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)


def _report(runs: Sequence[SeedRun], config: TrainingConfig, folder: Path) -> None:
    """Say what came out."""
    from veaat_migration.learning.plot import draw_training
    from veaat_migration.learning.trainer import RESULT
    from veaat_migration.progress import clock

    finished = [run for run in runs if run.state == "finished"]
    if not finished:
        return
    results = [json.loads((run.folder / RESULT).read_text(encoding="utf-8")) for run in finished]
    seeds = "1 seed" if len(finished) == 1 else f"{len(finished)} seeds"
    print(f"{config.algorithm}, {seeds}, final play without exploration:")
    print("  seed  largest gap  exploitability  hidden widths  pruned   steps   time")
    gaps, losses = [], []
    for result in results:
        report = result["report"]
        gap = None if report["gaps"] is None else max(map(abs, report["gaps"]))
        gaps.append(gap)
        losses.append(report["exploitability"])
        pruned = statistics.fmean(result["sparsity"])
        widths = "-".join(map(str, result["widths"]))
        print(
            f"  {result['seed']:4}  {_percent(gap):>11}  {_percent(losses[-1]):>14}  {widths:>13}"
            f"  {pruned:6.1%}  {result['steps'] / 1000:5.0f}k  {clock(result['seconds']):>5}"
        )
    if len(results) > 1:
        known = [gap for gap in gaps if gap is not None]
        median = statistics.median(known) if known else None
        print(
            f"  all   {_percent(median):>11}  {_percent(statistics.median(losses)):>14}  (medians)"
        )
    figure = folder / "training.png"
    draw_training(figure, [run.folder for run in finished], config)
    print(f"wrote {figure} and {folder}/seed-*/")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100.0 * value:.2f} %"

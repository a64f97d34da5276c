"""Judge trained policies against the exact equilibrium and against every deviation.

RUN is a results folder of 'veaat train', the folder of one seed, or a checkpoint. The actors that
would be deployed play without exploration until their play has settled. Then
  utility         what each player earns, and the gap to the exact Stackelberg equilibrium (to
                  the nearest, where several are known)
  best deviation  what it could gain by its best price or demand, the others' fixed; AVs answer a
                  deviating RSU by their exact equilibrium
  learned answer  the same for RSUs with the learned AVs answering
  deadline        AVs whose expected delay exceeds what they tolerate, where the game limits it
  perturbed       the same play in games whose satisfactions, qualities and costs differ by up to
                  so many per cent: policies do not observe these numbers

Exit status: 0, or 1 where some player could gain more than --tolerance.

Examples:
  veaat evaluate runs/train-base
  veaat evaluate runs/train-base/seed-1 --perturb 5,10,20 --games 50
  veaat evaluate runs/train-base --json > report.json
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SUMMARY = "judge trained policies against the exact equilibrium"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("trained", metavar="RUN", type=Path, help="results folder or checkpoint")
    parser.add_argument(
        "--perturb", default="5,10,20", metavar="LIST",
        help="largest changes of the game's numbers [%%], or nothing: '' (default: 5,10,20)",
    )  # fmt: skip
    parser.add_argument(
        "--games", type=int, default=20, metavar="N", help="perturbed games of each (default: 20)"
    )
    parser.add_argument(
        "--tolerance", type=float, default=2.0, metavar="PERCENT",
        help="exploitability that is still good (default: 2)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """Load, play, judge, print."""
    from veaat_migration.commands.train import require_torch
    from veaat_migration.learning.trainer import TrainingError

    require_torch()
    if args.games < 1:
        raise TrainingError(f"--games: must be at least 1, got {args.games}")
    shares = _shares(args.perturb)
    reports = [_report(file, shares, args.games) for file in find_checkpoints(args.trained)]
    if args.json:
        print(json.dumps(reports, indent=2))
    else:
        for report in reports:
            _print(report)
        if len(reports) > 1:
            worst = [report["exploitability"] for report in reports]
            print(
                f"{len(reports)} seeds: exploitability {100 * statistics.median(worst):.3g} % "
                f"(median), {100 * max(worst):.3g} % (worst)"
            )
    return 0 if all(100 * r["exploitability"] <= args.tolerance for r in reports) else 1


def _shares(text: str) -> list[float]:
    from veaat_migration.learning.trainer import TrainingError

    try:
        shares = [float(part) / 100.0 for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise TrainingError(f"--perturb: must be numbers such as 5,10,20, got {text!r}") from error
    if any(not 0.0 < share < 1.0 for share in shares):
        raise TrainingError(f"--perturb: must be > 0 and < 100, got {text}")
    return shares


def find_checkpoints(path: Path) -> list[Path]:
    """The checkpoints of a run, of one seed, or the file itself.

    Raises:
        TrainingError: there are none.
    """
    from veaat_migration.learning.trainer import CHECKPOINT, TrainingError

    if path.is_file():
        return [path]
    found = [path / CHECKPOINT] if (path / CHECKPOINT).is_file() else []
    found += sorted(
        path.glob(f"seed-*/{CHECKPOINT}"), key=lambda file: (len(file.parent.name), file)
    )
    if not found:
        raise TrainingError(f"{path}: holds no checkpoint; 'veaat train' makes one")
    return found


def _report(file: Path, shares: Sequence[float], games: int) -> dict[str, Any]:
    from veaat_migration.learning.checkpoint import load_learner
    from veaat_migration.learning.evaluation import (
        average,
        equilibria,
        gains_against_learned_answers,
        judge,
        lateness,
        learned_plays,
        reference,
    )
    from veaat_migration.learning.perturb import robustness

    learner = load_learner(file)
    plays = learned_plays(learner)
    equilibrium = reference(learner.instance)
    report = average([judge(learner.instance, play, equilibrium) for play in plays], equilibrium)
    # Against answers that vary, or do not exist, a best price has no meaning.
    answers = gains_against_learned_answers(learner, report.play) if len(plays) == 1 else None
    late = lateness(learner.instance, plays)
    mapping: dict[str, Any] = {
        "checkpoint": str(file),
        "algorithm": learner.config.algorithm,
        "seed": learner.seed,
        "iteration": learner.iteration,
        "iterations": learner.config.iterations,
        "sparsity": learner.sparsity().tolist(),
        "widths": learner.widths,
        **report.to_mapping(),
        "plays": len(plays),
        "leader_gains_learned_answers": None if answers is None else answers.tolist(),
        "lateness": None if late is None else late.tolist(),
    }
    if equilibrium is not None and report.nearest is not None:
        known = equilibria(equilibrium)
        exact = known[report.nearest]
        mapping["equilibrium"] = {
            "prices": exact.prices.tolist(),
            "leader_utilities": exact.leader_utilities.tolist(),
            "follower_utilities": exact.follower_utilities.tolist(),
        }
        mapping["equilibria"] = [each.prices.tolist() for each in known]
    mapping["perturbed"] = [
        {
            "share": each.share,
            "games": each.games,
            "median_gap": float(statistics.median(each.gaps)) if len(each.gaps) else None,
            "median_exploitability": float(statistics.median(each.exploitability)),
            "largest_exploitability": float(each.exploitability.max()),
        }
        for each in robustness(learner.instance, plays, shares, games)
    ]
    return mapping


def _print(report: dict[str, Any]) -> None:
    done = "" if report["iteration"] == report["iterations"] else " (not finished)"
    pruned = f"{statistics.fmean(report['sparsity']):.1%} of hidden neurons pruned"
    varies = f"mean of {report['plays']} plays, which vary"
    print(
        f"{report['algorithm']}, seed {report['seed']}, iteration {report['iteration']}{done}, "
        f"{pruned if report['widths'] else varies}"
    )
    exact = report.get("equilibrium")
    print("  player     price  utility  equilibrium      gap  best deviation  learned answer")
    answers = report["leader_gains_learned_answers"]
    for j, utility in enumerate(report["leader_utilities"]):
        answer = "-" if answers is None else _percent(answers[j])
        print(
            f"  RSU {j + 1:<3} {report['prices'][j]:8.4f} {utility:8.3f}"
            + _against(exact and exact["leader_utilities"][j], report, j)
            + f"  {_percent(report['leader_gains'][j]):>14}"
            f"  {answer:>14}"
        )
    for i, utility in enumerate(report["follower_utilities"]):
        print(
            f"  AV {i + 1:<4} {'':8} {utility:8.3f}"
            + _against(exact and exact["follower_utilities"][i], report, len(report["prices"]) + i)
            + f"  {_percent(report['follower_gains'][i]):>14}"
        )
    if len(known := report.get("equilibria", [])) > 1:
        shown = "; ".join(", ".join(f"{price:.4g}" for price in prices) for prices in known)
        print(f"  {len(known)} equilibria are known, at prices {shown}; compared with the nearest")
    print(f"  exploitability {_percent(report['exploitability'])}")
    for i, late in enumerate(report["lateness"] or []):
        if late > 0.0:
            print(f"  AV {i + 1} misses its deadline by {late:.3g} s (Eq. 11)")
    if report["widths"] and report["restless"] > 1e-3:
        print(f"  play does not come to rest: shares still change by {report['restless']:.2g}")
    for each in report["perturbed"]:
        print(
            f"  perturbed by up to {each['share']:.0%} ({each['games']} games): "
            f"exploitability {_percent(each['median_exploitability'])} (median), "
            f"{_percent(each['largest_exploitability'])} (worst)"
        )


def _against(exact: float | None, report: dict[str, Any], player: int) -> str:
    if exact is None or report["gaps"] is None:
        return f" {'-':>12} {'-':>8}"
    return f" {exact:12.3f} {_percent(report['gaps'][player]):>8}"


def _percent(value: float) -> str:
    return f"{100.0 * value:.2f} %"

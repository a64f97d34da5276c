"""What each part of TinyMA-IEI-PPO contributes: the base case with one thing changed at a time.

Every variant, and every other algorithm and way to prune, is trained with the same seeds and judged
like 'veaat evaluate': the largest gap of any player's utility to the exact equilibrium, and
exploitability, as median and range over seeds. Finished runs are kept in the output folder and not
repeated.

    tools/run python benchmarks/ablations.py                  # five seeds of everything
    tools/run python benchmarks/ablations.py --only default "no incentive" mappo --seeds 3
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veaat_migration.bringup.scenarios import find_training_file
from veaat_migration.learning.config import parse_config
from veaat_migration.learning.runs import Order, SeedRun, run_seeds
from veaat_migration.learning.trainer import RESULT
from veaat_migration.parallel import default_jobs
from veaat_migration.scenario.text import read_file

AT_ONCE = {"follower_iterations": 0, "drawn_prices": 0.0, "nearby_prices": 0.0}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "default": {},
    "no incentive": {"incentive": {"weight": 0.0}},
    "incentive never annealed": {"incentive": {"anneal": False}},
    "adaptive threshold off": {"pruning": {"sensitivity": 0.0}},
    "regulariser off": {"pruning": {"regulariser": 0.0}},
    "regulariser x 10": {"pruning": {"regulariser": 1e-3}},
    "neurons dropped, not compensated": {"pruning": {"compensate": "none"}},
    "current price not observed": {"environment": {"observe_current_price": False}},
    "linear price scale": {"environment": {"price_scale": "linear"}},
    "followers compare with V": {"update": {"follower_baseline": "critic"}},
    "V sees only its own observation": {"update": {"critic": "own"}},
    "no prices drawn nearby": {"stages": {"drawn_prices": 0.5, "nearby_prices": 0.0}},
    "all learn at once": {"stages": AT_ONCE},
    "all at once, no incentive": {"stages": AT_ONCE, "incentive": {"weight": 0.0}},
    "gamma = 0.99": {"update": {"gamma": 0.99, "follower_baseline": "critic"}},
}

FILES = (
    "mappo",
    "maa2c",
    "maa3c",
    "greedy",
    "random",
    "ma_iei_ppo",
    "pruning_ssl",
    "pruning_l1",
    "pruning_pops",
    "pruning_dropout",
)
"""Training files of the other methods."""


@dataclass(frozen=True)
class Row:
    """A variant's results over seeds."""

    name: str
    gaps: list[float]
    losses: list[float]
    seconds: list[float]

    def text(self) -> str:
        """One line of the table."""
        return (
            f"{self.name:34} {_range(self.gaps):>22} {_range(self.losses):>22}"
            f" {statistics.median(self.seconds):7.0f} s"
        )


def _range(values: Sequence[float]) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{100 * middle:.2f} ({100 * low:.2f}-{100 * high:.2f})"


def measure(name: str, seeds: int, jobs: int, folder: Path) -> Row:
    """Train one variant and read its results."""
    file = find_training_file(name if name in FILES else "base")
    content = dict(read_file(file))
    for part, changes in VARIANTS.get(name, {}).items():
        content[part] = {**content.get(part, {}), **changes}
    config = parse_config(content, name)
    order = Order(
        config_file=file,
        config=config.model_dump(mode="json"),
        folder=folder / "".join(c if c.isalnum() else "-" for c in name),
        tensorboard=False,
    )
    runs = run_seeds(order, range(1, seeds + 1), jobs, _quiet)
    failed = [run.error for run in runs if run.state != "finished"]
    if failed:
        raise SystemExit(f"{name}: {failed[0]}")
    results = [json.loads((run.folder / RESULT).read_text()) for run in runs]
    reports = [result["report"] for result in results]
    return Row(
        name,
        [max(map(abs, report["gaps"])) for report in reports],
        [report["exploitability"] for report in reports],
        [result["seconds"] for result in results],
    )


def _quiet(runs: Sequence[SeedRun]) -> None:
    if sys.stderr.isatty():
        states = [f"{run.message.get('iteration', 0)}" for run in runs]
        sys.stderr.write("\r\x1b[K" + " ".join(states))
        sys.stderr.flush()


def main() -> None:
    """Train what is asked for and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=default_jobs())
    known = [*VARIANTS, *FILES]
    parser.add_argument("--only", nargs="+", choices=known, default=known, metavar="NAME")
    parser.add_argument("--output", type=Path, default=Path("runs/ablations"))
    args = parser.parse_args()
    print(f"{'':34} {'largest gap [%]':>22} {'exploitability [%]':>22}    time")
    for name in args.only:
        print(measure(name, args.seeds, args.jobs, args.output).text(), flush=True)


if __name__ == "__main__":
    main()

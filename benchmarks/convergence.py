"""How soon best-response nodes reach the Stackelberg equilibrium from random starts.

Plays a scenario once per seed with one process per player over DDS and reports the round from
which all utilities stay within the tolerance, and how far they are at most from there on.

    tools/run python benchmarks/convergence.py                # base case, seeds 1 to 10
    tools/run python benchmarks/convergence.py config/town.yaml --seeds 3 --rounds 300
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path


def play(scenario: str, seed: int, rounds: int) -> dict[str, object]:
    """One simulation; its report."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        command = ["veaat", "sim", scenario, "--seed", str(seed), "--rounds", str(rounds)]
        result = subprocess.run(
            [*command, "--output", str(output)], capture_output=True, text=True, check=False
        )
        if result.returncode:
            sys.exit(f"seed {seed}: veaat sim failed:\n{result.stdout}{result.stderr}")
        report: dict[str, object] = json.loads((output / "report.json").read_text())
        return report


def main() -> int:
    """Print a line per seed and a verdict; status 1 if a seed did not converge in time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", nargs="?", default="base")
    parser.add_argument("--seeds", type=int, default=10, help="how many (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=200, help="per game (default: %(default)s)")
    parser.add_argument(
        "--within", type=int, default=100, help="rounds to converge in (default: %(default)s)"
    )
    args = parser.parse_args()

    in_time = 0
    for seed in range(1, args.seeds + 1):
        report = play(args.scenario, seed, args.rounds)
        converged = report["converged"]
        in_time += isinstance(converged, int) and converged <= args.within
        print(
            f"seed {seed}: within {report['tolerance']:.0%} from round {converged} on, "
            f"then at most {report['worst_since_converged']:.2%} off",
            flush=True,
        )
    print(f"{in_time} of {args.seeds} seeds converged within {args.within} rounds")
    return in_time < args.seeds


if __name__ == "__main__":
    sys.exit(main())

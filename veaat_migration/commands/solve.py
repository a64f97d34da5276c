"""Find the Stackelberg equilibrium of a game, and say how certain it is.

FILE is a scenario (YAML) or a plain game instance (YAML or JSON) with the keys
  V, R, delta[V], E[V] (or alpha[V] and T_th[V]), q[R], c[R] (or c[V][R]), zeta, eta,
  p_max, b_max, delay (null or {D[V], s, T0, Tmax[V]}), externality (additive, multiplicative).

Prices are searched over their whole interval with the AVs re-equilibrated, so an answer always
comes with its exploitability: what each player could still gain alone. The status says more:
  certified             no player can gain, and no other equilibrium was found
  certified_not_unique  no player can gain, but there are, or may be, other equilibria
  infeasible_followers  no player can gain, but some AVs cannot meet their delay limit
  cycling               best prices chase each other; the least exploitable ones are given
  not_converged         no equilibrium was found; the least exploitable prices are given
  unchecked             with --no-certificate: a local answer

Exit status: 0 certified or certified_not_unique (or unchecked), 3 infeasible_followers,
4 cycling, 5 not_converged, 2 an unusable file.

Examples:
  veaat solve config/base.yaml
  veaat solve game.json --json | jq .p
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from veaat_migration.game.equilibrium import Solution

SUMMARY = "find the Stackelberg equilibrium of a game"

_EXIT = {"infeasible_followers": 3, "cycling": 4, "not_converged": 5}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="scenario or game instance")
    parser.add_argument("--json", action="store_true", help="print the solution as JSON")
    parser.add_argument(
        "--certificate", action=argparse.BooleanOptionalAction, default=True,
        help="search for profitable deviations and restart from them",
    )  # fmt: skip
    parser.add_argument(
        "--time-limit", type=float, default=30.0, metavar="S",
        help="stop a search that takes longer [s]; checking the result comes on top "
        "(default: %(default)s)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Solve the game and print the solution."""
    from veaat_migration.game.equilibrium import solve
    from veaat_migration.scenario import load_game

    solution = solve(load_game(args.file), certify=args.certificate, time_limit=args.time_limit)
    if args.json:
        print(json.dumps(solution.to_mapping(), indent=2, allow_nan=False))
    else:
        print(format_solution(solution))
    return _EXIT.get(solution.status.value, 0)


def format_solution(solution: Solution) -> str:
    """The solution as text for a person."""
    from veaat_migration.game.closed_form import paper_closed_form

    instance, gains = solution.instance, solution.exploitability
    paper = paper_closed_form(instance)
    lines = [
        f"{instance.n_avs} AVs x {instance.n_rsus} RSUs: {solution.status.value}"
        f" in {solution.seconds * 1e3:.1f} ms, {solution.iterations} iterations"
    ]
    if gains is not None:
        lines.append(f"largest gain of any player alone: {gains.largest:.1e} of its utility")
    proof = "unique" if solution.followers_unique else "not proven unique"
    lines.append(
        f"the AVs' answer to these prices is {proof}"
        f" (uniqueness index {solution.uniqueness_index:.3g}, below 1 is proof)"
    )
    header = ["RSU", "price", "matching", "demand [MHz]", "utility", "could gain", "paper's price"]
    rows = [
        [
            f"{j + 1}",
            f"{solution.prices[j]:.4f}",
            f"{solution.matching[j]:.4f}",
            f"{solution.demand[:, j].sum():.4f}",
            f"{solution.leader_utilities[j]:.4f}",
            "" if gains is None else f"{gains.leaders.absolute[j]:.1e}",
            f"{paper[j]:.4f}",
        ]
        for j in range(instance.n_rsus)
    ]
    lines += ["", *_table(header, rows)]
    header = ["AV", *(f"from RSU {j + 1} [MHz]" for j in range(instance.n_rsus))]
    header += ["utility", "could gain"]
    rows = [
        [
            f"{i + 1}",
            *(f"{b:.4f}" for b in solution.demand[i]),
            f"{solution.follower_utilities[i]:.4f}",
            "" if gains is None else f"{gains.followers[i]:.1e}",
        ]
        for i in range(instance.n_avs)
    ]
    lines += ["", *_table(header, rows)]
    if solution.infeasible_followers:
        listed = ", ".join(str(i) for i in solution.infeasible_followers)
        lines += ["", f"AVs that miss their delay limit even at the largest demand: {listed}"]
    for number, other in enumerate(solution.other_equilibria, 1):
        prices = ", ".join(f"{p:.4f}" for p in other.prices)
        lines += ["", f"another equilibrium ({number}): prices {prices}"]
    return "\n".join(lines)


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Right-aligned columns."""
    widths = [max(len(row[k]) for row in [header, *rows]) for k in range(len(header))]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in [header, *rows]
    ]

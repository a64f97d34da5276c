"""Find the Stackelberg equilibrium of a game, and say how certain it is.

FILE is a scenario (YAML) or a plain game instance (YAML or JSON) with the keys
  V, R, delta[V], E[V] (or alpha[V] and T_th[V]), q[R], c[R] (or c[V][R]),
  zeta, eta (a number, a matrix, {pairs: [[i, k, value], ...]} or {total: sum per player}),
  p_max, b_max, delay (null or {D[V], s, T0, Tmax[V]}), capacity (null, a number or [R]),
  externality (additive, multiplicative).

Prices are searched over their whole interval with the AVs re-equilibrated, so an answer always
comes with its exploitability: what each player could still gain alone. The status says more:
  certified             no player can gain, and no other equilibrium was found
  certified_not_unique  no player can gain, but there are, or may be, other equilibria
  infeasible_followers  no player can gain, but some AVs cannot meet their delay limit
  cycling               best prices chase each other; the least exploitable ones are given
  not_converged         no equilibrium was found; the least exploitable prices are given
  unchecked             with --no-certificate: a local answer
docs/equilibria.md shows games behind each of them.

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

MOST_AVS, MOST_RSUS = 40, 12
"""Players up to which the demand of every AV is shown."""
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
        help="stop a search that takes longer [s]; checking the result may take half as long "
        "again (default: %(default)s)",
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
        exact = "" if gains.leaders.exact else " (reactions through several RSUs left out)"
        lines.append(f"largest gain of any player alone: {gains.largest:.1e} of its utility{exact}")
    proof = "unique" if solution.followers_unique else "not proven unique"
    index = solution.uniqueness_index
    shown = "" if index is None else f" (uniqueness index {index:.3g}, below 1 is proof)"
    lines.append(f"the AVs' answer to these prices is {proof}{shown}")
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
    lines += ["", *_avs(solution)]
    short = [j for j in range(instance.n_rsus) if solution.delivered_share[j] < 1.0]
    if short:
        listed = ", ".join(f"{j + 1} ({solution.delivered_share[j]:.1%})" for j in short)
        lines += ["", f"RSUs that deliver only a share of the demand: {listed}"]
    if solution.infeasible_followers:
        listed = ", ".join(str(i) for i in solution.infeasible_followers)
        lines += ["", f"AVs that miss their delay limit even at the largest demand: {listed}"]
    for number, other in enumerate(solution.other_equilibria, 1):
        prices = ", ".join(f"{p:.4f}" for p in other.prices)
        lines += ["", f"another equilibrium ({number}): prices {prices}"]
    return "\n".join(lines)


def _avs(solution: Solution) -> list[str]:
    """A table of all AVs, or a line about them where they are many."""
    instance, gains = solution.instance, solution.exploitability
    if instance.n_avs > MOST_AVS or instance.n_rsus > MOST_RSUS:
        utility = solution.follower_utilities
        spread = f"{utility.min():.4f} to {utility.max():.4f}, mean {utility.mean():.4f}"
        gain = "" if gains is None else f", could gain at most {gains.followers.max():.1e}"
        return [f"utility of the AVs: {spread}{gain} (--json prints all)"]
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
    return _table(header, rows)


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Right-aligned columns."""
    widths = [max(len(row[k]) for row in [header, *rows]) for k in range(len(header))]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in [header, *rows]
    ]

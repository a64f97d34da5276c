"""Play a game over ROS 2: one process per player, recorded and analysed.

Starts every RSU and AV of a scenario as a node of its own (or all in one process), shows the
rounds live, and leaves a folder runs/<time>-<scenario>/ with the recording (bag/), tables (CSV),
plots (PNG), plan.yaml and the log of every node. Ctrl-C ends all nodes cleanly and keeps what
was recorded; a second Ctrl-C kills.

The simulation gets a ROS domain of its own and stays on this machine, so that it disturbs
nobody. To look at it with ROS tools from another terminal, use the domain that it prints
(ROS_DOMAIN_ID=42 ros2 topic echo /veaat/round_status), or set ROS_DOMAIN_ID, --domain-id or
ROS_AUTOMATIC_DISCOVERY_RANGE yourself.

Examples:
  # the base case: 2 RSUs, 3 AVs
  veaat sim

  # another scenario, longer, other random numbers
  veaat sim town.yaml --rounds 500 --seed 7

  # RSUs that play the exact equilibrium against greedy AVs; AV 2 plays at random
  veaat sim --leader-policy equilibrium --follower-policy greedy --player av_2=random

  # trained policies: five inference nodes with the bundle that is shipped, or with your own
  veaat sim --policy learned
  veaat sim --policy learned --policies runs/train-base/seed-1/policies

  # ten rounds a second until Ctrl-C, dead players are restarted
  veaat sim --rounds 0 --period 0.1 --respawn

  # hundreds of players: all in one process
  veaat sim big.yaml --composed
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from veaat_migration.commands.arguments import add_process_options

if TYPE_CHECKING:
    from pathlib import Path

SUMMARY = "play a game over ROS 2, one process per player"

_DEFAULT_SCENARIO = "base"
_DEFAULT_POLICIES = "base"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "scenario",
        nargs="?",
        default=_DEFAULT_SCENARIO,
        metavar="SCENARIO",
        help="scenario or game instance (YAML, JSON), or the name of a shipped one "
        "(default: %(default)s)",
    )
    game = parser.add_argument_group("game")
    game.add_argument(
        "--rounds", type=int, default=200, metavar="N",
        help="rounds to play; 0: until Ctrl-C (default: %(default)s)",
    )  # fmt: skip
    game.add_argument(
        "--seed", type=int, default=1, metavar="N",
        help="seed of all players' random numbers (default: %(default)s)",
    )  # fmt: skip
    game.add_argument(
        "--period", type=float, default=0.0, metavar="SECONDS",
        help="time between two rounds; 0: as fast as the players answer (default: %(default)s)",
    )  # fmt: skip
    policies = "best_response, equilibrium, greedy, random or learned"
    game.add_argument("--policy", metavar="NAME", help=f"policy of all players: {policies}")
    game.add_argument("--leader-policy", metavar="NAME", help="policy of the RSUs")
    game.add_argument("--follower-policy", metavar="NAME", help="policy of the AVs")
    game.add_argument(
        "--player", action="append", default=[], metavar="NODE=POLICY",
        help="policy of one player, such as rsu_1=random; may be repeated",
    )  # fmt: skip
    game.add_argument(
        "--policies", default=_DEFAULT_POLICIES, metavar="DIR",
        help="trained policies of players that are 'learned': folder that 'veaat train' wrote "
        "(runs/train-NAME/seed-N/policies), or the name of a shipped bundle "
        "(default: %(default)s)",
    )  # fmt: skip
    processes = parser.add_argument_group("processes")
    processes.add_argument("--composed", action="store_true", help="all players in one process")
    processes.add_argument("--respawn", action="store_true", help="restart players that die")
    add_process_options(processes)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output", metavar="DIR", help="folder for the results (default: runs/<time>-<scenario>)"
    )
    output.add_argument(
        "--record", action=argparse.BooleanOptionalAction, default=True,
        help="record a bag and analyse it afterwards",
    )  # fmt: skip
    output.add_argument(
        "--equilibrium", action=argparse.BooleanOptionalAction, default=None,
        help="compare with the Stackelberg equilibrium (default: for games that are solved "
        "quickly, up to 60 pairs of RSU and AV)",
    )  # fmt: skip
    output.add_argument(
        "--plots", action=argparse.BooleanOptionalAction, default=True, help="draw plots"
    )


def run(args: argparse.Namespace) -> int:
    """Run the simulation; 0 when all went well, 1 when a node failed, 130 after Ctrl-C."""
    from pathlib import Path

    from veaat_migration.bringup.environment import ros_environment
    from veaat_migration.bringup.plan import (
        Options,
        make_plan,
        policies_by_player,
        solved_quickly,
    )
    from veaat_migration.bringup.policies import with_bundle
    from veaat_migration.bringup.run_folder import RunFolder, default_path
    from veaat_migration.bringup.scenarios import find_scenario
    from veaat_migration.bringup.starter import Ending, Starter
    from veaat_migration.scenario.load import load_game

    environment, about_domain = ros_environment(args.domain_id)
    scenario = find_scenario(args.scenario)
    instance = load_game(scenario)
    output = Path(args.output) if args.output else default_path(scenario.stem)
    options = Options(
        rounds=args.rounds,
        seed=args.seed,
        leader_policy=args.leader_policy or args.policy or "best_response",
        follower_policy=args.follower_policy or args.policy or "best_response",
        policies=policies_by_player(args.player),
        period=args.period,
        composed=args.composed,
        bag=str(output.expanduser().resolve() / "bag") if args.record else None,
        namespace=args.namespace,
        executor=args.executor,
    )
    plan = make_plan(instance, with_bundle(options, args.policies, instance))
    folder = RunFolder(output)
    about = {
        "scenario": str(scenario),
        "seed": args.seed,
        "domain_id": environment["ROS_DOMAIN_ID"],
    }
    folder.write_plan(plan, about)
    print(f"{scenario.stem}: {instance.n_rsus} RSUs, {instance.n_avs} AVs; {about_domain}")
    print(f"results in {folder.path}", flush=True)
    outcome = Starter(plan, folder, environment, respawn=args.respawn).run()
    if args.record and folder.bag.exists():
        equilibrium = solved_quickly(instance) if args.equilibrium is None else args.equilibrium
        _analyse(folder.bag, folder.path, plots=args.plots, equilibrium=equilibrium)
    if outcome.signal_number is not None:
        return 128 + outcome.signal_number
    return 1 if outcome.deaths or outcome.ending is Ending.FAILED else 0


def _analyse(bag: Path, folder: Path, *, plots: bool, equilibrium: bool) -> None:
    from veaat_migration.analysis.report import write_report
    from veaat_migration.analysis.summary import format_summary

    report = write_report(bag, folder, plots=plots, equilibrium=equilibrium)
    print(format_summary(report))

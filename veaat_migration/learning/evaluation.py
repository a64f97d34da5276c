"""How good learned policies are: against the exact equilibrium, and against every deviation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from veaat_migration.game.equilibrium import Solution, solve
from veaat_migration.game.exploitability import exploitability, leader_gains
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.solution import Equilibrium
from veaat_migration.game.utilities import follower_utilities, leader_utilities
from veaat_migration.learning.algorithms.interface import Algorithm, JointPolicy
from veaat_migration.learning.config import DynamicsPart
from veaat_migration.learning.environment import Environment
from veaat_migration.learning.game import BatchedGame

SETTLING = 30
"""Rounds that policies play before they are judged: their histories are their own by then."""
GRID = 201
"""Prices at which the learned AVs are asked for their answer to a deviating leader."""


@dataclass(frozen=True)
class Play:
    """What policies do without exploration, once their play has settled."""

    prices: FloatArray
    """[R]"""
    demand: FloatArray
    """[V, R]"""
    leader_utilities: FloatArray
    """[R]"""
    follower_utilities: FloatArray
    """[V]"""
    restless: float
    """Largest change of a share between the last two rounds; 0: play has come to rest"""


@dataclass(frozen=True)
class Report:
    """Learned play in one game."""

    play: Play
    gaps: FloatArray | None
    """Utility relative to that in the nearest equilibrium minus 1, RSUs then AVs, [R + V]; None:
    no equilibrium is known"""
    nearest: int | None
    """Which equilibrium that is: 0 the solution itself, then its ``other_equilibria``"""
    exploitability: float
    """Largest relative gain of any player by its best deviation"""
    leader_gains: FloatArray
    """Of RSUs, AVs answering a deviation by their exact equilibrium; relative to what the RSU
    earns, or would earn if AVs were exact now too, whichever shows the greater gain, [R]"""
    follower_gains: FloatArray
    """Relative to the AV's utility, or to delta_i where that is more, [V]"""

    def to_mapping(self) -> dict[str, Any]:
        """Plain lists and numbers, fit for JSON."""
        values = asdict(self)
        values |= values.pop("play")
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in values.items()
        }


class Stage:
    """A quiet copy of a run's games in which policies are tried without exploration."""

    def __init__(self, learner: Algorithm, *, games: int = 1) -> None:
        config = learner.config.environment.model_copy(
            update={"episode": SETTLING + 1, "dynamics": DynamicsPart()}
        )
        self.environment = Environment.create(
            learner.instance,
            config,
            surroundings=learner.surroundings,
            games=games,
            rounds=1,
            device=learner.device,
            generator=torch.Generator().manual_seed(0),
        )

    @torch.no_grad()
    def settle(
        self, policy: JointPolicy, change: Callable[[torch.Tensor], None] | None = None
    ) -> tuple[FloatArray, FloatArray, float]:
        """Play from a random history until it is forgotten.

        Args:
            policy: who plays.
            change: alters the prices' shares [R, G] in place, as a deviating leader would.

        Returns:
            Prices [G, R], demands [G, V, R], and the largest change in the last round.
        """
        environment = self.environment
        environment.reset()
        restless = 0.0
        for _ in range(SETTLING):
            environment.begin()
            shares = policy.prices(environment.leaders_see(0))
            if change is not None:
                change(shares)
            record = environment.post_prices(0, shares)
            environment.post_demands(0, policy.demands(record))
            last, now = environment.played.unbind(0)
            restless = float((now - last).abs().max()) / 2.0
        prices, demand = environment.outcome()
        return prices[1].double().cpu().numpy(), demand[1].double().cpu().numpy(), restless


def learned_plays(learner: Algorithm) -> list[Play]:
    """What the deployable actors of a run do: once, or as often as it takes where they vary."""
    policy, instance = learner.policy, learner.instance
    prices, demand, restless = Stage(learner, games=policy.variety).settle(policy)
    return [
        Play(p, b, leader_utilities(instance, p, b), follower_utilities(instance, p, b), restless)
        for p, b in zip(prices, demand, strict=True)
    ]


def evaluate(learner: Algorithm, equilibrium: Solution | None) -> Report:
    """Judge what a run has learned so far; see :func:`judge`."""
    return average(
        [judge(learner.instance, play, equilibrium) for play in learned_plays(learner)], equilibrium
    )


def average(reports: Sequence[Report], equilibrium: Solution | None) -> Report:
    """One report of several plays of policies that draw, or remember, something else each time.

    Prices, demands and utilities are means, and so are the gaps of utilities. Gains of deviating
    are medians over the plays: a draw in which a player earns next to nothing has a relative gain
    without bound. Each is what a player gains who knows the others' draw, so together they bound
    from above what deviating from the mixture gains.
    """
    if len(reports) == 1:
        return reports[0]
    plays = [report.play for report in reports]
    leaders = np.mean([play.leader_utilities for play in plays], axis=0)
    followers = np.mean([play.follower_utilities for play in plays], axis=0)
    play = Play(
        np.mean([play.prices for play in plays], axis=0),
        np.mean([play.demand for play in plays], axis=0),
        leaders,
        followers,
        max(play.restless for play in plays),
    )
    gaps, nearest = _gaps(play, equilibrium)
    return Report(
        play=play,
        gaps=gaps,
        nearest=nearest,
        exploitability=float(np.median([report.exploitability for report in reports])),
        leader_gains=np.median([report.leader_gains for report in reports], axis=0),
        follower_gains=np.median([report.follower_gains for report in reports], axis=0),
    )


def judge(instance: GameInstance, play: Play, equilibrium: Solution | None) -> Report:
    """Compare play with the equilibrium and with every player's best deviation."""
    leaders = leader_utilities(instance, play.prices, play.demand)
    followers = follower_utilities(instance, play.prices, play.demand)
    found = exploitability(instance, play.prices, play.demand)
    # AVs that buy too much by mistake must not make a bad price look good.
    exact_answers = leader_gains(instance, play.prices)
    gains = np.maximum(found.leaders.relative, exact_answers.relative)
    worth = np.maximum(np.abs(followers), instance.satisfaction)
    play = Play(play.prices, play.demand, leaders, followers, play.restless)
    gaps, nearest = _gaps(play, equilibrium)
    return Report(
        play=play,
        gaps=gaps,
        nearest=nearest,
        exploitability=max(found.largest, float(gains.max())),
        leader_gains=gains,
        follower_gains=found.followers / worth,
    )


def lateness(instance: GameInstance, plays: Sequence[Play]) -> FloatArray | None:
    """By how much each AV's expected delay exceeds T_i^max (Eq. 11) [s], mean over plays, [V].

    None where the game has no deadlines.
    """
    if instance.delay is None:
        return None
    game = BatchedGame(instance, dtype=torch.float64)
    prices = torch.as_tensor(np.array([play.prices for play in plays]))
    demand = torch.as_tensor(np.array([play.demand for play in plays]))
    return np.asarray(game.lateness(prices, demand).mean(0))


def equilibria(solution: Solution) -> list[Solution | Equilibrium]:
    """All equilibria that are known, the one that was found first first."""
    return [solution, *solution.other_equilibria]


def _gaps(play: Play, solution: Solution | None) -> tuple[FloatArray | None, int | None]:
    """Relative utilities against the equilibrium whose prices are nearest, and which that is."""
    if solution is None:
        return None, None
    known = equilibria(solution)
    low = solution.instance.price_min
    span = solution.instance.price_max - low
    distances = [np.abs((each.prices - play.prices) / span).max() for each in known]
    nearest = int(np.argmin(distances))
    exact = np.concatenate([known[nearest].leader_utilities, known[nearest].follower_utilities])
    utilities = np.concatenate([play.leader_utilities, play.follower_utilities])
    return (utilities - exact) / np.abs(exact), nearest


def gains_against_learned_answers(learner: Algorithm, play: Play) -> FloatArray:
    """What each leader could gain if the learned AVs, not exact ones, answered it; relative, [R].

    The other leaders' prices stay where they are.
    """
    scale = learner.environment.price_scale
    others = torch.as_tensor(scale.share(play.prices), dtype=torch.float32)
    grid = torch.linspace(0.0, 1.0, GRID)
    stage = Stage(learner, games=GRID)
    gains = np.zeros(learner.layout.n_rsus)
    for j in range(learner.layout.n_rsus):

        def deviate(shares: torch.Tensor, j: int = j) -> None:
            shares.copy_(others[:, None].expand_as(shares))
            shares[j] = grid

        prices, demand, _ = stage.settle(learner.policy, deviate)
        best = leader_utilities(learner.instance, prices, demand)[:, j].max()
        own = play.leader_utilities[j]
        gains[j] = max(best - own, 0.0) / abs(own)
    return gains


def reference(instance: GameInstance, time_limit: float = 10.0) -> Solution | None:
    """The certified equilibrium, or None where none is found in time."""
    solution = solve(instance, time_limit=time_limit)
    good = ("certified", "certified_not_unique", "infeasible_followers")
    return solution if solution.status.value in good else None

"""What a recorded game is measured against: the equilibrium, and what players could still gain."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from veaat_migration.analysis.metrics import Play
from veaat_migration.game.instance import FloatArray, GameInstance

EXACT_PAIRS = 60
"""AVs times RSUs up to which the certified equilibrium takes about a second."""
LOCAL_PAIRS = 160
"""AVs times RSUs up to which a local equilibrium takes seconds."""


@dataclass(frozen=True)
class Gains:
    """What players could gain by deviating alone, named as in ``veaat solve --json``."""

    rsu_abs: FloatArray
    """By its best price, the AVs answering [money], shape [R]."""
    av_abs: FloatArray
    """By its best response [money], shape [V]."""
    max_rel: float
    """Largest gain relative to the player's utility."""


class Effort(Enum):
    """How much is computed."""

    NONE = "none"
    LOCAL = "local"
    """An equilibrium found by local search, not certified."""
    EXACT = "exact"
    """A certified equilibrium, and the exploitability of the play."""


def effort_for(instance: GameInstance, wanted: bool | None, problems: list[str]) -> Effort:
    """What to compute for a game of this size.

    Args:
        instance: the game.
        wanted: all or nothing; None: what takes seconds.
        problems: gets a sentence about what is left out.
    """
    if wanted is not None:
        return Effort.EXACT if wanted else Effort.NONE
    pairs = instance.n_avs * instance.n_rsus
    if pairs <= EXACT_PAIRS:
        return Effort.EXACT
    size = f"{instance.n_avs} AVs and {instance.n_rsus} RSUs"
    if pairs <= LOCAL_PAIRS:
        problems.append(
            f"equilibrium: of {size} only a local solution, without exploitability; "
            "--equilibrium computes all, which takes minutes"
        )
        return Effort.LOCAL
    problems.append(
        f"equilibrium: left out for {size}, where it takes very long; ask with --equilibrium"
    )
    return Effort.NONE


def solved(instance: GameInstance, effort: Effort) -> tuple[Play, str]:
    """The Stackelberg equilibrium and the status of its solution."""
    from veaat_migration.game.equilibrium import solve

    solution = solve(instance, certify=effort is Effort.EXACT)
    play = Play(
        solution.prices,
        solution.demand,
        solution.leader_utilities,
        solution.follower_utilities,
    )
    return play, solution.status.value


def gains_of(instance: GameInstance, prices: Any, demand: Any) -> Gains:
    """What players could gain alone at prices [R] and demand [V, R]."""
    from veaat_migration.game.exploitability import exploitability

    found = exploitability(instance, prices, demand)
    return Gains(found.leaders.absolute, found.followers, found.largest)

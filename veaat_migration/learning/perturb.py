"""Games near the one that was trained on: how much do policies lose when the numbers change?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.learning.evaluation import Play, average, judge, reference

PLAYS = 8
"""Most plays that are judged in each game, where policies vary."""


@dataclass(frozen=True)
class Robustness:
    """The same play in games whose numbers differ by up to a share."""

    share: float
    """Largest relative change of each number."""
    games: int
    gaps: FloatArray
    """Largest absolute gap of any player in each game with a known equilibrium, [games]"""
    exploitability: FloatArray
    """Of each game, [games]"""


def perturbed(instance: GameInstance, share: float, rng: np.random.Generator) -> GameInstance:
    """A game whose satisfactions, qualities and costs each differ by up to ``share``."""

    def changed(values: FloatArray) -> FloatArray:
        return values * rng.uniform(1.0 - share, 1.0 + share, values.shape)

    per_rsu = rng.uniform(1.0 - share, 1.0 + share, instance.n_rsus)
    cost = np.minimum(instance.cost * per_rsu, 0.99 * instance.price_max)
    return replace(
        instance,
        satisfaction=changed(instance.satisfaction),
        quality=changed(instance.quality),
        cost=cost,
    )


def robustness(
    instance: GameInstance,
    plays: Sequence[Play],
    shares: Sequence[float],
    games: int,
    seed: int = 0,
) -> Iterator[Robustness]:
    """Judge the same play in many perturbed games; of several plays, the first few.

    Policies do not observe satisfactions, qualities or costs, so their play stays the same.
    """
    for share in shares:
        rng = np.random.default_rng(seed)
        gaps, losses = [], []
        for _ in range(games):
            game = perturbed(instance, share, rng)
            exact = reference(game)
            report = average([judge(game, play, exact) for play in plays[:PLAYS]], exact)
            losses.append(report.exploitability)
            if report.gaps is not None:
                gaps.append(float(np.abs(report.gaps).max()))
        yield Robustness(share, games, np.array(gaps), np.array(losses))

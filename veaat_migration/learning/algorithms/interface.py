"""What all algorithms have in common: they iterate, and their joint policy can be played."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from veaat_migration.learning.actors import Actors
from veaat_migration.learning.environment import Environment
from veaat_migration.learning.stopwatch import Stopwatch
from veaat_migration.learning.surroundings import Surroundings

if TYPE_CHECKING:
    from veaat_migration.game.instance import GameInstance
    from veaat_migration.learning.config import TrainingConfig
    from veaat_migration.learning.progress import Progress
    from veaat_migration.policy.observation import ObservationLayout


class JointPolicy(Protocol):
    """How all players act without exploration, in any number of games."""

    variety: int
    """Games that must be played to see how it plays: 1 where it plays all of them alike."""

    def prices(self, record: Tensor) -> Tensor:
        """Stage I: shares of the intervals [c_j, p_max], [R, G], from records [record, G]."""
        ...

    def demands(self, record: Tensor) -> Tensor:
        """Stage II: shares of the intervals [0, b_max], [V R, G], row by row.

        The records are those of :meth:`prices`, with the prices that were posted.
        """
        ...


class Algorithm(Protocol):
    """One training run as a sequence of iterations."""

    config: TrainingConfig
    """As it is obeyed: with what the algorithm fixes."""
    instance: GameInstance
    seed: int
    layout: ObservationLayout
    environment: Environment
    surroundings: Surroundings
    device: torch.device
    stopwatch: Stopwatch
    iteration: int
    """Iterations done."""
    steps: int
    """Environment steps done: rounds times games."""

    @property
    def finished(self) -> bool:
        """Whether all iterations are done."""
        ...

    @property
    def policy(self) -> JointPolicy:
        """What would be deployed now."""
        ...

    @property
    def widths(self) -> list[int]:
        """Hidden widths of the actors as they are computed; none without networks."""
        ...

    def sparsity(self) -> Tensor:
        """Share of each agent's original hidden neurons that are gone, [R + V]."""
        ...

    def iterate(self) -> Progress:
        """Play one rollout and learn from it."""
        ...

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps besides the counters."""
        ...

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        ...


class ActorPolicy:
    """Every agent plays the median of its squashed Gaussian."""

    variety = 1

    def __init__(self, actors: Actors) -> None:
        self.actors = actors

    @torch.no_grad()
    def prices(self, record: Tensor) -> Tensor:
        """Shares of all prices, [R, G]."""
        return self.actors(record, self.actors.leaders)[:, 0].sigmoid()

    @torch.no_grad()
    def demands(self, record: Tensor) -> Tensor:
        """Shares of all demands, [V R, G]."""
        return self.actors(record, self.actors.followers).sigmoid().flatten(0, 1)


@torch.no_grad()
def play(policy: JointPolicy, environment: Environment) -> tuple[Tensor, Tensor]:
    """Play one rollout without exploration.

    Args:
        policy: of all players.
        environment: any games with as many players; they go on where they were. Its ``rewards()``
            afterwards are what was earned.

    Returns:
        Prices [T, G, R] and demands [T, G, V, R] in their own units.
    """
    environment.begin()
    for t in range(environment.rounds):
        record = environment.leaders_see(t)
        record = environment.post_prices(t, policy.prices(record))
        environment.post_demands(t, policy.demands(record))
    prices, demands = environment.outcome()
    return prices[1:], demands[1:]

"""When and what to prune in a run: Algorithm 3, lines 5 to 12."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from veaat_migration.learning.pruning.compensate import compensate
from veaat_migration.learning.pruning.importance import ImportanceWindow, sparsity_penalty
from veaat_migration.learning.pruning.schedule import PruningSchedule
from veaat_migration.learning.pruning.shrink import set_masks, shrink
from veaat_migration.learning.pruning.threshold import masks

if TYPE_CHECKING:
    from veaat_migration.learning.learner import Learner


class Pruner:
    """Does nothing; other ways to prune build on it."""

    needs_surprise = False
    """Whether the bounded surprise of Eq. (41) is asked for."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner

    @staticmethod
    def create(learner: Learner) -> Pruner:
        """The pruner that the configuration asks for."""
        method = learner.config.pruning.method
        if method == "adaptive":
            return AdaptivePruner(learner)
        if method == "none":
            return Pruner(learner)
        raise NotImplementedError(method)

    def penalty(self, iteration: int) -> Callable[[], Tensor] | None:
        """What the loss subtracts for the sake of sparsity, or nothing."""
        del iteration
        return None

    def after_iteration(self, iteration: int, records: Tensor) -> None:
        """Called after the update of each iteration, with what was observed, [record, N]."""

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""


class AdaptivePruner(Pruner):
    """Self-adaptive structured pruning: importance in a time window, delayed by exploration."""

    def __init__(self, learner: Learner) -> None:
        super().__init__(learner)
        part, iterations = learner.config.pruning, learner.config.iterations
        self.part = part
        self.original = list(learner.config.network.hidden)
        self.schedule = PruningSchedule(
            part.initial_sparsity,
            part.sparsity,
            round(part.start * iterations),
            max(round((part.end - part.start) * iterations), 1),
        )
        self.window = ImportanceWindow(part.window, part.decay)
        self.rates = torch.zeros(learner.actors.agents, device=learner.device)
        self.needs_surprise = learner.bonus is not None and part.sensitivity > 0.0

    def penalty(self, iteration: int) -> Callable[[], Tensor] | None:
        """Lambda times the importance that is left (Eq. 45), until the target is reached."""
        if self.part.regulariser == 0.0 or self.schedule.progress(iteration) >= 1.0:
            return None
        actors = self.learner.actors
        return lambda: self.part.regulariser * sparsity_penalty(actors, self.original)

    def after_iteration(self, iteration: int, records: Tensor) -> None:
        """Update importance, p_t, masks, and cut what no agent needs any more."""
        learner = self.learner
        self.window.observe(learner.actors)
        bonus = learner.bonus
        surprise = torch.zeros_like(self.rates) if bonus is None else bonus.bounded
        rates = self.schedule.adapted(iteration, surprise, self.part.sensitivity)
        # Neurons do not come back: p_t is what it ever reached.
        self.rates = torch.maximum(self.rates, rates)
        if not bool(self.rates.any()):
            return
        kept = masks(self.window.scores(learner.actors), self.rates, self.original, self.part.rule)
        compensate(learner.actors, kept, records, self.part.compensate)
        set_masks(learner.actors, kept)
        if self.part.shrink:
            shrink(learner.actors, learner.actor_optimizer, on_layer=self.window.keep)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps: p_t and the window."""
        entries = {
            f"window.{age}.{layer}": omega
            for age, entry in enumerate(self.window.entries)
            for layer, omega in enumerate(entry)
        }
        return {"rates": self.rates, **entries}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        self.rates = state["rates"]
        self.window.entries.clear()
        for age in range(self.window.width):
            if f"window.{age}.0" not in state:
                break
            layers = range(len(self.original))
            self.window.entries.append([state[f"window.{age}.{layer}"] for layer in layers])

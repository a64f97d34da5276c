"""When and what to prune in a run: Algorithm 3, lines 5 to 12."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from veaat_migration.learning.pruning.compensate import compensate
from veaat_migration.learning.pruning.importance import ImportanceWindow, sparsity_penalty
from veaat_migration.learning.pruning.schedule import PruningSchedule
from veaat_migration.learning.pruning.shrink import clear, set_masks, shrink
from veaat_migration.learning.pruning.threshold import masks

if TYPE_CHECKING:
    from veaat_migration.learning.learner import Learner
    from veaat_migration.learning.update import Batch


class Pruner:
    """Does nothing; other ways to prune build on it."""

    needs_surprise = False
    """Whether the bounded surprise of Eq. (41) is asked for."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner

    def before_iteration(self, iteration: int) -> None:
        """Called before each iteration."""

    def learn(self, iteration: int, batch: Batch) -> bool:
        """Update the actors in another way than by their utilities; whether that was done."""
        del iteration, batch
        return False

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


class GradualPruner(Pruner, ABC):
    """Removes the neurons that count least, more and more of them by the schedule of Eq. (39)."""

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
        self.rates = torch.zeros(learner.actors.agents, device=learner.device)

    @abstractmethod
    def scores(self) -> list[Tensor]:
        """How much each stored neuron counts, 0 where it is gone, [A, width] per layer."""

    def regulariser(self) -> Tensor:
        """What is subtracted from the objective, before its weight; nothing by default."""
        return torch.zeros((), device=self.learner.device)

    def wanted(self, iteration: int) -> Tensor:
        """Share of each agent's neurons that should be gone, [A]."""
        return self.schedule.adapted(iteration, torch.zeros_like(self.rates), 0.0)

    def removed(self, layer: int, chosen: Tensor) -> None:
        """Called when a layer was cut to the neurons ``chosen`` [A, new width]."""

    def penalty(self, iteration: int) -> Callable[[], Tensor] | None:
        """The weighted regulariser, until the target is reached."""
        if self.part.regulariser == 0.0 or self.schedule.progress(iteration) >= 1.0:
            return None
        return lambda: self.part.regulariser * self.regulariser()

    def after_iteration(self, iteration: int, records: Tensor) -> None:
        """Update p_t and masks, and cut what no agent needs any more."""
        learner = self.learner
        # Neurons do not come back: p_t is what it ever reached.
        self.rates = torch.maximum(self.rates, self.wanted(iteration))
        if not bool(self.rates.any()):
            return
        kept = masks(self.scores(), self.rates, self.original, self.part.rule)
        compensate(learner.actors, kept, records, self.part.compensate)
        set_masks(learner.actors, kept)
        clear(learner.actors, learner.actor_optimizer)
        if self.part.shrink:
            shrink(learner.actors, learner.actor_optimizer, on_layer=self.removed)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps: p_t."""
        return {"rates": self.rates}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        self.rates = state["rates"]


class AdaptivePruner(GradualPruner):
    """Self-adaptive structured pruning: importance in a time window, delayed by exploration."""

    def __init__(self, learner: Learner) -> None:
        super().__init__(learner)
        self.window = ImportanceWindow(self.part.window, self.part.decay)
        self.needs_surprise = learner.bonus is not None and self.part.sensitivity > 0.0

    def scores(self) -> list[Tensor]:
        """S of Eq. (36)."""
        return self.window.scores(self.learner.actors)

    def regulariser(self) -> Tensor:
        """The importance that is left (Eq. 45)."""
        return sparsity_penalty(self.learner.actors, self.original)

    def wanted(self, iteration: int) -> Tensor:
        """p_t of Eq. (38)."""
        bonus = self.learner.bonus
        surprise = torch.zeros_like(self.rates) if bonus is None else bonus.bounded
        return self.schedule.adapted(iteration, surprise, self.part.sensitivity)

    def removed(self, layer: int, chosen: Tensor) -> None:
        """Keep the window in step."""
        self.window.keep(layer, chosen)

    def after_iteration(self, iteration: int, records: Tensor) -> None:
        """Update importance, then p_t, masks and widths."""
        self.window.observe(self.learner.actors)
        super().after_iteration(iteration, records)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps: p_t and the window."""
        entries = {
            f"window.{age}.{layer}": omega
            for age, entry in enumerate(self.window.entries)
            for layer, omega in enumerate(entry)
        }
        return {**super().state(), **entries}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        super().load(state)
        self.window.entries.clear()
        for age in range(self.window.width):
            if f"window.{age}.0" not in state:
                break
            layers = range(len(self.original))
            self.window.entries.append([state[f"window.{age}.{layer}"] for layer in layers])

"""Dropout: chance decides which neurons go.

While the schedule runs, a share ``pruning.dropout`` of the neurons that are left sits out each
iteration, in play and in learning alike (another choice for each would bias the ratio of Eq.
(27)); so no neuron may rely on another. Those removed for good are random too. Obeys all of
``pruning`` but ``regulariser``, ``sensitivity``, ``window`` and ``decay``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from veaat_migration.learning.pruning.pruner import GradualPruner
from veaat_migration.learning.pruning.shrink import set_masks

if TYPE_CHECKING:
    from veaat_migration.learning.learner import Learner


class DropoutPruner(GradualPruner):
    """Random neurons drop out, for an iteration or for good."""

    def __init__(self, learner: Learner) -> None:
        super().__init__(learner)
        agents, generator = learner.actors.agents, learner.generator
        # Positive, as 0 is for neurons that are gone.
        self.lots = [
            (1.0 - torch.rand(agents, width, generator=generator)).to(learner.device)
            for width in self.original
        ]
        self.present: list[Tensor] | None = None

    def scores(self) -> list[Tensor]:
        """A lot drawn once for each neuron."""
        return [lot * mask for lot, mask in zip(self.lots, self._present(), strict=True)]

    def penalty(self, iteration: int) -> Callable[[], Tensor] | None:
        """No weight is too large for chance."""
        del iteration
        return None

    def before_iteration(self, iteration: int) -> None:
        """Let some neurons sit out."""
        if self.part.dropout == 0.0 or self.schedule.progress(iteration) >= 1.0:
            return
        self.present = self._present()
        drawn = []
        for mask in self.present:
            draw = torch.rand(mask.shape, generator=self.learner.generator).to(mask.device)
            drawn.append(mask * (draw >= self.part.dropout))
        set_masks(self.learner.actors, drawn)

    def after_iteration(self, iteration: int, records: Tensor) -> None:
        """Let them back in, and remove some for good."""
        if self.present is not None:
            set_masks(self.learner.actors, self.present)
            self.present = None
        super().after_iteration(iteration, records)

    def removed(self, layer: int, chosen: Tensor) -> None:
        """Keep the lots in step."""
        self.lots[layer] = self.lots[layer].gather(1, chosen)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        lots = {f"lots.{layer}": lot for layer, lot in enumerate(self.lots)}
        return {**super().state(), **lots}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        super().load(state)
        self.lots = [state[f"lots.{layer}"] for layer in range(len(self.lots))]

    def _present(self) -> list[Tensor]:
        return [
            torch.ones_like(lot) if mask is None else mask[..., 0]
            for lot, mask in zip(self.lots, self.learner.actors.masks, strict=True)
        ]

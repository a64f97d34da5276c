"""PoPS: policy pruning and shrinking (Livne and Cohen, IEEE JSTSP 2020).

Until ``pruning.start`` a dense teacher learns as usual; what it taught is its mean over the last
fifth of that time. From then on the actors are its student: they imitate the teacher's
distributions on the records that they play themselves, and lose the neurons of smallest weights
on the schedule. Utilities, and so critics, teach the student nothing any more.

Obeys all of ``pruning`` but ``regulariser``, ``sensitivity``, ``window`` and ``decay``;
``start`` should leave the teacher most of the iterations.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from veaat_migration.learning.actors import Actors
from veaat_migration.learning.incentive import Gaussian, divergence
from veaat_migration.learning.pruning.group_lasso import group_norms
from veaat_migration.learning.pruning.pruner import GradualPruner
from veaat_migration.learning.update import Batch, limit_gradients

if TYPE_CHECKING:
    from veaat_migration.learning.learner import Learner

TEACHER_AVERAGE = 0.2
"""Share of the teacher's iterations, its last ones, over which it is averaged."""


def policy_divergence(teacher: Actors, student: Actors, records: Tensor) -> Tensor:
    """D_KL of the student's distributions from the teacher's [nats], [A, N].

    Squashing is one to one, so the divergence between squashed Gaussians is that between the
    Gaussians. Standard deviations that a schedule sets are the student's for both.
    """
    with torch.no_grad():
        aim = teacher(records) * teacher.used
    mean = student(records) * student.used
    spread = (student.log_std * student.used).exp()
    taught = (teacher.log_std * teacher.used).exp()
    if not student.learns_std:
        taught = spread = spread.detach()
    return divergence(Gaussian(aim, taught), Gaussian(mean, spread))


class DistillingPruner(GradualPruner):
    """A teacher, then a student that shrinks."""

    def __init__(self, learner: Learner) -> None:
        super().__init__(learner)
        self.teacher = copy.deepcopy(learner.actors).requires_grad_(False)
        self.averaged = 0

    @torch.no_grad()
    def scores(self) -> list[Tensor]:
        """Magnitude: norm of the weights at a neuron."""
        return group_norms(self.learner.actors)

    def penalty(self, iteration: int) -> Callable[[], Tensor] | None:
        """PoPS does without."""
        del iteration
        return None

    def learn(self, iteration: int, batch: Batch) -> bool:
        """Imitate the teacher, once it has learned."""
        if iteration < self.schedule.start:
            return False
        learner = self.learner
        part, actors, optimizer = learner.config.update, learner.actors, learner.actor_optimizer
        n = batch.columns.shape[1]
        for _ in range(part.epochs):
            order = torch.randperm(n, generator=learner.generator).to(learner.device)
            for chosen in order.chunk(part.minibatches):
                records = batch.inputs[:, chosen]
                loss = policy_divergence(self.teacher, actors, records).mean(-1).sum()
                optimizer.zero_grad()
                loss.backward()
                limit_gradients(actors, part.max_gradient)
                optimizer.step()
        return True

    def after_iteration(self, iteration: int, records: Tensor) -> None:
        """Average the teacher, or prune the student."""
        if iteration >= self.schedule.start:
            super().after_iteration(iteration, records)
        elif iteration >= (1.0 - TEACHER_AVERAGE) * self.schedule.start:
            self._average()

    @torch.no_grad()
    def _average(self) -> None:
        self.averaged += 1
        self.teacher.values.lerp_(self.learner.actors.values, 1.0 / self.averaged)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        teacher = self.teacher.values.detach()
        averaged = torch.tensor(self.averaged)
        return {**super().state(), "teacher": teacher, "averaged": averaged}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        super().load(state)
        self.averaged = int(state["averaged"])
        self.teacher.values.data = state["teacher"]

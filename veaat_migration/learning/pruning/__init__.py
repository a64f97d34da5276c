"""Structured pruning of the actors while they learn (Section V-C), and other ways to prune.

A way to prune is a subclass of :class:`.pruner.Pruner` and a line in :data:`METHODS`. Importing
this package does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from veaat_migration.learning.learner import Learner
    from veaat_migration.learning.pruning.pruner import Pruner

METHODS = {
    "adaptive": ("pruner", "AdaptivePruner"),
    "none": ("pruner", "Pruner"),
    "ssl": ("group_lasso", "GroupLassoPruner"),
    "l1": ("l1", "L1Pruner"),
    "pops": ("distillation", "DistillingPruner"),
    "dropout": ("dropout", "DropoutPruner"),
}
"""Module of this package and class by the name that a training file gives the method."""


def create_pruner(learner: Learner) -> Pruner:
    """The pruner that the configuration asks for."""
    module, name = METHODS[learner.config.pruning.method]
    pruner: Pruner = getattr(importlib.import_module(f"{__name__}.{module}"), name)(learner)
    return pruner

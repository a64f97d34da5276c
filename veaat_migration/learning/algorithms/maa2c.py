"""MAA2C: synchronous advantage actor-critic of several agents, as a baseline.

One gradient step per rollout on the whole of it, by the plain policy gradient. Rollouts are
usually short (``environment.rounds`` of 5) and iterations many.

Fixes ``update.clip`` at null, ``update.epochs`` and ``update.minibatches`` at 1,
``incentive.weight`` at 0 and ``pruning.method`` at none; ignores ``update.workers`` and all else
of ``incentive`` and ``pruning``.
"""

from __future__ import annotations

from veaat_migration.learning.algorithms.settings import ONE_STEP
from veaat_migration.learning.learner import Learner

RUN = Learner
FIXED = ONE_STEP

"""MAPPO: the clipped objective of Eq. (27) alone, as a baseline.

Fixes ``incentive.weight`` at 0 and ``pruning.method`` at none, so that all else of ``incentive``
and ``pruning`` is ignored; ``update.workers`` is of MAA3C. ``update.critic: central`` lets the
critics see the whole record, as in Yu et al., 'The Surprising Effectiveness of PPO in
Cooperative Multi-Agent Games', 2022.
"""

from __future__ import annotations

from veaat_migration.learning.algorithms.settings import PLAIN
from veaat_migration.learning.learner import Learner

RUN = Learner
FIXED = PLAIN

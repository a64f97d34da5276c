"""TinyMA-IEI-PPO (Section V): PPO with exploration incentive and pruning, all as configured.

Fixes and ignores no setting but ``update.workers``, which is of MAA3C. With ``pruning.method:
none`` it is MA-IEI-PPO, with other methods MA-IEI-PPO-SSL, -L1 Lasso, -PoPS and -Dropout.
"""

from __future__ import annotations

from veaat_migration.learning.learner import Learner

RUN = Learner

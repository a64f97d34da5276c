"""Settings that an algorithm fixes, whatever the training file says."""

from __future__ import annotations

from typing import Any

from veaat_migration.learning.config import TrainingConfig


def fixed(config: TrainingConfig, settings: dict[str, dict[str, Any]]) -> TrainingConfig:
    """The configuration with some keys of some of its parts replaced."""
    parts = {
        name: getattr(config, name).model_copy(update=values) for name, values in settings.items()
    }
    return config.model_copy(update=parts)


PLAIN: dict[str, dict[str, Any]] = {"incentive": {"weight": 0.0}, "pruning": {"method": "none"}}
"""Neither exploration incentive nor pruning."""
ONE_STEP: dict[str, dict[str, Any]] = {
    **PLAIN,
    "update": {"clip": None, "epochs": 1, "minibatches": 1},
}
"""Actor-critic: besides, one gradient step per rollout on all of it, without ratio."""

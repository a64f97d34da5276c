"""The game that a training file names, with what it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.config import TrainingConfig
from veaat_migration.learning.surroundings import Surroundings, load_surroundings


@dataclass(frozen=True)
class TrainingGame:
    """A game to be learned."""

    instance: GameInstance
    surroundings: Surroundings
    """Its queues and radio; the usual ones where the file states none."""


def load_training_game(config: TrainingConfig, file: Path) -> TrainingGame:
    """The game of a training file; its path is seen from that file.

    Raises:
        ScenarioError: the game's file is unreadable or invalid.
    """
    path = file.parent / Path(config.game).expanduser()
    return TrainingGame(*load_surroundings(path))

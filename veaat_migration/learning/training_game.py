"""The game that a training file names, with the rates that leaders observe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.config import TrainingConfig
from veaat_migration.scenario.build import build_instance
from veaat_migration.scenario.errors import ScenarioError
from veaat_migration.scenario.instance_file import instance_from_mapping
from veaat_migration.scenario.load import looks_like_instance, scenario_from_mapping
from veaat_migration.scenario.text import read_file


@dataclass(frozen=True)
class TrainingGame:
    """A game to be learned."""

    instance: GameInstance
    rates: tuple[Tensor, Tensor] | None
    """lambda_j and mu_j [1/s], each [R]; None: the file states none."""


def load_training_game(config: TrainingConfig, file: Path) -> TrainingGame:
    """The game of a training file; its path is seen from that file.

    Raises:
        ScenarioError: the game's file is unreadable or invalid.
    """
    path = file.parent / Path(config.game).expanduser()
    content = read_file(path)
    try:
        if looks_like_instance(content):
            return TrainingGame(instance_from_mapping(content), None)
        scenario = scenario_from_mapping(content)
        rates = (
            torch.tensor([rsu.arrival_rate for rsu in scenario.rsus]),
            torch.tensor([rsu.service_rate for rsu in scenario.rsus]),
        )
        return TrainingGame(build_instance(scenario), rates)
    except ScenarioError as error:
        raise error.from_source(str(path)) from error

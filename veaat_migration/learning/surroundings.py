"""What a game's numbers were made from: signals and queues, for dynamics that change them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from veaat_migration.game.delay import queueing_delay
from veaat_migration.game.instance import GameInstance
from veaat_migration.scenario.build import build_instance, links
from veaat_migration.scenario.errors import ScenarioError
from veaat_migration.scenario.load import load_game, load_scenario, looks_like_instance
from veaat_migration.scenario.schema import Scenario
from veaat_migration.scenario.text import read_file

FloatArray = npt.NDArray[np.float64]

ARRIVAL_RATE, SERVICE_RATE = 4.0, 10.0
"""lambda_j and mu_j [1/s] of games that state none."""


@dataclass(frozen=True)
class Surroundings:
    """Queues of the RSUs and, in games with a delay constraint, what its delays consist of."""

    arrival_rate: FloatArray
    """lambda_j [1/s], shape [R]."""
    service_rate: FloatArray
    """mu_j [1/s], shape [R]."""
    snr: FloatArray | None = None
    """Linear SNR without fading [-], shape [V, R]."""
    reinstantiation: FloatArray | None = None
    """T0_ij without the queue [s], shape [V, R]."""

    @classmethod
    def of_instance(cls, instance: GameInstance) -> Surroundings:
        """Of a game that says nothing about them: usual queues, and links that do not fade.

        Its T0_ij contain a queue of these rates as far as they are long enough.
        """
        n_rsus = instance.n_rsus
        arrivals, service = np.full(n_rsus, ARRIVAL_RATE), np.full(n_rsus, SERVICE_RATE)
        if instance.delay is None:
            return cls(arrivals, service)
        rest = instance.delay.base_delay - queueing_delay(arrivals, service)
        snr = np.exp2(instance.delay.spectral_efficiency) - 1.0
        return cls(arrivals, service, snr, np.maximum(rest, 0.0))

    @classmethod
    def of_scenario(cls, scenario: Scenario) -> Surroundings:
        """Of a scenario: its own radio and queues."""
        arrivals = np.array([rsu.arrival_rate for rsu in scenario.rsus])
        service = np.array([rsu.service_rate for rsu in scenario.rsus])
        channel = scenario.channel.model_copy(update={"fading": "none"})
        calm = links(scenario.model_copy(update={"channel": channel}))
        rest = np.maximum(calm.base_delay - queueing_delay(arrivals, service), 0.0)
        return cls(arrivals, service, calm.snr, rest)

    def to_mapping(self) -> dict[str, Any]:
        """Plain lists, fit for JSON."""
        return {
            name: None if value is None else value.tolist() for name, value in vars(self).items()
        }

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> Surroundings:
        """What :meth:`to_mapping` wrote."""
        values: dict[str, Any] = {
            name: None if value is None else np.array(value, dtype=np.float64)
            for name, value in content.items()
        }
        return cls(**values)


def load_surroundings(path: str | os.PathLike[str]) -> tuple[GameInstance, Surroundings]:
    """The game of a scenario or plain instance file, and what it was made from.

    Raises:
        ScenarioError: the file is unreadable, malformed or invalid; all faults in one message.
    """
    if looks_like_instance(read_file(Path(path))):
        instance = load_game(path)
        return instance, Surroundings.of_instance(instance)
    scenario = load_scenario(path)
    try:
        return build_instance(scenario), Surroundings.of_scenario(scenario)
    except ScenarioError as error:
        raise error.from_source(str(path)) from error

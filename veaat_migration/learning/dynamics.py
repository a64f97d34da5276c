"""What changes while the game is played: fading, arrivals of other twins, the AVs' own tasks.

Everything comes from standard normal numbers x that remember: x^t = m x^(t-1) + sqrt(1 - m^2) w.
Two of them make a Rayleigh channel, |h|^2 = (x^2 + y^2) / 2 ~ Exp(1). Through the distribution
function one becomes a share that is evenly spread over [0, 1], and so a rate or a task within its
interval: bounded, and of the same distribution in every round.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from veaat_migration.errors import VeaatError
from veaat_migration.game.delay import queueing_delay, spectral_efficiency
from veaat_migration.learning.config import DriftPart, DynamicsPart
from veaat_migration.learning.game import BatchedGame, Circumstances
from veaat_migration.learning.surroundings import Surroundings

MOST_LOAD = 0.95
"""Drifting lambda_j stay below this share of mu_j (or at their own value if it is higher)."""


class DynamicsError(VeaatError, ValueError):
    """Dynamics that make no sense for this game."""


class Walk:
    """Standard normal numbers of T + 2 rounds: the one before a rollout, its T, the one after."""

    def __init__(self, shape: tuple[int, ...], rounds: int, memory: float, like: Tensor) -> None:
        """``like`` says where the numbers are and of what type."""
        self.memory = memory
        self.values = like.new_zeros((rounds + 2, *shape))

    def reset(self, generator: torch.Generator) -> None:
        """Begin anew; the last two rounds are those with which a rollout begins."""
        self.values[-2] = self._noise(1, generator)[0]
        self._continue(len(self.values) - 1, generator)

    def advance(self, generator: torch.Generator) -> None:
        """The next rollout: its first two rounds are the last two of the one before."""
        self.values[:2] = self.values[-2:].clone()
        self._continue(2, generator)

    def _continue(self, start: int, generator: torch.Generator) -> None:
        values, memory = self.values, self.memory
        if memory == 1.0:
            values[start:] = values[start - 1]
            return
        values[start:] = self._noise(len(values) - start, generator)
        if memory > 0.0:
            values[start:] *= math.sqrt(1.0 - memory**2)
            for t in range(start, len(values)):
                values[t].add_(values[t - 1], alpha=memory)

    def _noise(self, rounds: int, generator: torch.Generator) -> Tensor:
        return torch.randn(
            (rounds, *self.values.shape[1:]),
            generator=generator,
            dtype=self.values.dtype,
            device=generator.device,
        ).to(self.values.device)


class Dynamics:
    """Rates and circumstances of G games, round by round."""

    def __init__(
        self,
        game: BatchedGame,
        part: DynamicsPart,
        surroundings: Surroundings,
        *,
        games: int,
        rounds: int,
        generator: torch.Generator,
    ) -> None:
        """``rounds``: T of one rollout; ``generator``: on the CPU or the game's device.

        Raises:
            DynamicsError: something would change that shapes nothing in this game.
        """
        self.part, self._game, self._generator = part, game, generator
        self._shaped = game.delay_penalty > 0.0
        for name in ("fading", "data"):
            if getattr(part, name) is not None and not self._shaped:
                raise DynamicsError(
                    f"environment.dynamics.{name}: moves only delays, which shape no reward here; "
                    "the game needs a delay constraint (delay.enforce: true) and "
                    "environment.delay_penalty > 0"
                )
        n_avs, n_rsus = game.instance.n_avs, game.instance.n_rsus
        self._arrival_rate = self._tensor(surroundings.arrival_rate)
        self._service_rate = self._tensor(surroundings.service_rate)
        if self._shaped:
            self._snr = self._tensor(surroundings.snr)
            self._reinstantiation = self._tensor(surroundings.reinstantiation)
        shapes = {
            "fading": (games, n_avs, n_rsus, 2),
            "arrivals": (games, n_rsus),
            "satisfaction": (games, n_avs),
            "data": (games, n_avs),
        }
        self._walks = {
            name: Walk(shape, rounds, getattr(part, name).memory, game.quality)
            for name, shape in shapes.items()
            if getattr(part, name) is not None
        }

    def _tensor(self, values: Any) -> Tensor:
        return torch.as_tensor(np.array(values), dtype=self._game.dtype, device=self._game.device)

    def reset(self) -> None:
        """Begin an episode."""
        for walk in self._walks.values():
            walk.reset(self._generator)

    def advance(self) -> None:
        """Draw the rounds of the next rollout."""
        for walk in self._walks.values():
            walk.advance(self._generator)

    def arrival_rates(self) -> Tensor:
        """lambda_j^t [1/s] of the rounds of a rollout and the one after, [T + 1, G, R] or [R]."""
        rates = self._all_arrival_rates()
        return rates if self.part.arrivals is None else rates[1:]

    def circumstances(self) -> Circumstances:
        """Of the round before a rollout and of its rounds, leading axes [T + 1, G]."""
        part, game = self.part, self._game
        satisfaction = data = efficiency = base = None
        if part.satisfaction is not None:
            value = game.satisfaction[:, 0]
            satisfaction = self._drift("satisfaction", value, part.satisfaction)[:-1]
        if part.data is not None:
            data = self._drift("data", game.data, part.data)[:-1]
        if part.fading is not None:
            power = self._walks["fading"].values[:-1].square().sum(-1) / 2.0
            efficiency = spectral_efficiency(self._snr * power)
        if part.arrivals is not None and self._shaped:
            queue = queueing_delay(self._all_arrival_rates()[:-1], self._service_rate)
            base = self._reinstantiation + queue.unsqueeze(-2)
        return Circumstances(satisfaction, data, efficiency, base)

    def _all_arrival_rates(self) -> Tensor:
        if self.part.arrivals is None:
            return self._arrival_rate
        most = torch.maximum(MOST_LOAD * self._service_rate, self._arrival_rate)
        return self._drift("arrivals", self._arrival_rate, self.part.arrivals, most)

    def _drift(
        self, name: str, value: Tensor, part: DriftPart, most: Tensor | None = None
    ) -> Tensor:
        """Evenly spread over value (1 +- spread), no higher than ``most``; [T + 2, G, n]."""
        low, high = value * (1.0 - part.spread), value * (1.0 + part.spread)
        if most is not None:
            high = torch.minimum(high, most)
        share = torch.special.ndtr(self._walks[name].values)
        return low + (high - low) * share

    def state(self) -> dict[str, Tensor]:
        """What the next rollout begins with, for an exact resume."""
        return {name: walk.values[-2:].clone() for name, walk in self._walks.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on where :meth:`state` was taken."""
        for name, walk in self._walks.items():
            walk.values[-2:] = state[name]

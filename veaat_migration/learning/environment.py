"""Many games side by side, round after round: who sees what, and what everyone earns.

Samples are columns, as in :mod:`.stacked`: a record (:mod:`veaat_migration.policy.observation`)
of every round of every game stands in one tensor [record, T, G], written once and read by the
networks without copies. What a round pays does not influence the rounds after it, so rewards are
computed for a whole rollout at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.config import DynamicsPart, EnvironmentPart
from veaat_migration.learning.dynamics import Dynamics
from veaat_migration.learning.game import AS_GIVEN, USABLE_MARGIN, BatchedGame
from veaat_migration.learning.surroundings import Surroundings
from veaat_migration.policy.observation import RATE_UNIT, ObservationLayout, as_input
from veaat_migration.policy.scaling import Scale


def price_scale(instance: GameInstance, kind: str = "geometric") -> Scale:
    """The interval [c_j, p_max] of every leader's action [money/MHz]."""
    return Scale(kind, instance.price_min, np.full(instance.n_rsus, instance.price_max))


def bandwidth_scale(instance: GameInstance) -> Scale:
    """The intervals [0, b_max] of the followers' actions [MHz], [V R] row by row."""
    least = np.where(instance.offset > 0.0, 0.0, USABLE_MARGIN - instance.offset)
    low = np.repeat(least, instance.n_rsus)
    return Scale("linear", low, np.full(low.shape, instance.bandwidth_max))


class _Round(NamedTuple):
    """Where round t of a rollout stands in memory; G games are columns."""

    record: Tensor
    """What may be observed, [record, G]."""
    history: Tensor
    """Its first entries, [L (R + V R), G]."""
    prices: Tensor
    """Its last entries, [R, G]."""
    past: Tensor
    """What was played in the L rounds before, like the history."""
    played: Tensor
    """What is played now, [R + V R, G]; of the round after a rollout, nothing."""


class Environment:
    """G games of one instance. A rollout is T rounds: in each, prices first, then demands."""

    def __init__(
        self,
        game: BatchedGame,
        layout: ObservationLayout,
        *,
        games: int,
        rounds: int,
        episode: int,
        rates: tuple[Tensor, Tensor],
        prices: str = "geometric",
        dynamics: Dynamics | None = None,
        generator: torch.Generator,
    ) -> None:
        """Begin an episode.

        Args:
            game: the instance on its device.
            layout: what players observe.
            games: G.
            rounds: T, rounds of one rollout.
            episode: rounds after which the history is drawn anew; a multiple of ``rounds``.
            rates: lambda_j and mu_j [1/s], each [R].
            prices: kind of the price scale.
            dynamics: of ``games`` games and ``rounds`` rounds; None: every round is alike.
            generator: source of the initial histories, on the CPU or the game's device.
        """
        if episode % rounds:
            raise ValueError(f"episode: must be a multiple of {rounds} rounds, got {episode}")
        self.game, self.layout = game, layout
        self.games, self.rounds, self.episode = games, rounds, episode
        self.price_scale = price_scale(game.instance, prices)
        self.bandwidth_scale = bandwidth_scale(game.instance)
        self._dynamics = dynamics
        self.circumstances = AS_GIVEN
        """What dynamics change, of the rounds of :meth:`outcome`."""
        self._generator = generator
        # Rounds of the running episode and its last rounds: all that is carried on.
        self.episode_round = 0
        size, history = layout.round_size, layout.history
        options = {"dtype": game.dtype, "device": game.device}
        self.past = torch.empty((history + rounds, size, games), **options)
        # One more than T: what players observe after the last round, for its value.
        self.records = torch.zeros((layout.record_size, rounds + 1, games), **options)
        self._first_rate = history * size
        self.rates[:] = (torch.cat(rates).to(**options) / RATE_UNIT)[:, None, None]
        self._rounds = [self._views(t) for t in range(rounds + 1)]
        self.reset()

    def __getstate__(self) -> dict[str, Any]:
        # Copies would not see what views of the original's memory see.
        return {name: value for name, value in self.__dict__.items() if name != "_rounds"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._rounds = [self._views(t) for t in range(self.rounds + 1)]

    @classmethod
    def create(
        cls,
        instance: GameInstance,
        part: EnvironmentPart,
        *,
        surroundings: Surroundings | None = None,
        games: int | None = None,
        rounds: int | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        generator: torch.Generator,
    ) -> Environment:
        """Games as a training file describes them.

        Args:
            instance: the game.
            part: the file's ``environment``.
            surroundings: its queues and radio; the usual ones by default.
            games: instead of the part's.
            rounds: instead of the part's.
            device: where to compute.
            dtype: precision.
            generator: of all random numbers, on the CPU or the device.

        Raises:
            DynamicsError: something would change that shapes nothing in this game.
        """
        games, rounds = games or part.games, rounds or part.rounds
        around = surroundings or Surroundings.of_instance(instance)
        game = BatchedGame(instance, delay_penalty=part.delay_penalty, device=device, dtype=dtype)
        layout = ObservationLayout(
            instance.n_avs, instance.n_rsus, part.history, part.observe_current_price
        )
        dynamics = None
        if part.dynamics != DynamicsPart():
            dynamics = Dynamics(
                game, part.dynamics, around, games=games, rounds=rounds, generator=generator
            )
        return cls(
            game,
            layout,
            games=games,
            rounds=rounds,
            episode=part.episode,
            rates=(torch.from_numpy(around.arrival_rate), torch.from_numpy(around.service_rate)),
            prices=part.price_scale,
            dynamics=dynamics,
            generator=generator,
        )

    @property
    def _first_price(self) -> int:
        return self.layout.record_size - self.layout.n_rsus

    def _views(self, t: int) -> _Round:
        history, record = self.layout.history, self.records[:, t]
        past = self.past[t : t + history].view(-1, self.games)
        return _Round(
            record=record,
            history=record[: len(past)],
            prices=record[self._first_price :],
            past=past,
            played=self.past[history + t : history + t + 1].view(-1, self.games),
        )

    def reset(self) -> None:
        """A new episode: the rounds before it are drawn at random (Section V-A)."""
        shares = torch.rand(
            self.past[-self.layout.history :].shape,
            generator=self._generator,
            dtype=self.game.dtype,
            device=self._generator.device,
        )
        self.past[-self.layout.history :] = as_input(shares).to(self.game.device)
        if self._dynamics is not None:
            self._dynamics.reset()
            self._show_arrivals()
        self.episode_round = 0

    def begin(self) -> None:
        """Start a rollout: keep the last L rounds, or begin the next episode."""
        if self.ended:
            self.reset()
        history = self.layout.history
        self.past[:history] = self.past[-history:].clone()
        if self._dynamics is not None:
            self._dynamics.advance()
            self._show_arrivals()
            self.circumstances = self._dynamics.circumstances()
        self.episode_round += self.rounds

    def _show_arrivals(self) -> None:
        assert self._dynamics is not None
        arrivals = self._dynamics.arrival_rates()
        if arrivals.ndim > 1:
            self.rates[: self.layout.n_rsus] = arrivals.permute(2, 0, 1) / RATE_UNIT

    def leaders_see(self, t: int) -> Tensor:
        """The record of round t of the rollout before prices are known, [record, G].

        t = T is the round after the rollout; also right after :meth:`reset`, before :meth:`begin`.
        """
        now = self._rounds[t]
        now.history.copy_(now.past)
        now.prices.zero_()
        return now.record

    def post_prices(self, t: int, shares: Tensor) -> Tensor:
        """Stage I: all prices as shares of their intervals, [R, G]; what followers see."""
        now = self._rounds[t]
        now.prices.copy_(as_input(shares))
        return now.record

    def post_demands(self, t: int, shares: Tensor) -> None:
        """Stage II: all demands as shares of their intervals, [V R, G], row by row."""
        now = self._rounds[t]
        n_rsus = self.layout.n_rsus
        now.played[:n_rsus] = now.prices
        now.played[n_rsus:] = as_input(shares)

    @property
    def played(self) -> Tensor:
        """Prices and demands as players see them, [T + 1, R + V R, G]; the first was before."""
        return self.past[self.layout.history - 1 :]

    @property
    def rates(self) -> Tensor:
        """lambda_j and mu_j as players see them, [2 R, T + 1, G]."""
        return self.records[self._first_rate : self._first_price]

    @property
    def ended(self) -> bool:
        """Whether the episode ends with this rollout."""
        return self.episode_round >= self.episode

    def outcome(self) -> tuple[Tensor, Tensor]:
        """Prices [T + 1, G, R] and demands [T + 1, G, V, R] in their own units."""
        played = (self.played.transpose(1, 2) + 1.0) / 2.0
        n_avs, n_rsus = self.layout.n_avs, self.layout.n_rsus
        prices = self.price_scale.value(played[..., :n_rsus])
        demands = self.bandwidth_scale.value(played[..., n_rsus:])
        return prices, demands.reshape(*demands.shape[:-1], n_avs, n_rsus)

    def quiet_utilities(self, shares: Tensor) -> Tensor:
        """What each AV would have earned with other demands of its own, all else as played.

        Args:
            shares: those demands as shares of their intervals, [V, R, T, G].

        Returns:
            Rewards as :meth:`rewards` gives them [money], [V, T, G].
        """
        n_avs, n_rsus, rounds, games = shares.shape
        prices, demand = self.outcome()
        flat = shares.permute(2, 3, 0, 1).reshape(rounds, games, n_avs * n_rsus)
        own = self.bandwidth_scale.value(flat).view(rounds, games, n_avs, n_rsus)
        rewards = self.game.own_rewards(prices[1:], demand[1:], own, self.circumstances[1:])
        return rewards.permute(2, 0, 1)

    def rewards(self) -> Tensor:
        """What agents earn [money], [R + V, T + 1, G]; the first are of the round before.

        U^L and U^F, less the cost of missed deadlines (:meth:`.game.BatchedGame.rewards`).
        """
        profits, utilities = self.game.rewards(*self.outcome(), self.circumstances)
        return torch.cat([profits, utilities], -1).permute(2, 0, 1)

    def state(self) -> dict[str, Tensor]:
        """With the generator, what the next rollout begins with."""
        walks = {} if self._dynamics is None else self._dynamics.state()
        past = self.past[-self.layout.history :].clone()
        return {"past": past, "round": torch.tensor(self.episode_round), **walks}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on where :meth:`state` was taken."""
        self.past[-self.layout.history :] = state["past"]
        self.episode_round = int(state["round"])
        if self._dynamics is not None:
            self._dynamics.load_state(state)

"""One game as a PettingZoo ``ParallelEnv``, for multi-agent learning libraries.

    from veaat_migration.learning.parallel_env import MigrationParallelEnv

    env = MigrationParallelEnv("config/base.yaml")
    observations, infos = env.reset(seed=1)
    while env.agents:
        actions = {agent: env.action_space(agent).sample() for agent in env.agents}
        observations, rewards, terminations, truncations, infos = env.step(actions)

RSUs price before AVs buy, but a parallel environment moves all agents at once. ``stages`` says how
the two go together:

``sequential`` (default)
    A round takes two steps. In the first only RSUs act (Stage I), in the second only AVs (Stage
    II), which then see the prices they answer; the second step pays everybody. All agents stay
    live throughout, as libraries expect: an action out of turn may be anything of the right shape
    or be left out, and ``infos[agent]["acting"]`` says whether the next action counts.
``simultaneous``
    A round is one step: everybody acts on the rounds before, as the paper's observations have it.
    AVs then answer prices one round late.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from gymnasium.spaces import Box
from pettingzoo import ParallelEnv
from torch import Tensor

from veaat_migration.errors import VeaatError
from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.account import Account
from veaat_migration.learning.config import EnvironmentPart
from veaat_migration.learning.environment import Environment
from veaat_migration.learning.surroundings import Surroundings, load_surroundings

Values = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
Infos = dict[str, dict[str, Any]]
Results = tuple[dict[str, Values], dict[str, float], dict[str, bool], dict[str, bool], Infos]

RENDER_MODES = ("ansi", "human")
TOLERANCE = 1e-5
"""Actions may miss their interval by so much of its length: float32 cannot say all bounds."""


class ActionError(VeaatError, ValueError):
    """An action that is missing, of wrong shape, not a number or out of range."""


class MigrationParallelEnv(ParallelEnv[str, Values, Values]):
    """One game with agents ``rsu_1``, ... and ``av_1``, ...; see the module for its stages.

    ``infos[agent]`` always holds

    - ``acting``: whether the agent's next action counts;
    - ``round``: rounds played in this episode;
    - ``utility``: what this step earned by Eq. (9) or (10) [money], 0 in steps that pay nothing;
    - ``price`` [money/MHz] of an RSU, ``demand`` [MHz, one entry per RSU] of an AV, as last played;
    - ``lateness``: how much an AV's expected delay was over its limit [s], see ``delay_penalty``.
    """

    metadata = {  # noqa: RUF012 - PettingZoo's own declaration
        "name": "veaat_migration_v0",
        "render_modes": list(RENDER_MODES),
        "is_parallelizable": True,
    }

    def __init__(
        self,
        game: GameInstance | str | os.PathLike[str],
        *,
        environment: EnvironmentPart | None = None,
        surroundings: Surroundings | None = None,
        stages: Literal["sequential", "simultaneous"] | None = None,
        actions: Literal["share", "unit"] = "share",
        out_of_range: Literal["error", "clip"] = "error",
        reward_scale: float = 1.0,
        observe_turn: bool = False,
        render_mode: Literal["ansi", "human"] | None = None,
    ) -> None:
        """Set up the game; :meth:`reset` begins an episode.

        Args:
            game: a game, or the path of a scenario or instance file.
            environment: episode, history, scale of prices, delay penalty and dynamics, as in
                training files; ``games`` and ``rounds`` do not matter here.
            surroundings: queues and radio; those of the file or the usual ones by default.
            stages: see the module; by default sequential where ``environment`` lets AVs observe
                current prices. AVs see them in sequential stages only.
            actions: ``share``: shares of the intervals in [0, 1], prices on the environment's
                scale; ``unit``: prices [money/MHz] and bandwidths [MHz].
            out_of_range: whether actions beyond their bounds are errors or moved to the bound; NaN
                is always an error.
            reward_scale: a reward is money divided by this.
            observe_turn: append an entry to observations: 1 where the agent acts next, else 0.
            render_mode: ``ansi``: :meth:`render` returns text; ``human``: paid steps print it.

        Raises:
            ScenarioError: the file is unreadable or malformed.
            DynamicsError: something would change that shapes nothing in this game.
            ValueError: an option is not one of its choices.
        """
        part = environment or EnvironmentPart()
        if stages is None:
            stages = "sequential" if part.observe_current_price else "simultaneous"
        _choice("stages", stages, ("sequential", "simultaneous"))
        _choice("actions", actions, ("share", "unit"))
        _choice("out_of_range", out_of_range, ("error", "clip"))
        _choice("render_mode", render_mode, (None, *RENDER_MODES))
        if not 0.0 < reward_scale < float("inf"):
            raise ValueError(f"reward_scale: must be finite and > 0, got {reward_scale!r}")
        if not isinstance(game, GameInstance):
            game, around = load_surroundings(game)
            surroundings = surroundings or around
        self.instance, self.render_mode = game, render_mode
        self.stages, self.observe_turn = stages, observe_turn
        self.reward_scale = float(reward_scale)
        self._actions, self._clip = actions, out_of_range == "clip"
        self._generator = torch.Generator()
        self._environment = Environment.create(
            game,
            part.model_copy(update={"observe_current_price": stages == "sequential"}),
            surroundings=surroundings,
            games=1,
            rounds=1,
            dtype=torch.float64,
            generator=self._generator,
        )
        self.layout = self._environment.layout
        self.leaders = [f"rsu_{j}" for j in range(1, game.n_rsus + 1)]
        self.followers = [f"av_{i}" for i in range(1, game.n_avs + 1)]
        self.possible_agents = [*self.leaders, *self.followers]
        self.agents: list[str] = []
        self._build_spaces()
        self._seeded = False
        self._account = Account(game)
        self._round, self._buying = 0, False
        self._record = self._environment.leaders_see(1)

    def _build_spaces(self) -> None:
        layout, environment = self.layout, self._environment
        self._columns = {
            **{a: np.array(layout.leader_columns(j)) for j, a in enumerate(self.leaders)},
            **{a: np.array(layout.follower_columns(i)) for i, a in enumerate(self.followers)},
        }
        low, high = np.full(layout.record_size, -1.0), np.ones(layout.record_size)
        rates = layout.history * layout.round_size + np.arange(2 * layout.n_rsus)
        low[rates] = 0.0
        # lambda_j < mu_j, whatever it does.
        service = environment.rates[layout.n_rsus :, 0, 0].numpy()
        high[rates] = np.tile(service, 2)
        self.state_space = _box(low, high)
        turn = int(self.observe_turn)
        self.observation_spaces = {
            agent: _box(
                np.append(low[columns], np.zeros(turn)), np.append(high[columns], np.ones(turn))
            )
            for agent, columns in self._columns.items()
        }
        self._bounds: dict[str, FloatArray] = {}
        for agents, scale in (
            (self.leaders, environment.price_scale),
            (self.followers, environment.bandwidth_scale),
        ):
            ends = np.array([scale.low, scale.high])
            if self._actions == "share":
                ends = np.array([np.zeros_like(scale.low), np.ones_like(scale.high)])
            self._bounds.update(zip(agents, np.split(ends, len(agents), axis=1), strict=True))
        self.action_spaces = {agent: _box(*bound) for agent, bound in self._bounds.items()}

    def observation_space(self, agent: str) -> Box:
        """What ``agent`` observes: :class:`.policy.observation.ObservationLayout`."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Box:
        """One price of an RSU; one bandwidth per RSU of an AV."""
        return self.action_spaces[agent]

    @property
    def acting(self) -> list[str]:
        """Agents whose next action counts; none when the episode is over."""
        if not self.agents:
            return []
        if self.stages == "simultaneous":
            return self.agents
        return self.followers if self._buying else self.leaders

    def reset(
        self,
        seed: int | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002 - part of the interface, none exist
    ) -> tuple[dict[str, Values], Infos]:
        """Begin an episode with a history drawn at random; ``seed`` makes it repeatable."""
        if seed is not None:
            self._generator.manual_seed(seed)
        elif not self._seeded:
            self._generator.seed()
        self._seeded = True
        self._environment.reset()
        self.agents = list(self.possible_agents)
        self._round, self._buying = 0, False
        self._account.begin(self._environment)
        self._record = self._environment.leaders_see(1)
        return self._observations(), self._infos()

    def step(self, actions: Mapping[str, Any]) -> Results:
        """Play a stage, or a round where stages are simultaneous.

        Raises:
            ActionError: an action that counts is missing or has no meaning; nothing was played.
        """
        if not self.agents:
            if actions:
                raise ActionError("actions: the episode is over; call reset() first")
            return {}, {}, {}, {}, {}
        unknown = [agent for agent in actions if agent not in self.agents]
        if unknown:
            raise ActionError(f"actions: no such agent: {', '.join(map(str, unknown))}")
        environment, agents = self._environment, self.agents
        pricing, buying = self.leaders[0] in self.acting, self.followers[0] in self.acting
        prices = self._shares(actions, self.leaders) if pricing else None
        demands = self._shares(actions, self.followers) if buying else None
        self._account.clear()
        if prices is not None:
            environment.begin()
            environment.leaders_see(0)
            self._record = environment.post_prices(0, prices)
        if demands is not None:
            environment.post_demands(0, demands)
            self._account.settle(environment)
            self._record = environment.leaders_see(1)
            self._round += 1
        over = buying and environment.ended
        self._buying = not buying
        if over:
            self.agents = []
        if buying and self.render_mode == "human":
            print(self._text())
        rewards = (self._account.rewards / self.reward_scale).tolist()
        return (
            self._observations(),
            dict(zip(agents, rewards, strict=True)),
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, over),
            self._infos(),
        )

    def state(self) -> Values:
        """All that may be observed, for a central critic: the record of the layout."""
        record: Values = self._record[:, 0].numpy().astype(np.float32)
        return record

    def render(self) -> str | None:
        """Prices, demands and utilities of the last round as text."""
        if self.render_mode is None:
            return None
        text = self._text()
        if self.render_mode == "human":
            print(text)
            return None
        return text

    def _text(self) -> str:
        return f"round {self._round}\n" + self._account.table(self.leaders, self.followers)

    def close(self) -> None:
        """Nothing is held."""

    def _observations(self) -> dict[str, Values]:
        record = self.state()
        if not self.observe_turn:
            return {agent: record[columns] for agent, columns in self._columns.items()}
        acting = self.acting
        return {
            agent: np.append(record[columns], np.float32(agent in acting))
            for agent, columns in self._columns.items()
        }

    def _infos(self) -> Infos:
        account, acting = self._account, self.acting
        infos: Infos = {}
        for k, agent in enumerate(self.possible_agents):
            infos[agent] = {
                "acting": agent in acting,
                "round": self._round,
                "utility": float(account.utilities[k]),
            }
        for j, agent in enumerate(self.leaders):
            infos[agent]["price"] = float(account.prices[j])
        for i, agent in enumerate(self.followers):
            infos[agent]["demand"] = account.demands[i].copy()
            infos[agent]["lateness"] = float(account.lateness[i])
        return infos

    def _shares(self, actions: Mapping[str, Any], agents: list[str]) -> Tensor:
        """The agents' actions as shares of their intervals, one after another, [n, 1]."""
        values = np.concatenate([self._checked(actions, agent) for agent in agents])
        if self._actions == "unit":
            environment = self._environment
            prices = agents is self.leaders
            scale = environment.price_scale if prices else environment.bandwidth_scale
            values = scale.share(values)
        return torch.from_numpy(np.clip(values, 0.0, 1.0))[:, None]

    def _checked(self, actions: Mapping[str, Any], agent: str) -> FloatArray:
        low, high = self._bounds[agent]
        if agent not in actions:
            raise ActionError(f"actions[{agent!r}]: missing, it is this agent's turn")
        try:
            values = np.asarray(actions[agent], dtype=np.float64).reshape(low.shape)
        except (TypeError, ValueError) as error:
            raise ActionError(
                f"actions[{agent!r}]: must be {len(low)} number(s), got {actions[agent]!r}"
            ) from error
        if np.isnan(values).any():
            raise ActionError(f"actions[{agent!r}]: must be numbers, got {values}")
        margin = TOLERANCE * (high - low)
        if not self._clip and ((values < low - margin) | (values > high + margin)).any():
            raise ActionError(
                f"actions[{agent!r}]: must lie between {low} and {high}, got {values}; "
                "out_of_range='clip' would move it there"
            )
        clipped: FloatArray = np.clip(values, low, high)
        return clipped


def _box(low: Any, high: Any) -> Box:
    return Box(np.array(low, dtype=np.float32), np.array(high, dtype=np.float32), dtype=np.float32)


def _choice(name: str, value: Any, options: tuple[Any, ...]) -> None:
    if value not in options:
        raise ValueError(f"{name}: must be one of {options}, got {value!r}")

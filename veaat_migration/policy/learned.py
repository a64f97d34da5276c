"""Learned policies in the slot of every policy: they remember rounds, and know when not to answer.

Where a learned policy cannot answer, the fallback given to it does: players differ from those it
was trained with, its history is not complete, or a value is not finite. ``reason`` says why.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from veaat_migration.errors import VeaatError
from veaat_migration.policy.artifact import PolicyArtifact
from veaat_migration.policy.interface import (
    FloatArray,
    FollowerObservation,
    FollowerPolicy,
    LeaderObservation,
    LeaderPolicy,
)
from veaat_migration.policy.round_memory import RoundMemory
from veaat_migration.policy.runtime import Actor, NotFiniteError, NumpyActor
from veaat_migration.policy.schema import PolicySchema

IndexArray = npt.NDArray[np.intp]

HOLD = 2
"""Rounds in a row for which a missing value is taken from the round before. One lost offer
touches two: a follower misses its price, and the receipt in it for the round before."""
_REHEARSALS = 3
"""Of a decision, see :meth:`LearnedFollower.rehearse`. More make little difference."""
Fallback = TypeVar("Fallback")
MakeActor = Callable[[PolicyArtifact], Actor]
"""A runtime: what makes a policy's actor."""


class PolicyMismatchError(VeaatError, ValueError):
    """A policy that was made for another player or role."""


class Reason(str, Enum):
    """Why a learned policy left the answer to its fallback."""

    PLAYERS = "players differ from those of the policy"
    HISTORY = "the history is not complete"
    NOT_FINITE = "a value is not finite"


class _Learned(Generic[Fallback]):
    """What leaders and followers have in common."""

    name = "learned"
    role: str

    def __init__(
        self,
        artifact: PolicyArtifact,
        fallback: Fallback,
        *,
        hold: int = HOLD,
        actor: MakeActor = NumpyActor,
    ) -> None:
        if isinstance(hold, bool) or not isinstance(hold, int) or hold < 0:
            raise ValueError(f"hold: must be a whole number >= 0, got {hold!r}")
        self.fallback = fallback
        """Answers where the policy cannot."""
        self.reason: Reason | None = None
        """Why the last answer came from the fallback; None: it is the policy's own."""
        self.fallbacks = dict.fromkeys(Reason, 0)
        """Answers of the fallback since the start, by reason."""
        self.decisions = 0
        """The policy's own answers since the start."""
        self._hold = hold
        self._make_actor = actor
        self._use(artifact)

    @property
    def artifact(self) -> PolicyArtifact:
        """The policy that is in use."""
        return self._artifact

    def swap(self, artifact: PolicyArtifact, *, actor: Actor | None = None) -> None:
        """Use another policy of the same agent from the next answer on.

        The history is kept where both observe the same record; otherwise it begins anew. What
        can fail is done before anything changes.

        Args:
            artifact: the policy.
            actor: one made from it beforehand, where that takes time; None: made here.

        Raises:
            PolicyMismatchError: the policy is another agent's.
        """
        old = self._artifact.schema
        new = artifact.schema
        if (new.role, new.agent_id) != (old.role, old.agent_id):
            raise PolicyMismatchError(
                f"policy: is one of {new.role} {new.agent_id}, but {old.role} {old.agent_id} "
                f"plays; give it its own"
            )
        self._use(artifact, keep=new.same_inputs(old), actor=actor)

    def rehearse(self) -> None:
        """Decide something without effect, shortly before a decision is due.

        Between two rounds other programs push code and data of a decision out of the
        processor's caches; getting them back takes several times as long as deciding. Once
        brings them back; the next times teach the processor the way through the code.
        """
        for _ in range(_REHEARSALS):
            self._memory.rehearse()
            with contextlib.suppress(NotFiniteError):
                self._actor.act_on_record(self._memory.record)

    def _use(
        self, artifact: PolicyArtifact, *, keep: bool = False, actor: Actor | None = None
    ) -> None:
        if artifact.schema.role != self.role:
            raise PolicyMismatchError(
                f"policy: is one of a {artifact.schema.role}, but a {self.role} plays; "
                f"give it its own"
            )
        if actor is None:
            actor = self._make_actor(artifact)
        elif actor.digest != artifact.digest:
            raise ValueError("actor: is one of another policy")
        if not keep:
            self._begin(artifact.schema)
        self._artifact, self._actor = artifact, actor

    def _begin(self, schema: PolicySchema) -> None:
        """Start without a history."""
        self._memory = RoundMemory(schema, hold=self._hold)
        self._rsu_ids, self._av_ids = schema.rsu_ids, schema.av_ids

    def _answer(self, matches: bool) -> list[float] | None:
        """The policy's own answer to the record, or None and the reason."""
        if not self._memory.complete:
            self._give_up(Reason.HISTORY if matches else Reason.PLAYERS)
            return None
        try:
            action = self._actor.act_on_record(self._memory.record)
        except NotFiniteError:
            self._give_up(Reason.NOT_FINITE)
            return None
        self.reason = None
        self.decisions += 1
        return action

    def _give_up(self, reason: Reason) -> None:
        self.reason = reason
        self.fallbacks[reason] += 1


class LearnedLeader(_Learned[LeaderPolicy]):
    """The price of one RSU by a learned policy."""

    role = "leader"

    def __init__(
        self,
        artifact: PolicyArtifact,
        fallback: LeaderPolicy,
        *,
        arrival_rate: float | None = None,
        service_rate: float | None = None,
        hold: int = HOLD,
        actor: MakeActor = NumpyActor,
    ) -> None:
        """Rates lambda_j, mu_j [1/s] are the RSU's own; None: those it was trained with.

        ``actor`` is the runtime: :class:`NumpyActor`, or what makes an
        :class:`~veaat_migration.policy.onnx_runtime.OnnxActor`.

        Raises:
            PolicyMismatchError: the policy is a follower's.
        """
        self._rates = (arrival_rate, service_rate)
        super().__init__(artifact, fallback, hold=hold, actor=actor)

    def set_rates(self, arrival_rate: float | None, service_rate: float | None) -> None:
        """Observe other rates from now on; None: those the policy was trained with."""
        self._rates = (arrival_rate, service_rate)
        self._show_rates(self._artifact.schema)

    def act(self, observation: LeaderObservation) -> float:
        """The price for ``observation.round`` [money/MHz]."""
        rsu_ids, av_ids = observation.rsu_ids, observation.av_ids
        if rsu_ids == self._rsu_ids and av_ids == self._av_ids:
            matches = True
            self._memory.add(observation.round - 1, observation.prices, observation.demand)
        else:
            matches = self._add_part(observation)
        action = self._answer(matches)
        return self.fallback.act(observation) if action is None else action[0]

    def _use(
        self, artifact: PolicyArtifact, *, keep: bool = False, actor: Actor | None = None
    ) -> None:
        super()._use(artifact, keep=keep, actor=actor)
        self._show_rates(artifact.schema)

    def _show_rates(self, schema: PolicySchema) -> None:
        rates = []
        for trained, own in zip(
            (schema.arrival_rate, schema.service_rate), self._rates, strict=True
        ):
            values = np.array(trained)
            if own is not None:
                values[schema.agent] = own
            rates.append(values)
        self._memory.set_rates(*rates)

    def _add_part(self, observation: LeaderObservation) -> bool:
        """A round without some of the players; whether the others are those of the policy."""
        if not observation.av_ids:
            # The first round, or nobody bid: not a change of players.
            self._memory.add(
                observation.round - 1, *_nothing(len(self._av_ids), len(self._rsu_ids))
            )
            return True
        rows = _places(observation.av_ids, self._av_ids)
        columns = _places(observation.rsu_ids, self._rsu_ids)
        if rows is None or columns is None:
            self._memory.forget()
            return False
        prices, demand = _nothing(len(self._av_ids), len(self._rsu_ids))
        prices[columns] = observation.prices
        demand[rows[:, None], columns] = observation.demand
        self._memory.add(observation.round - 1, prices, demand)
        return False


class LearnedFollower(_Learned[FollowerPolicy]):
    """The bandwidth demand of one AV by a learned policy."""

    role = "follower"

    def __init__(
        self,
        artifact: PolicyArtifact,
        fallback: FollowerPolicy,
        *,
        hold: int = HOLD,
        actor: MakeActor = NumpyActor,
    ) -> None:
        """``actor`` is the runtime; raises PolicyMismatchError if the policy is a leader's."""
        super().__init__(artifact, fallback, hold=hold, actor=actor)

    def act(self, observation: FollowerObservation) -> FloatArray:
        """The demand from each RSU of ``observation.rsu_ids`` [MHz], shape [R]."""
        if observation.round != self._round:
            matches = self._finish_round(observation)
            self._begin_round(observation)
        else:
            # The same round again, perhaps with other offers.
            matches = True
            self._begin_round(observation)
        if observation.rsu_ids != self._rsu_ids:
            self._give_up(Reason.PLAYERS)
            return self.fallback.act(observation)
        self._memory.set_prices(self._prices)
        action = self._answer(matches)
        return self.fallback.act(observation) if action is None else np.array(action)

    def _begin(self, schema: PolicySchema) -> None:
        super()._begin(schema)
        self._others = tuple(av for av in schema.av_ids if av != schema.agent_id)
        rows = [k for k, av in enumerate(schema.av_ids) if av != schema.agent_id]
        self._other_rows = np.array(rows, dtype=np.intp)
        self._round: int | None = None
        self._prices, self._demand = _nothing(len(self._av_ids), len(self._rsu_ids))
        # Own demand is in the record but not observed; any number in its interval serves.
        self._demand[schema.agent] = 0.0

    def _finish_round(self, observation: FollowerObservation) -> bool:
        """Remember the round before: its prices, which were seen then, and demand, seen now.

        Returns whether the other players are those of the policy.
        """
        if self._round is None:
            return True
        demand, others = self._demand, self._other_rows
        if observation.other_av_ids == self._others and observation.rsu_ids == self._rsu_ids:
            demand[others] = observation.other_demand
            matches = True
        else:
            rows = _places(observation.other_av_ids, self._others)
            columns = _places(observation.rsu_ids, self._rsu_ids)
            if rows is None or columns is None:
                self._memory.forget()
                return False
            demand[others] = np.nan
            demand[others[rows][:, None], columns] = observation.other_demand
            matches = not observation.other_av_ids
        if observation.round == self._round + 1:
            self._memory.add(self._round, self._prices, demand)
        elif observation.round > self._round:
            # Receipts are of the round before this one, prices of an older one.
            unknown = np.full(len(self._rsu_ids), np.nan)
            self._memory.add(observation.round - 1, unknown, demand)
        else:
            self._memory.forget()
        return matches

    def _begin_round(self, observation: FollowerObservation) -> None:
        """Note this round's prices."""
        self._round = observation.round
        if observation.rsu_ids == self._rsu_ids:
            self._prices[:] = observation.prices
            return
        self._prices[:] = np.nan
        columns = _places(observation.rsu_ids, self._rsu_ids)
        if columns is not None:
            self._prices[columns] = observation.prices


def _places(ids: Sequence[int], of: tuple[int, ...]) -> IndexArray | None:
    """Where players stand among those of the policy; None: one is not among them."""
    try:
        return np.array([of.index(player) for player in ids], dtype=np.intp)
    except ValueError:
        return None


def _nothing(n_avs: int, n_rsus: int) -> tuple[FloatArray, FloatArray]:
    """Prices and demands of a round of which nothing is known."""
    return np.full(n_rsus, np.nan), np.full((n_avs, n_rsus), np.nan)

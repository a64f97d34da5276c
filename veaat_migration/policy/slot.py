"""Where a learned policy is put in, replaced and bypassed while a player plays.

One slot serves one life of a player. It always answers: with the policy that was put in last, or
the best response where there is none, where the policy cannot know the answer (:mod:`.learned`) or
where it is set aside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from veaat_migration.policy.interface import (
    FloatArray,
    FollowerObservation,
    FollowerPolicy,
    LeaderObservation,
    LeaderPolicy,
    PolicyReport,
)
from veaat_migration.policy.learned import LearnedFollower, LearnedLeader
from veaat_migration.policy.verdict import Accepted

NO_POLICY = "no policy is loaded"

FallbackT = TypeVar("FallbackT", bound=LeaderPolicy | FollowerPolicy)


class _Slot(ABC, Generic[FallbackT]):
    """What leaders and followers have in common."""

    name = "learned"

    def __init__(self, fallback: FallbackT) -> None:
        self._fallback = fallback
        self._learned: Any = None
        self._accepted: Accepted | None = None
        self._aside = ""
        self._bypass = NO_POLICY
        self._bypassed: dict[str, int] = {}
        self._last = ""

    def load(self, accepted: Accepted) -> None:
        """Answer with this policy from the next decision on.

        A decision is made by one policy: this is called between two of them, by the same thread.

        Raises:
            PolicyMismatchError: the policy is another agent's; the one before stays.
        """
        if self._learned is None:
            self._learned = self._learn(accepted)
        else:
            self._learned.swap(accepted.artifact, actor=accepted.actor)
        self._accepted = accepted
        self._bypass = self._aside

    def set_aside(self, reason: str) -> None:
        """Leave all answers to the fallback because of ``reason``; empty: no longer."""
        self._aside = reason
        self._bypass = NO_POLICY if self._learned is None else reason

    @property
    def accepted(self) -> Accepted | None:
        """The policy that is in the slot."""
        return self._accepted

    @property
    def reason(self) -> str:
        """Why the last answer was the fallback's; empty: it was the policy's own."""
        return self._last

    def report(self) -> PolicyReport:
        """What the player's status tells about the policy."""
        fallbacks = dict(self._bypassed)
        decisions = 0
        if self._learned is not None:
            decisions = self._learned.decisions
            own: dict[Any, int] = self._learned.fallbacks
            fallbacks |= {reason.value: count for reason, count in own.items() if count}
        accepted = self._accepted
        return PolicyReport(
            version=0 if accepted is None else accepted.version,
            sha256="" if accepted is None else accepted.sha256,
            decisions=decisions,
            fallbacks=fallbacks,
            reason=self._last,
        )

    @abstractmethod
    def _learn(self, accepted: Accepted) -> Any:
        """The accepted policy as one of the slot's role."""

    def _answer(self, observation: Any) -> Any:
        bypass = self._bypass
        if bypass:
            self._last = bypass
            self._bypassed[bypass] = self._bypassed.get(bypass, 0) + 1
            return self._fallback.act(observation)
        learned = self._learned
        action = learned.act(observation)
        self._last = "" if learned.reason is None else learned.reason.value
        return action


class LeaderSlot(_Slot[LeaderPolicy]):
    """The slot of an RSU."""

    def __init__(
        self,
        fallback: LeaderPolicy,
        *,
        arrival_rate: float | None = None,
        service_rate: float | None = None,
    ) -> None:
        """Rates lambda_j, mu_j [1/s] are the RSU's own; None: those of training."""
        super().__init__(fallback)
        self._rates = (arrival_rate, service_rate)

    def act(self, observation: LeaderObservation) -> float:
        """The price for ``observation.round`` [money/MHz]."""
        price: float = self._answer(observation)
        return price

    def _learn(self, accepted: Accepted) -> LearnedLeader:
        arrival, service = self._rates
        return LearnedLeader(
            accepted.artifact,
            self._fallback,
            arrival_rate=arrival,
            service_rate=service,
            actor=_given(accepted),
        )


class FollowerSlot(_Slot[FollowerPolicy]):
    """The slot of an AV."""

    def __init__(self, fallback: FollowerPolicy) -> None:
        """Begin without a learned policy."""
        super().__init__(fallback)
        self.observation: FollowerObservation | None = None
        """What the last decision was made from."""

    def act(self, observation: FollowerObservation) -> FloatArray:
        """The demand from each RSU of ``observation.rsu_ids`` [MHz], shape [R]."""
        self.observation = observation
        demand: FloatArray = self._answer(observation)
        return demand

    def rehearse(self) -> None:
        """Make ready for a decision that is due soon, see :meth:`.learned.LearnedFollower`."""
        if not self._bypass:
            self._learned.rehearse()

    def set_fallback(self, fallback: FollowerPolicy) -> None:
        """Use another best response, of another task, from the next decision on."""
        self._fallback = fallback
        if self._learned is not None:
            self._learned.fallback = fallback

    def _learn(self, accepted: Accepted) -> LearnedFollower:
        return LearnedFollower(accepted.artifact, self._fallback, actor=_given(accepted))


def _given(accepted: Accepted) -> Callable[[Any], Any]:
    """The actor that was made and tried when the policy was accepted."""
    return lambda _artifact: accepted.actor

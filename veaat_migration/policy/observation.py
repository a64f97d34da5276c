"""What a learned policy observes (Section V-A): one definition for training and for vehicles.

Everything that may be observed stands in one vector, the *record*; an observation is a choice of
its entries. The record of round t, oldest round first, with L rounds of history, is

    P^(t-L) [R], B^(t-L) [V R], ..., P^(t-1) [R], B^(t-1) [V R], Lambda^t [R], mu^t [R], P^t [R]

with prices and bandwidths as shares of their intervals mapped to [-1, 1] (:mod:`.scaling`) and
the rates of arrival and service divided by :data:`RATE_UNIT`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Array = Any
"""A numpy array or a torch tensor."""

RATE_UNIT = 10.0
"""Rates of arrival and service are observed in units of 10 tasks per second."""


@dataclass(frozen=True)
class ObservationLayout:
    """Which entries of the record each player sees."""

    n_avs: int
    """V, number of followers."""
    n_rsus: int
    """R, number of leaders."""
    history: int = 4
    """L, rounds remembered."""
    observe_current_price: bool = True
    """Followers see the prices of the round they bid in (Stage II); the paper leaves them out."""

    def __post_init__(self) -> None:
        for name in ("n_avs", "n_rsus", "history"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}: must be a whole number >= 1, got {value!r}")
        if not isinstance(self.observe_current_price, bool):
            raise ValueError(
                f"observe_current_price: must be true or false, got {self.observe_current_price!r}"
            )

    @property
    def round_size(self) -> int:
        """Entries of one past round: R prices and V R demands."""
        return self.n_rsus * (1 + self.n_avs)

    @property
    def record_size(self) -> int:
        """Entries of the record."""
        return self.history * self.round_size + 3 * self.n_rsus

    @property
    def leader_size(self) -> int:
        """Entries that one RSU observes."""
        return self.history * self.round_size + 2

    @property
    def follower_size(self) -> int:
        """Entries that one AV observes."""
        seen = self.round_size - self.n_rsus
        return self.history * seen + (self.n_rsus if self.observe_current_price else 0)

    def leader_columns(self, rsu: int) -> list[int]:
        """Entries of the record in o_j: the history, lambda_j and mu_j. ``rsu`` from 0."""
        past = self.history * self.round_size
        return [*range(past), past + rsu, past + self.n_rsus + rsu]

    def follower_columns(self, av: int) -> list[int]:
        """Entries of the record in o_i: the history without own demand; P^t. ``av`` from 0."""
        own = set(self._own_demand(av))
        past = self.history * self.round_size
        columns = [column for column in range(past) if column not in own]
        if self.observe_current_price:
            columns.extend(range(past + 2 * self.n_rsus, past + 3 * self.n_rsus))
        return columns

    def _own_demand(self, av: int) -> Iterator[int]:
        for age in range(self.history):
            first = age * self.round_size + self.n_rsus + av * self.n_rsus
            yield from range(first, first + self.n_rsus)

    def names(self) -> list[str]:
        """What each entry of the record is, players numbered from 1."""
        rsus, avs = range(1, self.n_rsus + 1), range(1, self.n_avs + 1)
        names = []
        for age in range(self.history, 0, -1):
            names += [f"price[t-{age}][rsu {j}]" for j in rsus]
            names += [f"demand[t-{age}][av {i}][rsu {j}]" for i in avs for j in rsus]
        names += [f"arrival_rate[t][rsu {j}]" for j in rsus]
        names += [f"service_rate[t][rsu {j}]" for j in rsus]
        return names + [f"price[t][rsu {j}]" for j in rsus]


def as_input(share: Array) -> Array:
    """A share in [0, 1] as policies see it, in [-1, 1]."""
    return 2.0 * share - 1.0

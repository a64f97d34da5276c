"""The queue before re-instantiation: M/M/1 with other work that arrives at random.

Other jobs arrive with exponential gaps of mean 1 / lambda and take exponential times of mean
1 / mu, one after the other. A twin that joins waits for all jobs before it; its mean wait is that
of Eq. t_que, lambda / (mu (mu - lambda)). Then it is re-instantiated on the RSU's compute in C / f.
As in the model, that runs beside the queue: migrations do not slow down other work.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from veaat_migration.game.delay import queueing_delay, reinstantiation_delay

LONG_GAP = 20.0
"""After this many mean relaxation times without a twin, the queue is drawn anew."""


@dataclass(frozen=True, slots=True)
class Job:
    """The time that a twin spends at the workbench [s]."""

    joined: float
    starts: float
    """Its turn comes: re-instantiation begins."""
    ends: float


class Workbench:
    """One RSU's queue, simulated event by event, but only when somebody looks."""

    def __init__(
        self,
        arrival_rate: float,
        service_rate: float,
        compute: float,
        generator: np.random.Generator,
    ) -> None:
        """Begin in the steady state.

        Args:
            arrival_rate: lambda_j of other jobs [1/s].
            service_rate: mu_j [1/s], > lambda.
            compute: f_j [GHz].
            generator: of arrivals and service times.

        Raises:
            InstanceError: the queue is not stable, or a rate is out of range.
        """
        self.mean_wait = float(queueing_delay(arrival_rate, service_rate))
        """Expected wait of a twin, lambda / (mu (mu - lambda)) [s]."""
        reinstantiation_delay(0.0, compute)
        self._arrival_rate = float(arrival_rate)
        self._service_rate = float(service_rate)
        self._compute = float(compute)
        self._draw = generator
        self._departures: deque[float] = deque()
        self._next_arrival = math.inf
        self._seen: float | None = None

    def join(self, cycles: float, now: float) -> Job:
        """Queue up for work of ``cycles`` [Gcycles]; ``now`` must not run backwards."""
        self._advance(now)
        starts = max(now, self._departures[-1]) if self._departures else now
        return Job(now, starts, starts + float(reinstantiation_delay(cycles, self._compute)))

    def position(self, job: Job, now: float) -> int:
        """Jobs that ``job`` still has to wait for."""
        return sum(1 for departure in self._departures if now < departure <= job.starts)

    def length(self, now: float) -> int:
        """Other jobs in the system, the one in service included."""
        self._advance(now)
        return len(self._departures)

    def _advance(self, now: float) -> None:
        """Let other jobs arrive and leave up to now."""
        if self._arrival_rate == 0.0:
            return
        relaxation = 1.0 / (math.sqrt(self._service_rate) - math.sqrt(self._arrival_rate)) ** 2
        if self._seen is None or now - self._seen > LONG_GAP * relaxation:
            self._begin_steady(now)
        self._seen = now
        while self._next_arrival <= now:
            self._arrive(self._next_arrival)
            self._next_arrival += self._draw.exponential(1.0 / self._arrival_rate)
        while self._departures and self._departures[0] <= now:
            self._departures.popleft()

    def _begin_steady(self, now: float) -> None:
        """Draw the number in the system from its stationary (geometric) distribution."""
        load = self._arrival_rate / self._service_rate
        self._departures.clear()
        for _ in range(int(self._draw.geometric(1.0 - load)) - 1):
            self._arrive(now)
        self._next_arrival = now + self._draw.exponential(1.0 / self._arrival_rate)

    def _arrive(self, time: float) -> None:
        starts = max(time, self._departures[-1]) if self._departures else time
        self._departures.append(starts + self._draw.exponential(1.0 / self._service_rate))

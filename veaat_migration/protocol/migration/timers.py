"""Many alarms, of which the next one is needed."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Timers(Generic[K]):
    """Alarms by key; setting one again moves it."""

    def __init__(self) -> None:
        """Begin without alarms."""
        self._times: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0

    def set(self, key: K, time: float) -> None:
        """Ring at ``time``."""
        self._times[key] = time
        self._count += 1
        heapq.heappush(self._heap, (time, self._count, key))

    def set_by(self, key: K, time: float) -> None:
        """Ring at ``time``, or earlier if that was set."""
        if time < self._times.get(key, float("inf")):
            self.set(key, time)

    def stop(self, key: K) -> None:
        """Do not ring."""
        self._times.pop(key, None)

    def __contains__(self, key: K) -> bool:
        """Whether an alarm is set."""
        return key in self._times

    @property
    def next(self) -> float | None:
        """Time of the next alarm; None: there is none."""
        heap = self._heap
        while heap and self._times.get(heap[0][2]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def due(self, now: float) -> Iterator[K]:
        """Take the alarms out that ring by ``now``, in order."""
        ringing = []
        while (time := self.next) is not None and time <= now:
            key = heapq.heappop(self._heap)[2]
            del self._times[key]
            ringing.append(key)
        yield from ringing

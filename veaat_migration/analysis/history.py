"""The game round by round, as its settlements tell it: arrays of prices, demands and times."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from veaat_migration.game.instance import FloatArray, GameInstance

if TYPE_CHECKING:
    from veaat_migration.analysis.reading import Received, Recording

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class History:
    """N rounds in ascending order between V AVs and R RSUs."""

    rounds: IntArray
    """Round numbers, shape [N]."""
    rsu_ids: IntArray
    """Shape [R]."""
    av_ids: IntArray
    """Shape [V]."""
    prices: FloatArray
    """p_j [money/MHz], shape [N, R]; NaN: the RSU did not settle the round."""
    demand: FloatArray
    """b_ij accepted [MHz], shape [N, V, R]; NaN: the RSU accepted no bid of the AV."""
    start: FloatArray
    """Data time of the first offer [s since the first stamp], shape [N]; NaN: not recorded."""
    end: FloatArray
    """Data time of the last settlement [s since the first stamp], shape [N]."""
    unfinished_round: int | None = None
    """Round that was still being settled when the recording ended; it is not among the N."""
    strangers: int = 0
    """Entries of settlements with players that the game does not have; left out."""

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """Rounds in which every RSU accepted a bid of every AV, shape [N]."""
        return np.asarray(np.isfinite(self.demand).all(axis=(1, 2)))

    @property
    def durations(self) -> FloatArray:
        """Time from the first offer to the last settlement of each round [s], shape [N]."""
        return self.end - self.start


def history_of(recording: Recording, instance: GameInstance | None) -> History:
    """Arrange the settlements of a recording.

    Args:
        recording: a recording.
        instance: the game; its players are the rows and columns. None: the players seen.
    """
    settlements = recording.messages["settlements"]
    if instance is None:
        rsu_ids = _ids([received.message.rsu_id] for received in settlements)
        av_ids = _ids(received.message.av_ids for received in settlements)
    else:
        rsu_ids = np.arange(1, instance.n_rsus + 1)
        av_ids = np.arange(1, instance.n_avs + 1)
    row = {int(number): n for n, number in enumerate(av_ids)}
    column = {int(number): n for n, number in enumerate(rsu_ids)}
    rounds = _ids([received.message.round] for received in settlements)
    unfinished = _unfinished(settlements, rounds)
    if unfinished is not None:
        rounds = rounds[:-1]
    index = {int(number): n for n, number in enumerate(rounds)}
    prices = np.full((len(rounds), len(rsu_ids)), np.nan)
    demand = np.full((len(rounds), len(av_ids), len(rsu_ids)), np.nan)
    end = np.full(len(rounds), np.nan)
    origin = _origin(recording)
    strangers = 0
    for received in settlements:
        m = received.message
        n, j = index.get(int(m.round)), column.get(int(m.rsu_id))
        if n is None:
            continue
        if j is None:
            strangers += 1
            continue
        if np.isfinite(prices[n, j]):
            continue  # settled twice; the audit tells, the first one counts
        prices[n, j] = m.price
        for av_id, bandwidth in zip(m.av_ids, m.bandwidth, strict=False):
            i = row.get(int(av_id))
            if i is None:
                strangers += 1
            else:
                demand[n, i, j] = bandwidth
        end[n] = np.fmax(end[n], _since(received, origin))
    return History(
        rounds, rsu_ids, av_ids, prices, demand,
        _starts(recording, index, origin), end, unfinished, strangers,
    )  # fmt: skip


def _ids(groups: Iterable[Iterable[Any]]) -> IntArray:
    return np.array(sorted({int(number) for group in groups for number in group}), dtype=np.int64)


def _unfinished(settlements: list[Received], rounds: IntArray) -> int | None:
    """The last round, if RSUs that settled the one before it had not settled it yet."""
    if len(rounds) < 2:
        return None
    by_round: dict[int, set[int]] = {int(rounds[-1]): set(), int(rounds[-2]): set()}
    for received in settlements:
        m = received.message
        if int(m.round) in by_round:
            by_round[int(m.round)].add(int(m.rsu_id))
    before, last = by_round[int(rounds[-2])], by_round[int(rounds[-1])]
    return int(rounds[-1]) if before - last else None


def _origin(recording: Recording) -> int:
    stamps = [
        received.stamp
        for topic in ("price_offers", "settlements")
        for received in recording.messages[topic]
        if received.stamp is not None
    ]
    return min(stamps, default=0)


def _since(received: Received, origin: int) -> float:
    return ((received.stamp or 0) - origin) / 1e9


def _starts(recording: Recording, index: dict[int, int], origin: int) -> FloatArray:
    start = np.full(len(index), np.nan)
    for received in recording.messages["price_offers"]:
        n = index.get(int(received.message.round))
        if n is not None and not received.message.closing:
            start[n] = np.fmin(start[n], _since(received, origin))
    return start

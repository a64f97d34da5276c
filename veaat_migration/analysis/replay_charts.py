"""Curves of a run with migrating twins: prices, age of twins, downtime, load of RSUs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from veaat_migration.analysis.reading import Received, Recording
from veaat_migration.analysis.replay_data import ReplayRecorder
from veaat_migration.analysis.replay_sources import thinned

if TYPE_CHECKING:
    from veaat_migration.analysis.replay_migrations import Cast

FEW_AVS = 12
"""So many AVs have a curve each; of more there are statistics."""
OWNER = 4
"""``HostStatus.COPY_OWNER`` in a recording."""


def add_charts(recorder: ReplayRecorder, cast: Cast, recording: Recording, interval: float) -> None:
    """Add all curves, the most important charts first.

    Args:
        recorder: of the replay.
        cast: who takes part.
        recording: what was recorded.
        interval: between two points of a statistic [s].
    """
    statuses = recording.messages["twin_status"]
    settled = recording.messages["settlements"]
    hosts = recording.messages["host_status"]
    offers = settled or recording.messages["price_offers"]
    _by_rsu(recorder, cast, offers, "Price", "money/MHz", lambda m: float(m.price))
    _ages(recorder, cast, statuses, interval)
    _downtime(recorder, cast, statuses, interval)
    _by_rsu(recorder, cast, settled, "Bandwidth sold", "MHz", lambda m: float(sum(m.bandwidth)))
    _by_rsu(recorder, cast, settled, "Earned per round", "money", lambda m: float(sum(m.payment)))
    _by_rsu(recorder, cast, hosts, "Twins", "", lambda m: float(list(m.kinds).count(OWNER)))
    _by_rsu(recorder, cast, hosts, "Other jobs waiting", "", lambda m: float(m.queue_length))
    _by_rsu(recorder, cast, hosts, "Reputation", "", lambda m: float(m.reputation))


def _by_rsu(
    recorder: ReplayRecorder,
    cast: Cast,
    messages: Iterable[Received],
    chart: str,
    unit: str,
    value: Callable[[Any], float],
) -> None:
    """A line for each RSU."""
    lines: dict[int, list[tuple[float, Any]]] = {}
    for received in messages:
        index = cast.rsu(received.message.rsu_id)
        if index >= 0 and not getattr(received.message, "closing", False):
            lines.setdefault(index, []).append((cast.time(received), received.message))
    for index, entries in sorted(lines.items()):
        name = cast.places[index].name
        for time, message in thinned(entries):
            recorder.value(time, chart, name, value(message), unit=unit, rsu=index)


def _bins(
    cast: Cast, statuses: Iterable[Received], interval: float
) -> Iterator[tuple[float, dict[int, list[Any]]]]:
    """Statuses by AV, between two moments each; the second of these moments [s]."""
    now, by_av = 0, dict[int, list[Any]]()
    for received in statuses:
        number = math.floor(cast.time(received) / interval)
        if number != now and by_av:
            yield (now + 1) * interval, by_av
            by_av = {}
        now = number
        by_av.setdefault(int(received.message.av_id), []).append(received.message)
    if by_av:
        yield (cast.end - cast.start) / 1e9, by_av


def _ages(
    recorder: ReplayRecorder, cast: Cast, statuses: Iterable[Received], interval: float
) -> None:
    """The largest age of each twin in each interval, so that no interruption is left out."""
    for time, by_av in _bins(cast, statuses, interval):
        peaks = {
            av_id: max((float(m.age_max) for m in told if math.isfinite(m.age_max)), default=None)
            for av_id, told in by_av.items()
        }
        known = {av_id: peak for av_id, peak in peaks.items() if peak is not None}
        if not known:
            continue
        curves = {cast.avs[av_id]: peak for av_id, peak in known.items()}
        if len(cast.avs) > FEW_AVS:
            values = list(known.values())
            middle, high = np.percentile(values, [50.0, 95.0]).tolist()
            curves = {"largest": max(values), "95 %": high, "median": middle}
        for name, value in curves.items():
            recorder.value(time, "Age of twin", name, _short(value), unit="s")


def _downtime(
    recorder: ReplayRecorder, cast: Cast, statuses: Iterable[Received], interval: float
) -> None:
    """All downtime so far, of each AV or of all together."""
    former: dict[int, float] = {}
    last: dict[int, tuple[int, float]] = {}
    for time, by_av in _bins(cast, statuses, interval):
        for av_id, told in by_av.items():
            for message in told:
                session, before = last.get(av_id, (int(message.session), 0.0))
                if message.session != session:
                    former[av_id] = former.get(av_id, 0.0) + before
                last[av_id] = int(message.session), float(message.downtime)
        sums = {av_id: former.get(av_id, 0.0) + now for av_id, (_, now) in last.items()}
        curves = {cast.avs[av_id]: value for av_id, value in sums.items()}
        if len(cast.avs) > FEW_AVS:
            curves = {"all AVs": math.fsum(sums.values())}
        for name, value in curves.items():
            recorder.value(time, "Downtime so far", name, _short(value), unit="s")


def _short(value: float) -> float:
    return float(f"{value:.4g}")

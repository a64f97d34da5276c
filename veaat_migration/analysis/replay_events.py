"""What happened to twins and machines, as the events of a replay."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from veaat_migration.analysis.migration_tables import ERRORS, STANDINGS
from veaat_migration.analysis.reading import Received, Recording
from veaat_migration.analysis.replay_data import NOBODY, Phase, ReplayRecorder
from veaat_migration.analysis.replay_sources import MAX_EVENTS

if TYPE_CHECKING:
    from veaat_migration.analysis.replay_migrations import Cast

MIGRATED = "migrated"
"""Kind of the event of a migration without an error; the others have the error as their kind."""


@dataclass(frozen=True)
class Happening:
    """One event."""

    time: float
    """[s]"""
    kind: str
    text: str
    av_id: int = 0
    """0: none."""
    rsu_id: int = 0
    """0: none."""


def list_events(recorder: ReplayRecorder, cast: Cast, recording: Recording, gap: float) -> None:
    """Add all events; beyond :data:`MAX_EVENTS`, ends of migrations go first.

    Args:
        recorder: of the replay.
        cast: who takes part.
        recording: what was recorded.
        gap: an RSU that was silent for longer is told about [s].
    """
    found = [
        *ends(cast, recording.messages["migration_reports"]),
        *_machines(cast, recording.messages["host_status"], gap),
        *_standings(cast, recording.messages["twin_status"]),
        *_requests(cast, recording.messages["twin_status"]),
    ]
    for event in found[:MAX_EVENTS]:
        recorder.event(
            event.time,
            event.kind,
            event.text,
            vehicle=cast.avs.get(event.av_id),
            rsu=cast.rsu(event.rsu_id) if event.rsu_id else NOBODY,
        )


def ends(cast: Cast, reports: list[Received]) -> Iterator[Happening]:
    """How each migration ended."""
    for received in reports:
        report = received.message
        error = ERRORS.get(int(report.error), str(report.error))
        text = f"{_av(cast, report.av_id)}: {cast.rsu_name(report.source_rsu_id)} to "
        text += cast.rsu_name(report.target_rsu_id) if report.target_rsu_id else "nobody"
        if report.error == 0:
            text += f" in {report.total_delay:.2f} s"
            text += "".join(_details(report))
            kind = MIGRATED
        else:
            kind = error
            reason = f" ({report.message})" if report.message else ""
            text += f" failed: {error.replace('_', ' ')}{reason}"
            text += f"; twin now at {cast.rsu_name(report.owner_rsu_id)}"
        owner = report.target_rsu_id or report.owner_rsu_id
        yield Happening(cast.time(received), kind, text, int(report.av_id), int(owner))


def _details(report: Any) -> Iterator[str]:
    if math.isfinite(report.bandwidth):
        yield f", {report.bandwidth:.1f} MHz"
        if math.isfinite(report.price):
            yield f" at {report.price:.2f}"
    if report.migration_delay > report.tolerated_delay:
        yield f", later than {report.tolerated_delay:.2f} s"
    if math.isfinite(report.downtime):
        yield f", paused {report.downtime:.2f} s"


def _requests(cast: Cast, statuses: list[Received]) -> Iterator[Happening]:
    seen: set[tuple[int, int]] = set()
    for received in statuses:
        status = received.message
        key = (int(status.av_id), int(status.migration))
        if key[1] and key not in seen:
            seen.add(key)
            text = f"{_av(cast, status.av_id)} asks for "
            if status.source_rsu_id:
                text += f"a migration from {cast.rsu_name(status.source_rsu_id)}"
            else:
                text += "the first deployment of its twin"
            yield Happening(
                cast.time(received), "requested", text, key[0], int(status.source_rsu_id)
            )


def _standings(cast: Cast, statuses: list[Received]) -> Iterator[Happening]:
    """Owners that fall silent, copies that take their place, AVs that start anew."""
    last: dict[int, Any] = {}
    told: dict[int, str] = {}
    for received in statuses:
        status, av_id = received.message, int(received.message.av_id)
        before = last.get(av_id)
        last[av_id] = status
        if before is None:
            continue
        who, time = _av(cast, av_id), cast.time(received)
        owner = int(status.owner_rsu_id)
        if status.session != before.session:
            yield Happening(time, "restarted", f"{who} has started anew", av_id)
        elif status.recoveries > before.recoveries:
            text = f"{who}: an older copy of its twin at {cast.rsu_name(owner)} took over"
            yield Happening(time, "recovered", text, av_id, owner)
        standing = STANDINGS.get(int(status.standing), "")
        # An owner that hands over is silent on purpose.
        if standing == told.get(av_id, "settled") or (
            standing == "silent" and status.phase >= Phase.QUEUED
        ):
            continue
        told[av_id] = standing
        text = {
            "silent": f"{who}: {cast.rsu_name(owner)}, which owns its twin, is silent",
            "searching": f"{who} looks for its twin",
            "settled": f"{who}: {cast.rsu_name(owner)} answers for its twin",
        }.get(standing, "")
        if text:
            yield Happening(time, "owner", text, av_id, owner)


def _machines(cast: Cast, statuses: list[Received], gap: float) -> Iterator[Happening]:
    """RSUs that fall silent, and those that start anew."""
    last: dict[int, tuple[float, int, int]] = {}
    for received in statuses:
        rsu_id, session = int(received.message.rsu_id), int(received.message.session)
        time, name = cast.time(received), cast.rsu_name(rsu_id)
        before, known, count = last.get(rsu_id, (time, session, 0))
        limit = _limit(before, count, gap)
        if time - before > limit:
            yield Happening(before + limit, "silent", f"{name} is silent", rsu_id=rsu_id)
        if session != known:
            yield Happening(time, "restarted", f"{name} has started anew", rsu_id=rsu_id)
        elif time - before > limit:
            yield Happening(time, "silent", f"{name} is back", rsu_id=rsu_id)
        last[rsu_id] = time, session, count + 1
    end = (cast.end - cast.start) / 1e9
    for rsu_id, (before, _, count) in last.items():
        limit = _limit(before, count, gap)
        if end - before > limit:
            text = f"{cast.rsu_name(rsu_id)} is silent"
            yield Happening(before + limit, "silent", text, rsu_id=rsu_id)


def _limit(time: float, count: int, gap: float) -> float:
    """Silence that means something: statuses may be rare by the node's settings [s]."""
    return max(gap, 3.0 * time / count) if count else gap


def _av(cast: Cast, av_id: Any) -> str:
    return cast.avs.get(int(av_id), f"av{int(av_id)}")

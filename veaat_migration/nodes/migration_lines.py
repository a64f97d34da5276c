"""What a person sees of running migrations: one line for each thing that happens, without ROS."""

from __future__ import annotations

import math
from typing import Any, TextIO

from veaat_migration.protocol.migration.codes import ErrorCode, Phase

MEGABYTE = 1e6
_WORDS = {
    Phase.NEGOTIATING: "asks",
    Phase.TRANSFERRING: "transfers",
    Phase.QUEUED: "waits at",
    Phase.REINSTANTIATING: "is rebuilt at",
}


def place(rsu_id: int) -> str:
    """An RSU, or the AV itself, in words."""
    return f"RSU {rsu_id}" if rsu_id else "home"


def report_line(report: Any) -> str:
    """The end of a migration; ``report`` has the fields of MigrationReport."""
    way = f"AV {report.av_id}: {place(report.source_rsu_id)} -> {place(report.target_rsu_id)}"
    if report.error != ErrorCode.NONE:
        name = ErrorCode(report.error).name.lower().replace("_", " ")
        moved = ", moved" if report.moved else ""
        return f"{way} failed after {report.total_delay:.2f} s{moved}: {name}, {report.message}"
    bought = f"{report.bandwidth:.2f} MHz"
    if not math.isnan(report.price):
        bought += f" at {report.price:.2f}"
    return (
        f"{way}: {report.size / MEGABYTE:.1f} MB with {bought} in {report.total_delay:.2f} s = "
        f"game {_shown(report.negotiation_delay)} + transfer {_shown(report.transfer_delay)} + "
        f"queue {_shown(report.queueing_delay)} + rebuilt {_shown(report.reinstantiation_delay)} + "
        f"handover {_shown(report.handover_delay)}; service stopped {_shown(report.downtime)} s"
    )


def _shown(seconds: float) -> str:
    return "?" if math.isnan(seconds) else f"{seconds:.2f}"


class MigrationLines:
    """Writes lines as migrations go on."""

    def __init__(self, stream: TextIO, begin: float) -> None:
        """Write to ``stream``; times count from ``begin`` [s]."""
        self._stream = stream
        self._begin = begin
        self._phases: dict[int, tuple[int, int]] = {}
        self._owners: dict[int, int] = {}

    def status(self, status: Any, now: float) -> None:
        """Take an AV's TwinStatus."""
        phase = (status.migration, status.phase)
        if phase != self._phases.get(status.av_id) and status.phase in _WORDS:
            what = _WORDS[Phase(status.phase)]
            if status.phase == Phase.NEGOTIATING:
                targets = " ".join(map(str, status.candidate_rsu_ids)) or "none"
                where = f" for offers, leaves {place(status.owner_rsu_id)}, RSUs ahead: {targets}"
            elif status.phase == Phase.TRANSFERRING:
                where = f" from {place(status.source_rsu_id)} to {place(status.target_rsu_id)}"
            else:
                where = f" {place(status.target_rsu_id)}"
            self._write(now, f"AV {status.av_id} {what}{where}")
        self._phases[status.av_id] = phase

    def report(self, report: Any, now: float) -> None:
        """Take an AV's MigrationReport."""
        self._write(now, report_line(report))

    def _write(self, now: float, line: str) -> None:
        print(f"{now - self._begin:7.2f} s  {line}", file=self._stream, flush=True)

"""An RSU as the source of migrations."""

from __future__ import annotations

from veaat_migration.game.delay import data_rate, transmission_delay
from veaat_migration.protocol.migration.codes import CopyKind, ErrorCode, Phase
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.custody import Custody
from veaat_migration.protocol.migration.messages import (
    Announcement,
    Envelope,
    Final,
    Order,
    Progress,
    Proposal,
    Receipt,
    Verdict,
    to_av,
    to_rsu,
)
from veaat_migration.protocol.migration.outgoing import Outgoing, OutgoingState
from veaat_migration.protocol.migration.store import Copy
from veaat_migration.protocol.migration.timers import Timers
from veaat_migration.protocol.migration.twin import live_digest


class Sending:
    """The transfers that leave one RSU, in one life of it."""

    def __init__(
        self,
        rsu_id: int,
        custody: Custody,
        config: MigrationConfig,
        timers: Timers[tuple[str, int]],
    ) -> None:
        """Begin with none; tasks on ``timers`` are ``send`` and ``final``."""
        self._rsu_id = rsu_id
        self._custody = custody
        self._config = config
        self._timers = timers
        self._outgoing: dict[int, Outgoing] = {}
        self._failed: dict[int, Progress] = {}
        """Last failure for each AV: an order that is repeated is answered with it."""
        self._reported: dict[int, float] = {}
        self._closed: dict[int, int] = {}
        """Last migration of each AV that is known to be decided: late orders are ignored."""

    def resume(self, av_id: int, now: float) -> None:
        """Go on, after a restart, with a handover whose outcome is not known."""
        copy = self._custody.held[av_id]
        if copy.kind is CopyKind.FROZEN:
            self._timers.set(("final", av_id), now)

    def on_order(self, order: Order, now: float) -> list[Envelope] | None:
        """Do what an AV has ordered; None: this RSU does not own the twin in that epoch."""
        copy = self._custody.held.get(order.av_id)
        if copy is None or copy.epoch != order.epoch or copy.kind is CopyKind.BACKUP:
            return None
        if copy.kind is CopyKind.FROZEN or order.migration <= self._closed.get(order.av_id, 0):
            return []
        failed = self._failed.get(order.av_id)
        if failed is not None and failed.migration == order.migration:
            return [to_av(order.av_id, failed)]
        if order.target_id == 0:
            return self._announce(order)
        if order.target_id == self._rsu_id:
            return self._report_failure(
                order.av_id, order.migration, ErrorCode.TARGET_REFUSED, "the twin is here already"
            )
        return self._move(order, copy, now)

    def on_receipt(self, receipt: Receipt, now: float) -> list[Envelope]:
        """Learn what a target has."""
        av_id = receipt.av_id
        outgoing = self._outgoing.get(av_id)
        if outgoing is None or outgoing.migration != receipt.migration:
            return []
        outgoing.take(receipt, now)
        if outgoing.state is OutgoingState.READY:
            if self._custody.owned(av_id) is None:
                self._stop(av_id)
                return []
            frozen = self._custody.freeze(av_id, receipt.migration, receipt.target_id)
            self._stop(av_id)
            return self._send_final(frozen, now)
        return self._go_on(av_id, outgoing, now)

    def on_timer(self, task: str, av_id: int, now: float) -> list[Envelope]:
        """Send what is due."""
        if task == "final":
            copy = self._custody.held.get(av_id)
            if copy is None or copy.kind is not CopyKind.FROZEN:
                return []
            return self._send_final(copy, now)
        outgoing = self._outgoing.get(av_id)
        return [] if outgoing is None else self._go_on(av_id, outgoing, now)

    def on_verdict(self, verdict: Verdict, now: float) -> None:
        """Stop what an AV has called off, or what has come to its end."""
        av_id = verdict.av_id
        self._closed[av_id] = max(verdict.closed, self._closed.get(av_id, 0))
        outgoing = self._outgoing.get(av_id)
        if outgoing is not None and (
            outgoing.migration <= verdict.closed or self._custody.owned(av_id) is None
        ):
            self._stop(av_id)
        copy = self._custody.held.get(av_id)
        if copy is None or copy.kind is not CopyKind.FROZEN:
            self._timers.stop(("final", av_id))
        elif ("final", av_id) not in self._timers:
            self._timers.set(("final", av_id), now)
        failed = self._failed.get(av_id)
        if failed is not None and failed.migration <= verdict.closed:
            del self._failed[av_id]

    def forget(self, av_id: int) -> None:
        """Stop whatever there is for an AV, for good."""
        self._stop(av_id)
        self._timers.stop(("final", av_id))
        self._failed.pop(av_id, None)
        self._closed.pop(av_id, None)

    def _announce(self, order: Order) -> list[Envelope]:
        progress = Progress(order.av_id, order.migration, self._rsu_id, Phase.NEGOTIATING)
        announcement = Announcement(order.av_id, order.migration, self._rsu_id)
        return [to_av(order.av_id, progress), to_rsu(0, announcement)]

    def _move(self, order: Order, copy: Copy, now: float) -> list[Envelope]:
        """Begin a transfer, or go on with it at the pace that was bought now."""
        rate = data_rate(order.bandwidth, order.efficiency)
        duration = float(transmission_delay(copy.data, rate))
        outgoing = self._outgoing.get(order.av_id)
        if outgoing is not None and outgoing.migration > order.migration:
            return []
        if not duration < float("inf"):
            return self._report_failure(
                order.av_id, order.migration, ErrorCode.TRANSFER_BROKEN, "the link carries nothing"
            )
        same = outgoing is not None and outgoing.migration == order.migration
        if outgoing is None or not same:
            proposal = Proposal(
                av_id=order.av_id,
                migration=order.migration,
                epoch=copy.epoch,
                source_id=self._rsu_id,
                target_id=order.target_id,
                size=copy.size,
                chunk_size=self._config.chunk_size,
                digest=copy.digest,
                version=copy.version,
                live=copy.live,
                data=copy.data,
                cycles=copy.cycles,
            )
            image = self._custody.image(copy)
            outgoing = Outgoing(proposal, image, duration, self._config, now)
            self._outgoing[order.av_id] = outgoing
        else:
            outgoing.set_duration(duration)
        return self._go_on(order.av_id, outgoing, now)

    def _go_on(self, av_id: int, outgoing: Outgoing, now: float) -> list[Envelope]:
        outputs = [to_rsu(outgoing.proposal.target_id, m) for m in outgoing.poll(now)]
        if outgoing.state is OutgoingState.FAILED:
            self._stop(av_id)
            return self._report_failure(av_id, outgoing.migration, *outgoing.error)
        self._timers.set(("send", av_id), outgoing.next_time)
        if now >= self._reported.get(av_id, now) and outgoing.phase is Phase.TRANSFERRING:
            self._reported[av_id] = now + self._config.progress_period
            progress = Progress(
                av_id,
                outgoing.migration,
                self._rsu_id,
                Phase.TRANSFERRING,
                outgoing.bytes_done,
                outgoing.bytes_total,
            )
            outputs.append(to_av(av_id, progress))
        return outputs

    def _report_failure(
        self, av_id: int, migration: int, error: ErrorCode, reason: str
    ) -> list[Envelope]:
        failure = Progress(
            av_id, migration, self._rsu_id, Phase.TRANSFERRING, error=error, reason=reason
        )
        self._failed[av_id] = failure
        return [to_av(av_id, failure)]

    def _send_final(self, copy: Copy, now: float) -> list[Envelope]:
        self._timers.set(("final", copy.av_id), now + self._config.retransmit_period)
        final = Final(
            copy.av_id,
            copy.migration,
            self._rsu_id,
            copy.other_id,
            copy.version,
            copy.live,
            live_digest(copy.version, copy.live),
        )
        return [to_rsu(copy.other_id, final)]

    def _stop(self, av_id: int) -> None:
        self._outgoing.pop(av_id, None)
        self._reported.pop(av_id, None)
        self._timers.stop(("send", av_id))

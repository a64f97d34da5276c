"""A twin that is still at home in its AV, and its first way to an RSU."""

from __future__ import annotations

import math

from veaat_migration.game.delay import data_rate, transmission_delay
from veaat_migration.protocol.migration.codes import ErrorCode
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.messages import (
    Envelope,
    Final,
    Order,
    Proposal,
    Receipt,
    to_rsu,
)
from veaat_migration.protocol.migration.outgoing import Outgoing, OutgoingState
from veaat_migration.protocol.migration.twin import Twin, image_digest, live_digest


class Home:
    """The AV as the source of a deployment. At home a twin does not change, nor does it act."""

    def __init__(self, av_id: int, twin: Twin | None, config: MigrationConfig) -> None:
        """Keep the twin as the AV can build it; None: it cannot."""
        self._av_id = av_id
        self._twin = twin
        self._config = config
        self._outgoing: Outgoing | None = None
        self._final_at = math.inf
        self.error = (ErrorCode.NONE, "")

    @property
    def next_time(self) -> float:
        """When to call :meth:`go_on`."""
        if self._outgoing is None:
            return math.inf
        return min(self._outgoing.next_time, self._final_at)

    @property
    def bytes(self) -> tuple[int, int]:
        """Bytes that the target has, and all bytes."""
        outgoing = self._outgoing
        return (0, 0) if outgoing is None else (outgoing.bytes_done, outgoing.bytes_total)

    def go_on(self, order: Order, now: float) -> list[Envelope]:
        """Send what is due for a deployment."""
        if self._twin is None:
            self.error = (ErrorCode.SOURCE_DIED, "the AV has no twin to deploy")
            return []
        outgoing = self._outgoing
        if outgoing is None or outgoing.migration != order.migration:
            outgoing = self._begin(order, self._twin, now)
        else:
            outgoing.set_duration(self._duration(order, self._twin))
        target = order.target_id
        outputs = [to_rsu(target, message) for message in outgoing.poll(now)]
        if outgoing.state is OutgoingState.FAILED:
            self.error = outgoing.error
        elif outgoing.state is OutgoingState.READY and now >= self._final_at:
            self._final_at = now + self._config.retransmit_period
            outputs.append(to_rsu(target, self._final(order, self._twin)))
        return outputs

    def take(self, receipt: Receipt, now: float) -> None:
        """Learn what the target has."""
        outgoing = self._outgoing
        if outgoing is not None and outgoing.migration == receipt.migration:
            outgoing.take(receipt, now)
            if outgoing.state is OutgoingState.READY and self._final_at == math.inf:
                self._final_at = now

    def stop(self) -> None:
        """Send no more."""
        self._outgoing = None
        self._final_at = math.inf
        self.error = (ErrorCode.NONE, "")

    def _begin(self, order: Order, twin: Twin, now: float) -> Outgoing:
        self.stop()
        proposal = Proposal(
            av_id=self._av_id,
            migration=order.migration,
            epoch=order.epoch,
            source_id=0,
            target_id=order.target_id,
            size=len(twin.image),
            chunk_size=self._config.chunk_size,
            digest=image_digest(twin.image),
            version=twin.version,
            live=twin.live,
            data=twin.data,
            cycles=twin.cycles,
        )
        duration = self._duration(order, twin)
        self._outgoing = Outgoing(proposal, twin.image, duration, self._config, now)
        return self._outgoing

    def _duration(self, order: Order, twin: Twin) -> float:
        rate = data_rate(order.bandwidth, order.efficiency)
        return float(transmission_delay(twin.data, rate))

    def _final(self, order: Order, twin: Twin) -> Final:
        return Final(
            self._av_id,
            order.migration,
            0,
            order.target_id,
            twin.version,
            twin.live,
            live_digest(twin.version, twin.live),
        )

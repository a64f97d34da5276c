"""The sending side of a transfer: chunks, paced by the bought bandwidth."""

from __future__ import annotations

import zlib
from enum import Enum

from veaat_migration.protocol.migration.codes import ErrorCode, Phase
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.messages import Chunk, Proposal, Receipt


class OutgoingState(Enum):
    """Where a transfer stands, as its source knows it."""

    PROPOSED = 0
    SENDING = 1
    ARRIVED = 2
    """The target has all bytes; its queue and re-instantiation follow."""
    READY = 3
    FAILED = 4


class Outgoing:
    """One twin on its way to a target. Ask :meth:`poll` at :attr:`next_time`."""

    def __init__(
        self,
        proposal: Proposal,
        image: bytes,
        duration: float,
        config: MigrationConfig,
        now: float,
    ) -> None:
        """Propose a transfer that takes ``duration`` [s] on the air."""
        self.proposal = proposal
        self.state = OutgoingState.PROPOSED
        self.phase = Phase.TRANSFERRING
        self.error = (ErrorCode.NONE, "")
        self._image = image
        self._count = -(-len(image) // proposal.chunk_size)
        self._config = config
        self._interval = duration / self._count
        self._acknowledged = 0
        self._cursor = 0
        self._sent_at: dict[int, float] = {}
        self._due = now
        self._ask_at = now
        self._heard = self._advanced = now

    @property
    def migration(self) -> int:
        """Which migration this is."""
        return self.proposal.migration

    @property
    def bytes_done(self) -> int:
        """Bytes that the target has."""
        return min(self._acknowledged * self.proposal.chunk_size, len(self._image))

    @property
    def bytes_total(self) -> int:
        """Bytes of the image."""
        return len(self._image)

    @property
    def next_time(self) -> float:
        """When to call :meth:`poll`."""
        if self.state is OutgoingState.SENDING:
            return min(self._due, self._ask_at)
        return self._ask_at

    def set_duration(self, duration: float) -> None:
        """Change the pace for what is left: the channel, or what was bought, has changed."""
        self._interval = duration / self._count

    def poll(self, now: float) -> list[Proposal | Chunk]:
        """What is due now: chunks, and the question where the transfer stands."""
        if self.state is OutgoingState.FAILED:
            return []
        outputs: list[Proposal | Chunk] = []
        if now >= self._ask_at:
            self._check_silence(now)
            if self.error[0] is not ErrorCode.NONE:
                return []
            self._ask_at = now + self._config.retransmit_period
            outputs.append(self.proposal)
        while self.state is OutgoingState.SENDING and self._due <= now:
            index = self._next_index(now)
            if index is None:
                break
            outputs.append(self._chunk(index))
            self._sent_at[index] = now
            self._due += self._interval
        return outputs

    def take(self, receipt: Receipt, now: float) -> None:
        """Learn where the transfer stands. Receipts may be old or repeated."""
        if self.state is OutgoingState.FAILED:
            return
        self._heard = now
        if self.state is OutgoingState.READY:
            return
        if receipt.error is not ErrorCode.NONE:
            self._fail(receipt.error, receipt.reason)
            return
        if self.state is OutgoingState.PROPOSED:
            self.state = OutgoingState.SENDING
            self._due = now + self._interval
            self._cursor = min(receipt.next_index, self._count)
            self._advanced = now
        if receipt.next_index > self._acknowledged:
            self._advanced = now
            for index in range(self._acknowledged, min(receipt.next_index, self._count)):
                self._sent_at.pop(index, None)
            self._acknowledged = min(receipt.next_index, self._count)
            self._cursor = max(self._cursor, self._acknowledged)
        elif receipt.phase is Phase.TRANSFERRING and receipt.next_index == 0 < self._acknowledged:
            self._begin_again(now)
        if receipt.phase > Phase.TRANSFERRING:
            self.state = OutgoingState.READY if receipt.ready else OutgoingState.ARRIVED
            self._acknowledged = self._count
        self.phase = max(Phase.TRANSFERRING, receipt.phase)

    def _begin_again(self, now: float) -> None:
        """The target has nothing (any more). An old receipt may say so wrongly: wait a while."""
        if now - self._advanced > self._config.retransmit_period:
            self.state = OutgoingState.SENDING
            self._advanced = now
            self._acknowledged = self._cursor = 0
            self._sent_at.clear()
            self._due = now + self._interval

    def _next_index(self, now: float) -> int | None:
        """The chunk to send; None: none is due, and ``_due`` says when to ask again."""
        first = self._acknowledged
        if first < self._cursor:
            again = self._sent_at.get(first, -1.0) + self._config.retransmit_period
            if now >= again:
                return first
            if self._cursor >= self._count or self._cursor - first >= self._config.window:
                self._due = again
                return None
        if self._cursor >= self._count:
            self._due = self._ask_at
            return None
        self._cursor += 1
        return self._cursor - 1

    def _chunk(self, index: int) -> Chunk:
        proposal = self.proposal
        start = index * proposal.chunk_size
        content = self._image[start : start + proposal.chunk_size]
        return Chunk(
            proposal.av_id,
            proposal.migration,
            proposal.source_id,
            proposal.target_id,
            index,
            content,
            zlib.crc32(content),
        )

    def _check_silence(self, now: float) -> None:
        limit = self._config.peer_timeout
        if now - self._heard > limit:
            self._fail(ErrorCode.TARGET_DIED, f"the target was silent for {limit:g} s")
        elif (
            self.state is OutgoingState.SENDING
            and now - self._advanced > limit + 3 * self._interval
        ):
            self._fail(ErrorCode.TRANSFER_BROKEN, f"no bytes got through for {limit:g} s")

    def _fail(self, error: ErrorCode, reason: str) -> None:
        self.state = OutgoingState.FAILED
        self.error = (error, reason)

"""The receiving side of a transfer: chunks in any order become an image, and then work to do."""

from __future__ import annotations

import zlib

from veaat_migration.protocol.migration.codes import CopyKind, ErrorCode, Phase
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.custody import Custody
from veaat_migration.protocol.migration.messages import Chunk, Proposal, Receipt
from veaat_migration.protocol.migration.workbench import Job


class Incoming:
    """One twin that comes to this RSU, in one life of it."""

    def __init__(self, proposal: Proposal, custody: Custody, config: MigrationConfig) -> None:
        """Go on where the disk says the transfer stands."""
        self.proposal = proposal
        self.job: Job | None = None
        self.ready = False
        """Re-instantiated."""
        self.error = (ErrorCode.NONE, "")
        self._custody = custody
        self._config = config
        self._ahead: dict[int, bytes] = {}
        self._damaged = 0
        self._next = self._resume()

    @property
    def complete(self) -> bool:
        """Whether the image is here and was checked."""
        copy = self._custody.coming.get(self.proposal.av_id)
        return copy is not None and copy.kind >= CopyKind.COMPLETE

    @property
    def bytes_done(self) -> int:
        """Bytes that are here in order."""
        return min(self._next * self.proposal.chunk_size, self.proposal.size)

    def take(self, chunk: Chunk) -> None:
        """Take a chunk; damaged ones and those far ahead count as lost."""
        copy = self._custody.coming[self.proposal.av_id]
        if self.complete or zlib.crc32(chunk.content) != chunk.checksum:
            return
        if not self._next <= chunk.index < self._next + self._config.window:
            return
        if len(chunk.content) != self._length(chunk.index):
            return
        self._ahead[chunk.index] = chunk.content
        while self._next in self._ahead:
            self._custody.append(copy, self._ahead.pop(self._next))
            self._next += 1
        self.finish_image()

    def finish_image(self) -> None:
        """Check the image if all its bytes are here."""
        if self.complete or self.bytes_done < self.proposal.size:
            return
        if self._custody.complete(self.proposal.av_id):
            return
        self._next = 0
        self._ahead.clear()
        self._damaged += 1
        if self._damaged >= self._config.image_retries:
            reason = f"the image arrived damaged {self._damaged} times"
            self.error = (ErrorCode.TRANSFER_BROKEN, reason)

    def phase(self, now: float) -> Phase:
        """Where the twin is."""
        if self.job is None:
            return Phase.QUEUED if self.complete else Phase.TRANSFERRING
        return Phase.QUEUED if now < self.job.starts else Phase.REINSTANTIATING

    def receipt(self, now: float) -> Receipt:
        """What to tell the source."""
        proposal = self.proposal
        return Receipt(
            proposal.av_id,
            proposal.migration,
            proposal.source_id,
            proposal.target_id,
            self.phase(now),
            self.ready,
            self._next,
            *self.error,
        )

    def _resume(self) -> int:
        """Chunks that are here already. A torn last one is dropped with all others."""
        copy = self._custody.coming[self.proposal.av_id]
        there, size = self._custody.received(copy), self.proposal.size
        if there == size:
            return -(-size // self.proposal.chunk_size)
        if there % self.proposal.chunk_size or there > size:
            self._custody.discard_bytes(copy)
            return 0
        return there // self.proposal.chunk_size

    def _length(self, index: int) -> int:
        """Bytes of a chunk."""
        size = self.proposal.chunk_size
        return min(size, self.proposal.size - index * size)

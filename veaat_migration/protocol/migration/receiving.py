"""An RSU as the target of migrations."""

from __future__ import annotations

from collections.abc import Callable

from veaat_migration.protocol.migration.codes import CopyKind, ErrorCode, Phase
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.custody import Custody
from veaat_migration.protocol.migration.incoming import Incoming
from veaat_migration.protocol.migration.messages import (
    Chunk,
    Envelope,
    Final,
    Progress,
    Proposal,
    Receipt,
    to_av,
    to_source,
)
from veaat_migration.protocol.migration.timers import Timers
from veaat_migration.protocol.migration.workbench import Job, Workbench


class Receiving:
    """The twins that come to one RSU and are rebuilt there, in one life of it."""

    def __init__(
        self,
        rsu_id: int,
        custody: Custody,
        config: MigrationConfig,
        timers: Timers[tuple[str, int]],
        workbench: Workbench,
        admit: Callable[[Proposal], str],
    ) -> None:
        """Begin with none; the task on ``timers`` is ``receive``."""
        self._rsu_id = rsu_id
        self._custody = custody
        self._config = config
        self._timers = timers
        self._workbench = workbench
        self._admit = admit
        self._incoming: dict[int, Incoming] = {}
        self._built: dict[int, Job] = {}
        """When the twins that are owned were, or will be, instantiated in this life."""

    def is_instantiated(self, av_id: int, now: float) -> bool:
        """Whether the twin that is owned runs."""
        job = self._built.get(av_id)
        return job is not None and job.ends <= now

    def rebuild(self, av_id: int, now: float) -> None:
        """Instantiate a twin that is held and does not run, as after a restart."""
        copy = self._custody.owned(av_id)
        if copy is not None and av_id not in self._built:
            self._built[av_id] = self._workbench.join(copy.cycles, now)

    def promoted(self, av_id: int, now: float) -> None:
        """The twin is owned from now on: it runs since it was ready, or must be rebuilt."""
        incoming = self._incoming.get(av_id)
        copy = self._custody.held[av_id]
        ours = incoming is not None and incoming.proposal.migration == copy.migration
        job = incoming.job if incoming is not None and ours else None
        self._built[av_id] = job or self._workbench.join(copy.cycles, now)

    def stop(self, av_id: int) -> None:
        """Nothing is coming any more."""
        self._incoming.pop(av_id, None)
        self._timers.stop(("receive", av_id))

    def forget(self, av_id: int) -> None:
        """The twin that was owned runs elsewhere now."""
        self._built.pop(av_id, None)

    def on_proposal(self, proposal: Proposal, now: float) -> list[Envelope]:
        """Begin to receive a twin, or say how far it is."""
        av_id, migration = proposal.av_id, proposal.migration
        held = self._custody.held.get(av_id)
        if held is not None and held.kind is not CopyKind.BACKUP and held.epoch > proposal.epoch:
            return []
        known = self._custody.coming.get(av_id)
        if known is not None and known.migration > migration:
            return []
        incoming = self._incoming.get(av_id)
        if incoming is None or incoming.proposal.migration != migration:
            refusal = self._refusal(proposal)
            if refusal:
                return [to_source(self._refuse(proposal, refusal))]
            if known is None or known.migration != migration:
                self._custody.accept(proposal, reuse=self._config.reuse_images)
            incoming = Incoming(proposal, self._custody, self._config)
            self._incoming[av_id] = incoming
            self._timers.set_by(("claim", av_id), now + self._config.inquiry_period)
            incoming.finish_image()
        return self._advance(av_id, incoming, now, answer=True)

    def on_chunk(self, chunk: Chunk, now: float) -> list[Envelope]:
        """Take a piece of an image."""
        incoming = self._incoming.get(chunk.av_id)
        if incoming is None or incoming.proposal.migration != chunk.migration:
            return []
        incoming.take(chunk)
        return self._advance(chunk.av_id, incoming, now, answer=True)

    def on_final(self, final: Final, now: float) -> bool:
        """Take the last state; true: the AV must decide now."""
        if not self._custody.prepare(final):
            return False
        self._timers.set_by(("claim", final.av_id), now + self._config.retransmit_period)
        return True

    def on_timer(self, av_id: int, now: float) -> list[Envelope]:
        """Report on the queue, and on its end."""
        incoming = self._incoming.get(av_id)
        return [] if incoming is None else self._advance(av_id, incoming, now, answer=False)

    def _advance(
        self, av_id: int, incoming: Incoming, now: float, *, answer: bool
    ) -> list[Envelope]:
        """Let a twin that is complete queue up, and say so."""
        outputs: list[Envelope] = []
        if incoming.complete and incoming.job is None:
            incoming.job = self._workbench.join(incoming.proposal.cycles, now)
        job = incoming.job
        if job is not None:
            if not incoming.ready and now >= job.ends:
                incoming.ready = answer = True
            outputs += self._report(av_id, incoming, job, now)
            # Also when all is done: the AV must see that this RSU lives.
            times = (job.starts, job.ends, now + self._config.progress_period)
            self._timers.set(("receive", av_id), min(t for t in times if t > now))
        if answer:
            outputs.append(to_source(incoming.receipt(now)))
        if incoming.error[0] is not ErrorCode.NONE:
            del self._incoming[av_id]
            self._custody.drop_coming(av_id)
        return outputs

    def _report(self, av_id: int, incoming: Incoming, job: Job, now: float) -> list[Envelope]:
        proposal = incoming.proposal
        progress = Progress(
            av_id,
            proposal.migration,
            self._rsu_id,
            incoming.phase(now),
            proposal.size,
            proposal.size,
            self._workbench.position(job, now),
        )
        return [to_av(av_id, progress)]

    def _refusal(self, proposal: Proposal) -> str:
        if proposal.size > self._config.size_max:
            return f"the image is larger than {self._config.size_max} bytes"
        return self._admit(proposal)

    def _refuse(self, proposal: Proposal, reason: str) -> Receipt:
        return Receipt(
            proposal.av_id,
            proposal.migration,
            proposal.source_id,
            proposal.target_id,
            Phase.TRANSFERRING,
            ready=False,
            next_index=0,
            error=ErrorCode.TARGET_REFUSED,
            reason=reason,
        )

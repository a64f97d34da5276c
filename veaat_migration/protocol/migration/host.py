"""One life of an RSU that keeps twins, as a state machine without I/O or a clock.

Rules: docs/twins.md. Every method takes ``now``, seconds of a clock that never runs backwards, and
returns the messages to send. Whatever a message depends on was written to the disk before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from veaat_migration.protocol.migration.codes import CopyKind
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.custody import Change, Custody
from veaat_migration.protocol.migration.messages import (
    Announcement,
    Chunk,
    Claim,
    Envelope,
    Final,
    Order,
    Proposal,
    Receipt,
    Verdict,
    is_well_formed,
    to_av,
)
from veaat_migration.protocol.migration.receiving import Receiving
from veaat_migration.protocol.migration.sending import Sending
from veaat_migration.protocol.migration.store import Copy, TwinStore
from veaat_migration.protocol.migration.timers import Timers
from veaat_migration.protocol.migration.twin import Twin, check_live
from veaat_migration.protocol.migration.workbench import Workbench

MAX_ANNOUNCEMENTS = 4096


class TwinHost:
    """Keeps the twins at one RSU: serves them, sends them, receives them.

    Call :meth:`on_timer` at :attr:`next_wakeup`.
    """

    def __init__(
        self,
        rsu_id: int,
        config: MigrationConfig,
        store: TwinStore,
        workbench: Workbench,
        *,
        session: int,
        admit: Callable[[Proposal], str] | None = None,
    ) -> None:
        """Take up what the disk has.

        Args:
            rsu_id: from 1.
            config: the same for all machines.
            store: the RSU's disk.
            workbench: its queue and compute.
            session: larger than that of any former life (start time).
            admit: why a proposed twin is refused; empty: it is welcome.
        """
        self.rsu_id = rsu_id
        self.custody = Custody(rsu_id, store)
        self.announcements: dict[int, Announcement] = {}
        """Migrations that other RSUs have announced, by AV: the game is open for them."""
        self.rejected = 0
        """Messages that made no sense."""
        self.changes: Counter[Change] = Counter()
        """What AVs have decided here, counted."""
        self._config = config
        self._session = session
        self._leases: dict[int, float] = {}
        self._nonces: dict[int, int] = {}
        self._timers: Timers[tuple[str, int]] = Timers()
        self._sending = Sending(rsu_id, self.custody, config, self._timers)
        self._receiving = Receiving(
            rsu_id, self.custody, config, self._timers, workbench, admit or _everybody
        )

    def start(self, now: float) -> list[Envelope]:
        """Begin: tell the AVs what is here, and rebuild the twins that are owned."""
        outputs: list[Envelope] = []
        for av_id in list(self.custody.held):
            self._receiving.rebuild(av_id, now)
            self._sending.resume(av_id, now)
        for av_id in {*self.custody.held, *self.custody.coming}:
            outputs += self._claim(av_id, now)
        return outputs

    # The service ------------------------------------------------------------------------------

    def acts(self, av_id: int, now: float) -> bool:
        """Whether this RSU may act as the owner of a twin now: serve it and change its state."""
        return (
            now < self._leases.get(av_id, now)
            and self.custody.owned(av_id) is not None
            and self._receiving.is_instantiated(av_id, now)
        )

    def twin(self, av_id: int) -> Twin | None:
        """The twin of an AV, if this RSU owns it."""
        copy = self.custody.owned(av_id)
        if copy is None:
            return None
        image = self.custody.image(copy)
        return Twin(image, copy.live, copy.version, copy.data, copy.cycles)

    def lease_left(self, av_id: int, now: float) -> float:
        """Time for which this RSU may still act as the owner of a twin [s]; 0: it may not."""
        if self.custody.owned(av_id) is None:
            return 0.0
        return max(self._leases.get(av_id, now) - now, 0.0)

    def head(self, av_id: int, size: int) -> bytes:
        """The first bytes of the image of a twin that this RSU owns; empty: it does not."""
        copy = self.custody.owned(av_id)
        return b"" if copy is None else self.custody.image(copy, size)

    def live(self, av_id: int) -> tuple[int, bytes] | None:
        """Version and live state of a twin that this RSU owns."""
        copy = self.custody.owned(av_id)
        return None if copy is None else (copy.version, copy.live)

    def update(self, av_id: int, live: bytes, now: float) -> bool:
        """Change a twin's live state; false: this RSU may not act for it now.

        Raises:
            TwinError: the state is too long.
        """
        check_live(live)
        if not self.acts(av_id, now):
            return False
        self.custody.update(av_id, bytes(live))
        return True

    def retire(self, av_id: int) -> None:
        """Forget an AV whose journey is over, and its twin: nobody will ask for it again."""
        self.custody.drop(av_id)
        self._receiving.stop(av_id)
        self._receiving.forget(av_id)
        self._sending.forget(av_id)
        self._timers.stop(("claim", av_id))
        self._leases.pop(av_id, None)
        self._nonces.pop(av_id, None)
        self.announcements.pop(av_id, None)

    # Input ------------------------------------------------------------------------------------

    def on_message(self, message: Any, now: float) -> list[Envelope]:
        """Take a message. Never raises, whatever it is."""
        if not is_well_formed(message):
            self.rejected += 1
            return []
        if isinstance(message, Verdict):
            return self._on_verdict(message, now)
        if isinstance(message, Order) and message.rsu_id == self.rsu_id:
            return self._on_order(message, now)
        if isinstance(message, Announcement):
            return self._on_announcement(message)
        if isinstance(message, Receipt) and message.source_id == self.rsu_id:
            return self._sending.on_receipt(message, now)
        if isinstance(message, Proposal | Chunk | Final) and message.target_id == self.rsu_id:
            return self._on_delivery(message, now)
        self.rejected += 1
        return []

    def on_timer(self, now: float) -> list[Envelope]:
        """Do what is due; harmless when called early, late or often."""
        outputs: list[Envelope] = []
        for task, av_id in self._timers.due(now):
            if task == "claim":
                outputs += self._claim(av_id, now)
            elif task in ("send", "final"):
                outputs += self._sending.on_timer(task, av_id, now)
            else:
                outputs += self._receiving.on_timer(av_id, now)
        return outputs

    @property
    def next_wakeup(self) -> float | None:
        """Time at which :meth:`on_timer` must be called; None: not needed."""
        return self._timers.next

    # What happens ------------------------------------------------------------------------------

    def _on_order(self, order: Order, now: float) -> list[Envelope]:
        self._hear(order.av_id, order.number)
        outputs = self._sending.on_order(order, now)
        if outputs is not None:
            return outputs
        # Not the owner that the AV takes us for: say what is here.
        return self._claim(order.av_id, now, always=True)

    def _on_announcement(self, announcement: Announcement) -> list[Envelope]:
        if announcement.source_id != self.rsu_id:
            self.announcements.pop(announcement.av_id, None)
            self.announcements[announcement.av_id] = announcement
            if len(self.announcements) > MAX_ANNOUNCEMENTS:
                del self.announcements[next(iter(self.announcements))]
        return []

    def _on_delivery(self, message: Proposal | Chunk | Final, now: float) -> list[Envelope]:
        if isinstance(message, Proposal):
            return self._receiving.on_proposal(message, now)
        if isinstance(message, Chunk):
            return self._receiving.on_chunk(message, now)
        if self._receiving.on_final(message, now):
            return self._claim(message.av_id, now)
        return []

    def _on_verdict(self, verdict: Verdict, now: float) -> list[Envelope]:
        if verdict.rsu_id not in (0, self.rsu_id):
            self.rejected += 1
            return []
        av_id = verdict.av_id
        self._hear(av_id, verdict.number)
        changes = self.custody.apply(verdict)
        self.changes.update(changes)
        if Change.LOST in changes:
            self._leases.pop(av_id, None)
            self._receiving.forget(av_id)
        if Change.PROMOTED in changes:
            self.announcements.pop(av_id, None)
            self._receiving.promoted(av_id, now)
        elif Change.THAWED in changes:
            self._receiving.rebuild(av_id, now)
        if av_id not in self.custody.coming:
            self._receiving.stop(av_id)
        self._sending.on_verdict(verdict, now)
        self._take_lease(verdict)
        asked = verdict.echo_session == 0
        if changes & {Change.PROMOTED, Change.THAWED} or asked:
            return self._claim(av_id, now, always=asked and verdict.rsu_id == self.rsu_id)
        return []

    def _take_lease(self, verdict: Verdict) -> None:
        copy = self.custody.held.get(verdict.av_id)
        if (
            copy is not None
            and verdict.owner_id == self.rsu_id
            and verdict.epoch == copy.epoch
            and verdict.echo_session == self._session
        ):
            until = verdict.echo_sent + verdict.lease
            self._leases[verdict.av_id] = max(until, self._leases.get(verdict.av_id, until))

    def _claim(self, av_id: int, now: float, *, always: bool = False) -> list[Envelope]:
        """Tell an AV what is here of its twin; ``always``: also that nothing is."""
        copies = list(self.custody.of(av_id))
        if not copies:
            self._timers.stop(("claim", av_id))
            self._leases.pop(av_id, None)
            return [self._make_claim(av_id, None, now)] if always else []
        self._timers.set(("claim", av_id), now + min(self._period(copy) for copy in copies))
        return [self._make_claim(av_id, copy, now) for copy in copies]

    def _period(self, copy: Copy) -> float:
        """How soon to claim again: who waits for a word of the AV asks often."""
        if copy.kind is CopyKind.PREPARED:
            return self._config.retransmit_period
        if copy.kind in (CopyKind.OWNER, CopyKind.FROZEN):
            return self._config.claim_period
        return self._config.inquiry_period

    def _make_claim(self, av_id: int, copy: Copy | None, now: float) -> Envelope:
        nonce = self._nonces.get(av_id, 0)
        if copy is None:
            claim = Claim(av_id, self.rsu_id, self._session, now, CopyKind.NONE, nonce=nonce)
        else:
            claim = Claim(
                av_id,
                self.rsu_id,
                self._session,
                now,
                copy.kind,
                copy.epoch,
                copy.migration,
                copy.version,
                copy.other_id,
                nonce,
            )
        return to_av(av_id, claim)

    def _hear(self, av_id: int, number: int) -> None:
        self._nonces[av_id] = max(number, self._nonces.get(av_id, 0))


def _everybody(_: Proposal) -> str:
    return ""

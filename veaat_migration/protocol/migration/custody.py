"""What one RSU holds of all twins, and what becomes of it when an AV has decided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum

from veaat_migration.protocol.migration.codes import CopyKind
from veaat_migration.protocol.migration.messages import Final, Proposal, Verdict
from veaat_migration.protocol.migration.store import SLOTS, Copy, Slot, TwinStore
from veaat_migration.protocol.migration.twin import ImageHash, image_digest, live_digest


class Change(Enum):
    """What a verdict has changed."""

    NOTHING = 0
    PROMOTED = 1
    """This RSU owns the twin from now on."""
    THAWED = 2
    """The handover is off: this RSU remains the owner."""
    LOST = 3
    """This RSU owned the twin and does no longer."""
    DROPPED = 4
    """A copy that was coming, or a backup, is of no use any more."""


class Custody:
    """The copies at one RSU, in memory and on its disk, which always agree."""

    def __init__(self, rsu_id: int, store: TwinStore) -> None:
        """Take up what the disk has; finish what a former life was doing when it died."""
        self._rsu_id = rsu_id
        self._store = store
        self.held: dict[int, Copy] = {copy.av_id: copy for copy in store.copies("held")}
        self.coming: dict[int, Copy] = {copy.av_id: copy for copy in store.copies("coming")}
        for av_id, copy in list(self.coming.items()):
            held = self.held.get(av_id)
            if (
                held is not None
                and held.kind is CopyKind.OWNER
                and held.migration == copy.migration
            ):
                self._erase("coming", av_id)
        self._hashes: dict[tuple[int, int], ImageHash] = {}
        self._sweep({av_id for av_id, _ in store.images()})

    def of(self, av_id: int) -> Iterator[Copy]:
        """The copies of one twin."""
        for table in (self.held, self.coming):
            if av_id in table:
                yield table[av_id]

    def owned(self, av_id: int) -> Copy | None:
        """The copy, if this RSU owns it and has not frozen it."""
        copy = self.held.get(av_id)
        return copy if copy is not None and copy.kind is CopyKind.OWNER else None

    def image(self, copy: Copy, size: int = -1) -> bytes:
        """The image of a copy, or the first ``size`` bytes of it."""
        return self._store.read_image(copy.av_id, copy.image, size)

    def update(self, av_id: int, live: bytes) -> Copy:
        """Replace the live state of an owned twin."""
        copy = self.held[av_id]
        return self._write("held", replace(copy, live=live, version=copy.version + 1))

    def freeze(self, av_id: int, migration: int, target_id: int) -> Copy:
        """Stop for a handover: from here only the AV's word makes this RSU act again."""
        frozen = replace(
            self.held[av_id], kind=CopyKind.FROZEN, migration=migration, other_id=target_id
        )
        return self._write("held", frozen)

    def accept(self, proposal: Proposal, *, reuse: bool) -> Copy:
        """Begin to receive a twin; bytes that an earlier try left behind count."""
        av_id, image = proposal.av_id, proposal.migration
        known = self.coming.get(av_id)
        if known is not None and known.digest == proposal.digest and known.size == proposal.size:
            image = known.image
        elif reuse and av_id in self.held and self.held[av_id].digest == proposal.digest:
            image = self.held[av_id].image
        copy = Copy(
            av_id=av_id,
            kind=CopyKind.RECEIVING,
            epoch=proposal.epoch,
            migration=proposal.migration,
            other_id=proposal.source_id,
            image=image,
            digest=proposal.digest,
            size=proposal.size,
            version=proposal.version,
            live=proposal.live,
            data=proposal.data,
            cycles=proposal.cycles,
        )
        self._write("coming", copy)
        self._sweep({av_id})
        return copy

    def received(self, copy: Copy) -> int:
        """Bytes that there are of a copy's image."""
        return self._store.image_size(copy.av_id, copy.image)

    def append(self, copy: Copy, content: bytes) -> None:
        """Take the next bytes of an image that is coming."""
        key = (copy.av_id, copy.image)
        if key not in self._hashes and self.received(copy) == 0:
            self._hashes[key] = ImageHash()
        self._store.append_image(copy.av_id, copy.image, content)
        if key in self._hashes:
            self._hashes[key].add(content)

    def discard_bytes(self, copy: Copy) -> None:
        """Forget what has come of an image, but never the image of the copy that is held."""
        held = self.held.get(copy.av_id)
        if held is not None and held.image == copy.image:
            self._write("coming", replace(copy, image=copy.migration))
        else:
            self._drop_image(copy.av_id, copy.image)

    def complete(self, av_id: int) -> bool:
        """Check the image that has come; if it is damaged, all its bytes are dropped."""
        copy = self.coming[av_id]
        # Known already if all bytes came in this life: a large image takes long to read.
        known = self._hashes.pop((copy.av_id, copy.image), None)
        digest = known.digest() if known is not None and known.size == copy.size else None
        if digest != copy.digest and not (digest is None and self._is_sound(copy)):
            self.discard_bytes(copy)
            return False
        self._store.sync_image(copy.av_id, copy.image)
        self._write("coming", replace(copy, kind=CopyKind.COMPLETE))
        return True

    def prepare(self, final: Final) -> bool:
        """Take the last state of a frozen source; false: it does not fit what is here."""
        copy = self.coming.get(final.av_id)
        if copy is None or copy.migration != final.migration or copy.kind < CopyKind.COMPLETE:
            return False
        if live_digest(final.version, final.live) != final.digest:
            return False
        if copy.kind is not CopyKind.PREPARED:
            last = replace(
                copy, kind=CopyKind.PREPARED, version=final.version, live=bytes(final.live)
            )
            self._write("coming", last)
        return True

    def apply(self, verdict: Verdict) -> set[Change]:
        """Do what an AV has decided. Verdicts may come late, twice and in any order."""
        held, coming = self.held.get(verdict.av_id), self.coming.get(verdict.av_id)
        mine = verdict.owner_id == self._rsu_id
        newer = held is None or held.epoch < verdict.epoch
        changes = set()
        if (
            coming is not None
            and mine
            and newer
            and coming.migration == verdict.granted
            and coming.kind >= CopyKind.COMPLETE
        ):
            self._promote(verdict, coming)
            changes.add(Change.PROMOTED)
        elif held is not None:
            changes.add(self._judge(verdict, held, mine=mine, newer=newer))
        coming = self.coming.get(verdict.av_id)
        if coming is not None and coming.migration <= verdict.closed:
            self.drop_coming(verdict.av_id)
            changes.add(Change.DROPPED)
        return changes - {Change.NOTHING}

    def drop_coming(self, av_id: int) -> None:
        """Forget a copy that was on its way."""
        self._erase("coming", av_id)
        self._sweep({av_id})

    def drop(self, av_id: int) -> None:
        """Forget all of a twin."""
        for slot in SLOTS:
            self._erase(slot, av_id)
        self._sweep({av_id})

    def _judge(self, verdict: Verdict, held: Copy, *, mine: bool, newer: bool) -> Change:
        """What a verdict means for the copy that is held."""
        if not newer:
            thawed = (
                held.epoch == verdict.epoch
                and mine
                and held.kind is CopyKind.FROZEN
                and held.migration <= verdict.closed
            )
            if not thawed:
                return Change.NOTHING
            self._write("held", replace(held, kind=CopyKind.OWNER, other_id=0))
            return Change.THAWED
        if mine:
            # The AV may not have known that the migration it grants was promoted already.
            same = held.kind is CopyKind.OWNER and held.migration == verdict.granted
            if not (same or verdict.basis == held.epoch):
                return Change.NOTHING
            if not self._is_sound(held):
                self._erase("held", verdict.av_id)
                self._sweep({verdict.av_id})
                return Change.DROPPED
            self._write("held", self._as_owner(held, verdict))
            return Change.PROMOTED
        lost = held.kind is not CopyKind.BACKUP
        if verdict.backup_id != self._rsu_id:
            self._erase("held", verdict.av_id)
            self._sweep({verdict.av_id})
            return Change.LOST if lost else Change.DROPPED
        if lost or held.other_id != verdict.owner_id:
            backup = replace(
                held,
                kind=CopyKind.BACKUP,
                migration=verdict.granted,
                other_id=verdict.owner_id,
            )
            self._write("held", backup)
        return Change.LOST if lost else Change.NOTHING

    def _promote(self, verdict: Verdict, coming: Copy) -> None:
        """Make the copy that came the one that is held; a crash in between is mended on start."""
        self._write("held", self._as_owner(coming, verdict))
        self._erase("coming", verdict.av_id)
        self._sweep({verdict.av_id})

    def _is_sound(self, copy: Copy) -> bool:
        return image_digest(self.image(copy)) == copy.digest

    def _as_owner(self, copy: Copy, verdict: Verdict) -> Copy:
        return replace(
            copy,
            kind=CopyKind.OWNER,
            epoch=verdict.epoch,
            migration=verdict.granted,
            other_id=0,
        )

    def _write(self, slot: Slot, copy: Copy) -> Copy:
        self._store.write(slot, copy)
        self._table(slot)[copy.av_id] = copy
        return copy

    def _erase(self, slot: Slot, av_id: int) -> None:
        self._store.erase(slot, av_id)
        self._table(slot).pop(av_id, None)

    def _table(self, slot: Slot) -> dict[int, Copy]:
        return self.held if slot == "held" else self.coming

    def _sweep(self, av_ids: set[int]) -> None:
        """Drop images that no copy refers to any more."""
        used = {(c.av_id, c.image) for slot in SLOTS for c in self._table(slot).values()}
        for av_id, image in self._store.images():
            if av_id in av_ids and (av_id, image) not in used:
                self._drop_image(av_id, image)

    def _drop_image(self, av_id: int, image: int) -> None:
        self._hashes.pop((av_id, image), None)
        self._store.drop_image(av_id, image)

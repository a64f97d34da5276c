"""The bytes of a twin on their way: pace, loss, damage, going on after a restart."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veaat_migration.protocol.migration.codes import CopyKind, ErrorCode, Phase
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.custody import Custody
from veaat_migration.protocol.migration.incoming import Incoming
from veaat_migration.protocol.migration.messages import Chunk, Proposal
from veaat_migration.protocol.migration.outgoing import Outgoing, OutgoingState
from veaat_migration.protocol.migration.store import MemoryStore
from veaat_migration.protocol.migration.twin import image_digest

CONFIG = MigrationConfig(chunk_size=100)


def proposal(image: bytes, migration: int = 5, chunk_size: int = 100) -> Proposal:
    return Proposal(
        av_id=1,
        migration=migration,
        epoch=1,
        source_id=1,
        target_id=2,
        size=len(image),
        chunk_size=chunk_size,
        digest=image_digest(image),
        version=3,
        live=b"live",
        data=8.0,
        cycles=1.0,
    )


class Link:
    """A source, a target and the air between them."""

    def __init__(self, size: int = 950, duration: float = 1.0, latency: float = 0.0) -> None:
        self.image = random.Random(size).randbytes(size)
        self.proposal = proposal(self.image)
        self.store = MemoryStore()
        self.latency = latency
        self.outgoing = Outgoing(self.proposal, self.image, duration, CONFIG, 0.0)
        self.restart_target()
        self.now = 0.0
        self.sent: list[tuple[float, int]] = []

    def restart_target(self) -> None:
        self.custody = Custody(2, self.store)
        self.incoming: Incoming | None = None

    def step(self, damage=lambda chunk: chunk) -> None:
        """Let all that is due happen, then go to the next time."""
        receipts = []
        for message in self.outgoing.poll(self.now):
            if isinstance(message, Proposal):
                if self.incoming is None:
                    if 1 not in self.custody.coming:
                        self.custody.accept(message, reuse=False)
                    self.incoming = Incoming(message, self.custody, CONFIG)
                    self.incoming.finish_image()
            else:
                self.sent.append((self.now, message.index))
                arriving = damage(message)
                if arriving is None or self.incoming is None:
                    continue
                self.incoming.take(arriving)
            receipts.append(self.incoming.receipt(self.now))
        for receipt in receipts:
            self.outgoing.take(receipt, self.now)
        self.now = max(self.now + 1e-6, self.outgoing.next_time)

    def run(self, damage=lambda chunk: chunk, limit: float = 60.0) -> float:
        """Run to the end; the time at which all bytes were there."""
        while self.outgoing.state in (OutgoingState.PROPOSED, OutgoingState.SENDING):
            before = self.now
            self.step(damage)
            assert before < limit
        return self.sent[-1][0]

    def arrived(self) -> bool:
        copy = self.custody.coming.get(1)
        return copy is not None and copy.kind is CopyKind.COMPLETE


def test_a_transfer_takes_the_time_that_was_bought() -> None:
    link = Link(duration=2.0)
    assert link.run() == pytest.approx(2.0)
    assert link.arrived()
    gaps = [b[0] - a[0] for a, b in zip(link.sent, link.sent[1:], strict=False)]
    assert gaps == pytest.approx([0.2] * 9)
    assert link.custody.image(link.custody.coming[1]) == link.image


def test_a_new_pace_holds_for_what_is_left() -> None:
    link = Link(duration=2.0)
    while len(link.sent) < 5:
        link.step()
    link.outgoing.set_duration(1.0)
    # The sixth chunk was on the air already.
    assert link.run() == pytest.approx(1.0 + 0.2 + 4 * 0.1)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 2000),
    st.floats(0.0, 0.3),
    st.floats(0.0, 0.2),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_all_bytes_arrive_over_a_bad_link_and_a_target_that_restarts(
    size, loss, damage, seed, restarts
) -> None:
    link = Link(size, duration=0.2)
    draw = random.Random(seed)

    def weather(chunk: Chunk) -> Chunk | None:
        if restarts and draw.random() < 0.1:
            link.restart_target()
        if draw.random() < loss:
            return None
        if draw.random() < damage:
            content = bytearray(chunk.content)
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
            return replace(chunk, content=bytes(content))
        return chunk

    link.run(weather, limit=400.0)
    assert link.arrived()
    assert link.custody.image(link.custody.coming[1]) == link.image


def test_a_restarted_target_goes_on_with_the_bytes_that_it_has() -> None:
    link = Link(duration=2.0)
    while len(link.sent) < 6:
        link.step()
    link.restart_target()
    link.run()
    assert link.arrived()
    assert len(link.sent) <= 11


def test_a_target_that_lost_its_bytes_gets_them_again() -> None:
    link = Link(duration=2.0)
    while len(link.sent) < 6:
        link.step()
    link.store = MemoryStore()
    link.restart_target()
    link.run()
    assert link.arrived()
    assert len(link.sent) >= 16


def test_a_later_try_counts_the_bytes_of_an_earlier_one() -> None:
    link = Link()
    while len(link.sent) < 6:
        link.step()
    again = replace(link.proposal, migration=6)
    copy = link.custody.accept(again, reuse=False)
    assert Incoming(again, link.custody, CONFIG).bytes_done >= 500
    assert copy.migration == 6
    other = replace(link.proposal, migration=7, digest=bytes(32))
    link.custody.accept(other, reuse=False)
    assert Incoming(other, link.custody, CONFIG).bytes_done == 0
    assert len(link.store.images()) == 0


def test_an_image_that_never_matches_its_digest_ends_the_transfer() -> None:
    link = Link()
    link.proposal = replace(link.proposal, digest=bytes(32))
    link.outgoing = Outgoing(link.proposal, link.image, 1.0, CONFIG, 0.0)
    link.run()
    assert link.outgoing.error[0] is ErrorCode.TRANSFER_BROKEN
    assert "damaged 3 times" in link.outgoing.error[1]
    assert not link.arrived()


@pytest.mark.parametrize("index", [10, 11, 2**40])
def test_chunks_from_nowhere_are_ignored(index: int) -> None:
    link = Link()
    link.step()
    link.incoming.take(Chunk(1, 5, 1, 2, index, b"x", 0x8CDC1683))
    assert link.incoming.bytes_done == 0
    assert link.run() == pytest.approx(1.0)


def test_a_silent_target_is_given_up() -> None:
    outgoing = Outgoing(proposal(b"x" * 500), b"x" * 500, 1.0, CONFIG, 0.0)
    now = 0.0
    while outgoing.state is not OutgoingState.FAILED:
        outgoing.poll(now)
        now += 0.1
        assert now < 10.0
    assert outgoing.error[0] is ErrorCode.TARGET_DIED
    assert now == pytest.approx(CONFIG.peer_timeout, abs=0.5)


def test_a_link_that_carries_questions_but_no_bytes_is_given_up() -> None:
    link = Link()
    while link.outgoing.state is not OutgoingState.FAILED:
        link.step(lambda _: None)
        assert link.now < 30.0
    assert link.outgoing.error[0] is ErrorCode.TRANSFER_BROKEN


def test_no_more_chunks_are_under_way_than_the_window_allows() -> None:
    link = Link(size=50_000, duration=0.5)
    link.step()
    for _ in range(200):
        link.step(lambda _: None)
        if link.now > 0.4:
            break
    assert len({index for _, index in link.sent}) <= CONFIG.window


def test_an_old_receipt_does_not_undo_a_new_one() -> None:
    link = Link()
    link.step()
    old = link.incoming.receipt(0.0)
    link.run()
    link.outgoing.take(link.incoming.receipt(link.now), link.now)
    link.outgoing.take(old, link.now)
    assert link.outgoing.bytes_done == len(link.image)
    assert link.outgoing.phase in (Phase.TRANSFERRING, Phase.QUEUED)
    assert link.outgoing.state is OutgoingState.ARRIVED

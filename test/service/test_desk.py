"""Agents act only where their RSU may act for them."""

from __future__ import annotations

import numpy as np

from veaat_migration.protocol.migration.codes import CopyKind
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.host import TwinHost
from veaat_migration.protocol.migration.messages import Claim, Verdict
from veaat_migration.protocol.migration.store import Copy, MemoryStore
from veaat_migration.protocol.migration.twin import image_digest
from veaat_migration.protocol.migration.workbench import Workbench
from veaat_migration.service.agent import Mind, Sensed
from veaat_migration.service.desk import ServiceDesk, state_name
from veaat_migration.service.image import make_image

IMAGE = make_image(1, 5000, cruise_speed=7.0)


def opened() -> tuple[TwinHost, ServiceDesk]:
    """An RSU that owns AV 1's twin in epoch 3, without a lease yet."""
    store = MemoryStore()
    store.write(
        "held",
        Copy(1, CopyKind.OWNER, 3, 9, 0, 9, image_digest(IMAGE), 5000, 4, b"", 1.0, 0.0),
    )
    store.append_image(1, 9, IMAGE)
    bench = Workbench(0.0, 10.0, 40.0, np.random.default_rng(0))
    host = TwinHost(2, MigrationConfig(), store, bench, session=50)
    host.start(10.0)
    return host, ServiceDesk(host)


def grant(host: TwinHost, now: float) -> None:
    (envelope,) = [e for e in host._claim(1, now) if isinstance(e.message, Claim)]
    claim = envelope.message
    verdict = Verdict(1, 99, 2, 3, 2, 0, 9, 0, 9, 2.0, claim.session, claim.sent)
    host.on_message(verdict, now)


def sensed(sequence: int) -> Sensed:
    return Sensed(7, sequence, 0.1 * sequence, 1.0, 2.0, 5.0, 0.0)


def test_without_a_lease_nothing_is_answered():
    _, desk = opened()
    assert desk.serve(1, sensed(1), 10.1) is None
    assert desk.ignored == 1


def test_an_owner_answers_and_changes_the_state():
    host, desk = opened()
    grant(host, 10.1)
    first, second = desk.serve(1, sensed(1), 10.2), desk.serve(1, sensed(2), 10.3)
    assert first is not None
    assert second is not None
    assert (first.epoch, first.version, second.version) == (3, 5, 6)
    assert first.previous_state == state_name(4, b"")
    assert second.previous_state == first.state != second.state
    found = host.live(1)
    assert found is not None
    assert state_name(*found) == second.state
    assert Mind.from_bytes(found[1]).steps == 2
    # From the twin's own configuration.
    assert 5.0 < first.action.speed <= 7.0


def test_old_telemetry_and_that_of_strangers_is_ignored():
    host, desk = opened()
    grant(host, 10.1)
    assert desk.serve(1, sensed(2), 10.2) is not None
    assert desk.serve(1, sensed(2), 10.2) is None
    assert desk.serve(1, sensed(1), 10.2) is None
    assert desk.serve(8, sensed(3), 10.2) is None
    assert desk.serve(1, Sensed(7, 3, float("nan"), 0.0, 0.0, 0.0, 0.0), 10.2) is None


def test_after_the_lease_nothing_is_answered():
    host, desk = opened()
    grant(host, 10.1)
    assert desk.serve(1, sensed(1), 12.0) is not None
    assert desk.serve(1, sensed(2), 12.2) is None

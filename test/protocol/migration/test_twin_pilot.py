"""When an AV asks, what it chooses, and how its migrations are told."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from veaat_migration.protocol.config import ProtocolConfigError
from veaat_migration.protocol.migration.codes import ErrorCode, Phase
from veaat_migration.protocol.migration.config import MigrationConfig
from veaat_migration.protocol.migration.feedback import Feedback
from veaat_migration.protocol.migration.host import TwinHost
from veaat_migration.protocol.migration.messages import Address, Envelope, is_for
from veaat_migration.protocol.migration.pilot import (
    Decision,
    MigrationEnd,
    Pilot,
    PilotConfig,
    Sight,
    Wish,
)
from veaat_migration.protocol.migration.store import AT_HOME, MemoryJournal, MemoryStore
from veaat_migration.protocol.migration.twin import Twin
from veaat_migration.protocol.migration.vehicle import TwinVehicle
from veaat_migration.protocol.migration.workbench import Workbench

CONFIG = MigrationConfig(chunk_size=1000)
STEP = 0.02


class Street:
    """One AV and some RSUs, whose messages arrive at once."""

    def __init__(self, rsus: int = 3, admit: Any = None, **settings: Any) -> None:
        self.now = 100.0
        self.hosts = {
            j: TwinHost(
                j,
                CONFIG,
                MemoryStore(),
                Workbench(0.0, 10.0, 40.0, np.random.default_rng(j)),
                session=j,
                admit=admit,
            )
            for j in range(1, rsus + 1)
        }
        vehicle = TwinVehicle(
            1,
            CONFIG,
            MemoryJournal(AT_HOME),
            session=10,
            now=self.now,
            twin=Twin(bytes(20_000), data=80.0, cycles=4.0),
        )
        self.pilot = Pilot(vehicle, PilotConfig(**settings), default_efficiency=10.0)
        self.ends: list[MigrationEnd] = []
        self.phases: list[Phase] = []
        self.round = 0

    def take(self, outputs: list[Any]) -> None:
        for output in outputs:
            if isinstance(output, Envelope):
                self.deliver(output)
            elif isinstance(output, MigrationEnd):
                self.ends.append(output)
            elif isinstance(output, Feedback) and self.phases[-1:] != [output.phase]:
                self.phases.append(output.phase)

    def deliver(self, envelope: Envelope) -> None:
        message = envelope.message
        for j, host in self.hosts.items():
            if is_for(message, Address("rsu", j)):
                for answer in host.on_message(message, self.now):
                    self.deliver(answer)
        if is_for(message, Address("av", 1)):
            self.take(self.pilot.on_message(message, self.now))

    def pass_time(self, seconds: float, target: int = 0, **decision: Any) -> None:
        """Let time pass; with a target the game decides for it in every round."""
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            for host in self.hosts.values():
                if host.next_wakeup is not None and host.next_wakeup <= self.now:
                    for envelope in host.on_timer(self.now):
                        self.deliver(envelope)
            if self.pilot.next_wakeup <= self.now:
                self.take(self.pilot.on_timer(self.now))
            if target:
                self.round += 1
                made = Decision(5, self.round, target, bandwidth=8.0, **decision)
                self.take(self.pilot.decide(made, self.now))

    def look(self, owner: int, leaving: bool, *candidates: int, covered: Any = ()) -> None:
        efficiency = dict.fromkeys(self.hosts, 10.0)
        sight = Sight(owner, leaving, candidates, frozenset(covered), efficiency)
        self.take(self.pilot.see(sight, self.now))


def deployed(**settings: Any) -> Street:
    street = Street(**settings)
    street.look(0, True, 1)
    street.pass_time(4.0, target=1)
    assert street.pilot.vehicle.owner_id == 1
    street.look(1, False)
    street.ends.clear()
    street.phases.clear()
    return street


def test_a_twin_at_home_is_deployed_where_the_game_says():
    street = Street(settle_rounds=5)
    street.look(0, True, 1, 2)
    assert street.pilot.buys_from == (1, 2)
    street.pass_time(4.0, target=2, price=3.0)
    (end,) = street.ends
    assert end.outcome.moved
    assert (end.outcome.source_id, end.outcome.target_id) == (0, 2)
    assert end.choice is not None
    assert end.choice.played
    assert end.choice.decision.round == 6
    assert street.pilot.buys_from == ()


def test_the_parts_of_a_migration_add_up():
    street = deployed()
    street.look(1, True, 2)
    street.pass_time(4.0, target=2)
    (end,) = street.ends
    delays = end.delays
    assert street.phases == [
        Phase.REQUESTED,
        Phase.NEGOTIATING,
        Phase.TRANSFERRING,
        Phase.REINSTANTIATING,
        Phase.CONNECTED,
    ]
    parts = (delays.request, delays.negotiation, delays.model, delays.handover)
    assert sum(parts) == pytest.approx(delays.total)
    assert delays.transfer == pytest.approx(80.0 / (8.0 * 10.0), abs=0.1)
    assert delays.queueing == 0.0
    assert delays.reinstantiation == pytest.approx(4.0 / 40.0, abs=0.1)
    assert delays.total == pytest.approx(end.outcome.seconds)


def test_an_av_that_stays_does_not_ask():
    street = deployed()
    street.look(1, False, 2, 3)
    street.pass_time(2.0, target=2)
    assert street.pilot.vehicle.owner_id == 1
    assert street.ends == []


def test_a_look_from_before_the_handover_does_not_count():
    street = deployed()
    street.look(3, True, 2)
    street.pass_time(2.0, target=2)
    assert street.pilot.vehicle.owner_id == 1


def test_nobody_asks_when_told_not_to():
    street = Street(automatic=False)
    street.look(0, True, 1)
    street.pass_time(2.0, target=1)
    assert street.pilot.vehicle.feedback is None


def test_a_wish_with_a_price_needs_no_game():
    street = deployed()
    street.take(street.pilot.ask(Wish(3, 8.0), street.now))
    street.pass_time(3.0)
    (end,) = street.ends
    assert end.asked
    assert end.choice is not None
    assert not end.choice.played
    assert (end.outcome.error, street.pilot.vehicle.owner_id) == (ErrorCode.NONE, 3)


def test_a_wish_without_an_rsu_on_the_way_ends_at_once():
    street = deployed()
    street.take(street.pilot.ask(Wish(), street.now))
    (end,) = street.ends
    assert end.outcome.error is ErrorCode.NO_RSU_IN_RANGE


def test_a_wish_for_the_owner_is_refused():
    street = deployed()
    street.take(street.pilot.ask(Wish(1, 8.0), street.now))
    street.pass_time(1.0)
    (end,) = street.ends
    assert end.outcome.error is ErrorCode.TARGET_REFUSED


def test_a_game_that_decides_nothing_ends_the_wait():
    street = deployed(negotiation_timeout=1.0)
    street.look(1, True, 2)
    street.pass_time(1.5)
    (end,) = street.ends
    assert end.outcome.error is ErrorCode.DEADLINE_INFEASIBLE
    assert end.outcome.reason == "the game decided nothing within 1 s"


def test_the_games_reason_is_told():
    street = deployed(negotiation_timeout=1.0)
    street.look(1, True, 2)
    for number in range(1, 80):
        made = Decision(5, number, 0, reason="no RSU meets the tolerated delay of 2 s")
        street.take(street.pilot.decide(made, street.now))
        street.pass_time(STEP)
    assert street.ends[0].outcome.error is ErrorCode.DEADLINE_INFEASIBLE
    assert street.ends[0].outcome.reason == "no RSU meets the tolerated delay of 2 s"


def test_a_deadline_that_cannot_be_met_is_told():
    street = deployed()
    street.take(street.pilot.ask(Wish(2, tolerated_delay=1.0), street.now))
    street.pass_time(1.0, target=2, expected_delay=5.0)
    (end,) = street.ends
    assert end.outcome.error is ErrorCode.DEADLINE_INFEASIBLE
    assert end.outcome.reason == "expected delay 5 s, tolerated 1 s"


def test_a_refusal_is_not_asked_again_for_a_while():
    street = Street(admit=lambda _: "full", retry_period=0.5, avoid_period=5.0)
    street.look(0, True, 1)
    street.pass_time(2.0, target=1)
    (end,) = street.ends
    assert (end.outcome.error, end.outcome.reason) == (ErrorCode.TARGET_REFUSED, "full")
    street.pass_time(2.0, target=1)
    assert len(street.ends) == 1
    street.pass_time(4.0, target=1)
    assert len(street.ends) == 2


def test_a_transfer_breaks_when_the_av_drives_out_of_the_target():
    street = deployed()
    street.look(1, True, 2, covered=[2])
    street.pass_time(0.6, target=2)
    assert street.pilot.vehicle.choice is not None
    street.look(1, True, covered=[])
    (end,) = street.ends
    assert end.outcome.error is ErrorCode.TRANSFER_BROKEN
    assert end.outcome.reason == "the AV left the coverage of RSU 2"
    street.pass_time(1.0)
    assert street.hosts[1].acts(1, street.now)


def test_a_target_ahead_need_not_cover_yet_and_the_blind_break_nothing():
    street = deployed()
    street.look(1, True, 2, covered=[1])
    street.pass_time(0.6, target=2)
    street.look(1, True, covered=[1])
    assert street.ends == []
    street.look(1, True, covered=[2])
    street.take(street.pilot.see(Sight(1, blind=True), street.now))
    street.pass_time(3.0)
    (end,) = street.ends
    assert end.outcome.moved


def test_the_pace_follows_the_link():
    street = deployed()
    street.look(1, True, 2, covered=[2])
    street.pass_time(0.5, target=2)
    faster = Sight(1, True, (2,), frozenset([2]), {2: 40.0})
    street.take(street.pilot.see(faster, street.now))
    street.pass_time(3.0)
    (end,) = street.ends
    assert end.delays.transfer < 0.7 * 80.0 / (8.0 * 10.0)


def test_a_later_wish_takes_the_place_of_a_migration():
    street = deployed()
    street.take(street.pilot.ask(Wish(2, 8.0), street.now))
    street.pass_time(0.3)
    street.take(street.pilot.ask(Wish(3, 8.0), street.now))
    street.pass_time(3.0)
    first, second = street.ends
    assert first.outcome.error is ErrorCode.SUPERSEDED
    assert first.asked
    assert second.outcome.moved
    assert street.pilot.vehicle.owner_id == 3


def test_canceling_leaves_the_twin_where_it_is():
    street = deployed()
    street.take(street.pilot.ask(Wish(2, 8.0), street.now))
    street.pass_time(0.3)
    street.take(street.pilot.cancel(street.now))
    street.pass_time(2.0)
    (end,) = street.ends
    assert end.outcome.error is ErrorCode.CANCELED
    assert street.hosts[1].acts(1, street.now)
    assert math.isnan(end.delays.handover)


@pytest.mark.parametrize("bandwidth", [math.nan, math.inf, -1.0])
def test_a_decision_without_meaning_is_left_out(bandwidth: float):
    street = deployed(settle_rounds=0)
    street.look(1, True, 2)
    street.take(street.pilot.decide(Decision(5, 1, 2, bandwidth), street.now))
    assert street.pilot.vehicle.choice is None


def test_a_purchase_of_nothing_ends_the_migration():
    street = deployed(settle_rounds=0)
    street.look(1, True, 2)
    street.take(street.pilot.decide(Decision(5, 1, 2, 0.0), street.now))
    assert street.ends[0].outcome.error is ErrorCode.DEADLINE_INFEASIBLE


def test_settings_are_checked():
    with pytest.raises(ProtocolConfigError, match=r"^retry_period: must be > 0"):
        PilotConfig(retry_period=0.0)
    with pytest.raises(ProtocolConfigError, match=r"^settle_rounds: must be >= 0"):
        PilotConfig(settle_rounds=-1)

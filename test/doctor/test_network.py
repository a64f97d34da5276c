"""Checks of what is on the network, from facts made up for the purpose."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from veaat_migration.analysis.topics import GAME_TOPICS
from veaat_migration.doctor import network
from veaat_migration.doctor.finding import Finding, Level
from veaat_migration.doctor.network_facts import (
    ODOMETRY,
    TOPICS,
    Endpoint,
    NetworkFacts,
    OfferSeen,
    Qos,
    StatusSeen,
    incompatible,
)

LATCHED = Qos(transient_local=True)


def endpoint(
    node: str, topic: str = "price_offers", *, publishes: bool = True, **options: Any
) -> Endpoint:
    rule = TOPICS[topic]
    fields: dict[str, Any] = {
        "type": rule.type,
        "type_hash": "RIHS01_1",
        "qos": rule.writer if publishes else rule.reader,
        **options,
    }
    return Endpoint(node, publishes, **fields)


def status(role: int = 2, player: int = 1, session: int = 1, **options: Any) -> StatusSeen:
    fields: dict[str, Any] = {
        "policy": "learned",
        "policy_version": 7,
        "decisions": 100,
        "fallbacks": 4,
        **options,
    }
    return StatusSeen(role, player, session, **fields)


def facts(*endpoints: Endpoint, topic: str = "price_offers", **options: Any) -> NetworkFacts:
    return NetworkFacts("/veaat", 4.0, endpoints={topic: endpoints}, **options)


RSU, AV = endpoint("/veaat/rsu_1"), endpoint("/veaat/av_1", publishes=False)
GOOD = facts(
    RSU,
    AV,
    nodes=("/veaat/rsu_1", "/veaat/av_1"),
    statuses=tuple(status(role, 1) for role in (1, 2) for _ in range(4)),
    offers=tuple(OfferSeen(1, 1, round_, 0.002) for round_ in range(5)),
    sim_time={"/veaat/rsu_1": False, "/veaat/av_1": False},
)


def has(finding: Finding, level: Level, *texts: str) -> None:
    assert finding.level is level, finding
    for text in texts:
        assert text in finding.found
    assert bool(finding.advice) == (level in (Level.WARN, Level.FAIL))


def test_a_healthy_game_passes():
    findings = network.check_network(GOOD)

    assert {finding.level for finding in findings} == {Level.OK}
    assert findings[0].found == "AV 1, RSU 1 in /veaat"


def test_an_empty_network_is_no_failure():
    findings = network.check_network(NetworkFacts("/veaat", 4.0))

    assert [finding.level for finding in findings] == [Level.WARN] + [Level.SKIP] * 6


def test_the_topics_are_those_of_recordings():
    for name, message_type in GAME_TOPICS.items():
        if name in TOPICS:
            assert TOPICS[name].type == message_type


def test_silent_nodes_and_other_namespaces_are_mentioned():
    has(network.check_players(facts(RSU)), Level.WARN, "/veaat/rsu_1", "said nothing")
    elsewhere = network.check_players(facts(elsewhere=("/town",)))
    has(elsewhere, Level.WARN, "nobody in /veaat", "in /town")


def test_foreign_types():
    other = endpoint("/shop", type="shop_msgs/msg/PriceOffer")

    has(network.check_types(facts(RSU, other)), Level.FAIL, "/shop", "shop_msgs/msg/PriceOffer")


def test_the_same_name_with_other_definitions():
    other = endpoint("/veaat/av_9", publishes=False, type_hash="RIHS01_2")

    has(network.check_types(facts(RSU, other)), Level.FAIL, "price_offers", "/veaat/av_9")
    unknown = replace(other, type_hash="")
    has(network.check_types(facts(RSU, unknown)), Level.OK)


@pytest.mark.parametrize(
    ("writer", "reader", "text"),
    [
        (LATCHED, LATCHED, ""),
        (LATCHED, Qos(), ""),
        (LATCHED, Qos(reliable=False), ""),
        (Qos(), Qos(), ""),
        (Qos(reliable=False), Qos(reliable=False), ""),
        (Qos(reliable=False), Qos(), "only best effort"),
        (Qos(), LATCHED, "only volatile"),
        (Qos(deadline=0.1), Qos(deadline=0.1), ""),
        (Qos(deadline=0.2), Qos(deadline=0.1), "deadline of 0.1 s, only 0.2 s"),
        (Qos(), Qos(deadline=0.1), "none is offered"),
        (Qos(deadline=0.1), Qos(), ""),
        (Qos(), Qos(manual_liveliness=True), "manual"),
        (Qos(manual_liveliness=True), Qos(), ""),
        (Qos(), Qos(lease=1.0), "lease of 1 s"),
        (Qos(lease=0.5), Qos(lease=1.0), ""),
    ],
)
def test_what_connects(writer: Qos, reader: Qos, text: str):
    why = incompatible(writer, reader)

    assert bool(why) == bool(text)
    assert text in why


def test_a_writer_that_offers_too_little():
    weak = endpoint("/other_rsu", qos=Qos(reliable=False, transient_local=True))

    heard = network.check_qos(facts(weak, AV))
    has(heard, Level.FAIL, "/veaat/av_1 does not hear /other_rsu")
    assert "no node of this package" not in heard.found, "once is enough"
    alone = network.check_qos(facts(weak))
    has(alone, Level.FAIL, "no node of this package hears /other_rsu", "best effort")


def test_a_reader_that_asks_too_much():
    demanding = endpoint(
        "/logger", "bandwidth_bids", publishes=False, qos=Qos(transient_local=True)
    )

    found = network.check_qos(facts(demanding, topic="bandwidth_bids"))

    has(found, Level.FAIL, "/logger hears no node of this package", "volatile")


def test_a_modest_reader_is_welcome():
    modest = endpoint("/rviz", publishes=False, qos=Qos(reliable=False))

    has(network.check_qos(facts(RSU, modest)), Level.OK)


def test_nodes_of_one_name():
    has(
        network.check_identities(facts(RSU, nodes=("/veaat/rsu_1", "/veaat/rsu_1"))),
        Level.FAIL,
        "/veaat/rsu_1",
    )


def test_players_of_one_id():
    turns = tuple(status(session=session) for session in (1, 2, 1, 2))

    has(network.check_identities(facts(RSU, statuses=turns)), Level.FAIL, "AV 1")


def test_a_restart_is_no_double():
    restarted = tuple(status(session=session) for session in (1, 1, 2, 2))
    others = (status(1, 1, 8), status(2, 1, 9), status(1, 1, 8), status(2, 1, 9))

    has(network.check_identities(facts(RSU, statuses=restarted)), Level.OK)
    has(network.check_identities(facts(RSU, statuses=others)), Level.OK)


@pytest.mark.parametrize(
    ("sim_time", "clocks", "level"),
    [
        ({"/a": False}, 0, Level.OK),
        ({"/a": False}, 1, Level.WARN),
        ({"/a": True}, 1, Level.OK),
        ({"/a": True}, 0, Level.FAIL),
        ({"/a": True}, 2, Level.FAIL),
        ({"/a": True, "/b": False}, 1, Level.WARN),
        ({}, 0, Level.SKIP),
    ],
)
def test_simulated_time(sim_time: dict[str, bool], clocks: int, level: Level):
    assert network.check_time(facts(sim_time=sim_time, clocks=clocks)).level is level


def offers(*ages: float, rsu: int = 1) -> tuple[OfferSeen, ...]:
    return tuple(OfferSeen(rsu, 1, round_, age) for round_, age in enumerate(ages))


@pytest.mark.parametrize(
    ("seen", "level"),
    [
        (offers(0.001, 0.002), Level.OK),
        (offers(5.0, 0.002), Level.OK),  # the first was sent again
        (offers(0.001), Level.SKIP),
        ((), Level.SKIP),
        (offers(-3.0, -3.1), Level.WARN),
        (offers(3.0, 3.1), Level.WARN),
        (offers(0.001, 0.002) + offers(-1.0, -1.0, rsu=2), Level.WARN),
    ],
)
def test_stamps(seen: tuple[OfferSeen, ...], level: Level):
    assert network.check_stamps(facts(offers=seen)).level is level


def test_stamps_of_simulated_time_say_nothing():
    found = network.check_stamps(facts(offers=offers(9e8, 9e8), sim_time={"/a": True}))

    assert found.level is Level.SKIP


def test_fallbacks_count_from_the_first_status_on():
    before, after = status(), status(decisions=150)

    has(network.check_fallbacks(facts(statuses=(before, after))), Level.OK, "version 7")
    troubled = replace(after, fallbacks=24)
    found = network.check_fallbacks(facts(statuses=(before, troubled)))
    has(found, Level.WARN, "AV 1: 20 of 70 rounds")


def test_versions_that_differ():
    both = (status(), status(1, 1, policy_version=8))

    has(network.check_fallbacks(facts(statuses=both)), Level.WARN, "7, 8")


def test_without_learned_policies_there_is_nothing_to_say():
    found = network.check_fallbacks(facts(statuses=(status(policy_version=0),)))

    assert found.level is Level.SKIP


@pytest.mark.parametrize(
    ("writers", "level", "text"),
    [
        ([], Level.WARN, "nobody publishes /odom"),
        ([("/ekf", ODOMETRY)], Level.OK, "/odom from /ekf"),
        ([("/ekf", ODOMETRY), ("/slam", ODOMETRY)], Level.FAIL, "/ekf, /slam"),
        ([("/gps", "sensor_msgs/msg/NavSatFix")], Level.FAIL, "/gps (sensor_msgs/msg/NavSatFix)"),
    ],
)
def test_odometry(writers: list[tuple[str, str]], level: Level, text: str):
    ends = tuple(Endpoint(node, True, kind, "", Qos(reliable=False)) for node, kind in writers)
    reader = Endpoint("/veaat/av_1", False, ODOMETRY, "", Qos(reliable=False))
    seen = facts(odometry_topic="/odom", odometry=(*ends, reader))

    has(network.check_odometry(seen), level, text)
    assert network.check_network(seen)[-1].check == "odometry"
    assert network.check_network(facts())[-1].check != "odometry"


def test_long_lists_are_cut():
    many = [endpoint(f"/shop_{k}", type="a/msg/B") for k in range(40)]

    found = network.check_types(facts(*many))

    assert "and 36 more" in found.found
    assert math.isinf(Qos().deadline)

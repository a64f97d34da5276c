"""Rows of the tables that the report tests do not cover."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veaat_migration.analysis.reading import Received, Recording
from veaat_migration.analysis.tables import TABLES, columns, rows, write_tables
from veaat_migration.analysis.topics import ALL_TOPICS

TIME = 1_700_000_000_123_456_789


def recording(**messages: list[Received]) -> Recording:
    found = {name: messages.get(name, []) for name in (*ALL_TOPICS, "diagnostics")}
    return Recording(Path("bag"), "/veaat", found, {})


def only(table: str, message: Any) -> list[dict[str, Any]]:
    topic = {
        "rejections": "node_status",
        "migration_decisions": "migration_decision",
        "policy_releases": "policy_manifest",
    }.get(table, table)
    content = rows(recording(**{topic: [Received(TIME + 250_000, message)]}), table)
    return [dict(zip(columns(table), row, strict=True)) for row in content]


def test_times_are_exact(types: Any):
    offer = types.make(
        "price_offers", TIME, session=1, round=2, rsu_id=1, price=3.0, quality=1.0, closing=True,
        settled_round=1, settled_av_ids=np.array([1, 2], np.uint32),
        settled_bandwidth=np.array([1.5, 2.0]),
    )  # fmt: skip
    (row,) = only("price_offers", offer)
    assert row["stamp"] == "1700000000.123456789"
    assert row["receive_time"] == "1700000000.123706789"
    assert row["latency_ms"] == 0.25
    assert (row["closing"], row["settled_avs"], row["settled_bandwidth"]) == (1, 2, 3.5)


def test_a_goodbye_is_a_row_without_amounts(types: Any):
    empty = np.zeros(0)
    bid = types.make(
        "bandwidth_bids", TIME, session=1, round=2, av_id=3, leaving=True,
        rsu_ids=empty.astype(np.uint32), sessions=empty.astype(np.uint64), prices=empty,
        qualities=empty, bandwidth=empty,
    )  # fmt: skip
    (row,) = only("bandwidth_bids", bid)
    assert (row["av_id"], row["leaving"], row["rsu_id"], row["bandwidth"]) == (3, 1, "", "")


def test_arrays_that_do_not_fit_together_are_left_out(types: Any):
    bid = types.make(
        "bandwidth_bids", TIME, session=1, round=2, av_id=3, leaving=False,
        rsu_ids=np.array([1, 2], np.uint32), sessions=np.array([1], np.uint64),
        prices=np.array([1.0]), qualities=np.array([1.0]), bandwidth=np.array([1.0]),
    )  # fmt: skip
    assert only("bandwidth_bids", bid) == []


def test_a_round_status_has_a_row_per_player(types: Any):
    status = types.make(
        "round_status", TIME, round=5, complete=True, rsu_ids=np.array([1, 2], np.uint32),
        av_ids=np.array([3], np.uint32), prices=np.array([4.0, 5.0]), demand=np.array([1.0, 2.0]),
        utility_rsu=np.array([6.0, 7.0]), utility_av=np.array([8.0]), max_utility_deviation=0.5,
        duration=0.01,
    )  # fmt: skip
    found = only("round_status", status)
    assert [(r["role"], r["player_id"], r["price"], r["utility"]) for r in found] == [
        ("rsu", 1, 4.0, 6.0),
        ("rsu", 2, 5.0, 7.0),
        ("av", 3, "", 8.0),
    ]
    assert {(r["round"], r["complete"], r["duration"]) for r in found} == {(5, 1, 0.01)}


def test_a_migration_decision_is_a_row(types: Any):
    decision = types.make(
        "migration_decision", TIME, av_id=3, session=1, round=5, target_rsu_id=2, bandwidth=4.0,
        expected_utility=15.0, expected_delay=0.5, delay_margin=1.5, source=2, reason="no policy",
        policy_version=0, policy_sha256="", decision_time=1e-4,
        rsu_ids=np.array([1, 2], np.uint32), prices=np.ones(2), bandwidths=np.ones(2),
        delays=np.ones(2),
    )  # fmt: skip
    (row,) = only("migration_decisions", decision)
    assert (row["round"], row["av_id"], row["target_rsu_id"], row["bandwidth"]) == (5, 3, 2, 4.0)
    assert (row["source"], row["reason"], row["policy_version"]) == ("fallback", "no policy", 0)
    assert (row["expected_delay"], row["delay_margin"]) == (0.5, 1.5)


def test_a_release_has_a_row_per_policy(types: Any):
    entry = types.store.types["veaat_migration/msg/PolicyEntry"]
    entries = [
        entry(
            role=role, agent_id=1, sha256="ab", size=3000, location="", sparsity=0.85,
            signature=np.zeros(signed, np.uint8),
        )
        for role, signed in ((1, 0), (2, 64))
    ]  # fmt: skip
    release = types.make(
        "policy_manifest", TIME, policy_version=9, format_version=1, training="cd", seed=7,
        iteration=150, gap=0.005, exploitability=0.001, policies=entries,
    )  # fmt: skip
    found = only("policy_releases", release)
    assert [(r["role"], r["player_id"], r["signed"]) for r in found] == [
        ("rsu", 1, 0),
        ("av", 1, 1),
    ]
    assert {(r["policy_version"], r["iteration"], r["gap"], r["seed"]) for r in found} == {
        (9, 150, 0.005, 7)
    }


def test_a_status_of_the_training_is_a_row(types: Any):
    none = np.zeros(0)
    status = types.make(
        "training_status", TIME, state=1, message="", algorithm="ma_iei_ppo", folder="/x", seed=7,
        iteration=3, iterations=150, steps=900, steps_per_second=4000.0, seconds_left=60.0,
        gap=0.1, exploitability=0.2, rewards=none, utilities=none, equilibrium_utilities=none,
        sparsity=none, policy_version=0,
    )  # fmt: skip
    (row,) = only("training_status", status)
    assert (row["state"], row["iteration"], row["iterations"]) == ("training", 3, 150)
    assert row["gap"] == 0.1


def test_diagnostics_have_a_row_per_value(types: Any):
    kinds = types.store.types
    values = [kinds["diagnostic_msgs/msg/KeyValue"](key=k, value=v) for k, v in ("ab", "cd")]
    status = kinds["diagnostic_msgs/msg/DiagnosticStatus"]
    array = kinds["diagnostic_msgs/msg/DiagnosticArray"](
        header=types.header(TIME),
        status=[
            status(level=1, name="rsu_1", message="late", hardware_id="x", values=values),
            status(level=0, name="rsu_2", message="", hardware_id="", values=[]),
        ],
    )
    found = only("diagnostics", array)
    assert [(r["name"], r["level"], r["key"], r["value"]) for r in found] == [
        ("rsu_1", "warn", "a", "b"),
        ("rsu_1", "warn", "c", "d"),
        ("rsu_2", "ok", "", ""),
    ]


@pytest.mark.parametrize("table", TABLES)
def test_a_topic_that_is_not_recorded_has_no_table(table: str, tmp_path: Path):
    assert write_tables(recording(), tmp_path) == []
    assert columns(table)[:3] == ("stamp", "receive_time", "latency_ms")
